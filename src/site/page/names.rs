//! How the names on a page are read from what was found: of attachments, and of the supplier.

use serde_json::{Value, json};
use url::Url;

use crate::backend::ElementInfo;
use crate::download::{extension, percent_decoded};
use crate::site::page::selectors::{listings, without_exclusions};
use crate::site::{ColumnSelector, Listing, NameSource, Recipe, SupplierSource};

/// What is between the number of a supplier and its name.
const DASHES: [&str; 4] = [" - ", " \u{2013} ", " \u{2014} ", " | "];

/// The supplier that an element names; none if it names none.
pub(crate) fn supplier_of(source: &SupplierSource, found: &ElementInfo) -> Option<String> {
    let attributes = source.attributes.iter().filter_map(|name| found.attributes.get(name));
    let texts = || attributes.clone().chain([&found.text]).map(|text| text.trim()).filter(|text| !text.is_empty());
    if source.is_numbered {
        if let Some(name) = texts().find_map(behind_number) {
            return Some(name.to_owned());
        }
        // a tooltip without a number may say anything, unless it is what was cut off on the page
        let shown = found.text.trim();
        let is_cut = shown.ends_with('\u{2026}') || shown.ends_with("...");
        let beginning = shown.trim_end_matches(['.', '\u{2026}', ' ']);
        let whole = texts().find(|text| is_cut && *text != shown && text.starts_with(beginning));
        if let Some(name) = whole.or(Some(shown).filter(|shown| !shown.is_empty())) {
            return Some(name.to_owned());
        }
    }
    texts().next().map(str::to_owned)
}

/// The name in a text such as `10023 - ACME LTDA`.
fn behind_number(text: &str) -> Option<&str> {
    let (number, name) = DASHES.iter().find_map(|dash| text.split_once(dash))?;
    (is_number(number) && !name.trim().is_empty()).then_some(name.trim())
}

/// Whether a text can be the number of a supplier: one word of digits, or with two at least. "3M" is a name.
fn is_number(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    !text.trim().contains(char::is_whitespace) && (digits >= 2 || digits == text.trim().len())
}

/// The other cells that the names of a listing, the recipe's `at`-th, are read from, and the attribute for each.
pub(crate) fn cells(at: usize, listing: &Listing) -> impl Iterator<Item = (String, &ColumnSelector)> {
    listing.name.iter().enumerate().filter_map(move |(nth, name)| match name {
        NameSource::Cell(cell) => Some((cell_attribute(at, nth), cell)),
        NameSource::Title | NameSource::AriaLabel | NameSource::Download | NameSource::Text | NameSource::Href => None,
    })
}

fn cell_attribute(listing: usize, name: usize) -> String {
    format!("data-recipe-cell-{listing}-{name}")
}

/// What the script that writes names onto elements (`marks/cells.js`) is to write.
pub(crate) fn cell_requests(recipe: &Recipe) -> Vec<Value> {
    let cells = listings(recipe)
        .enumerate()
        .flat_map(|(at, (listing, _))| cells(at, listing).map(move |(attribute, cell)| (listing, attribute, cell)));
    let request = |(listing, attribute, cell): (&Listing, String, &ColumnSelector)| {
        json!([without_exclusions(recipe, listing), cell.row.as_str(), cell.css.as_str(), attribute])
    };
    cells.map(request).collect()
}

/// The name of an attachment, by the recipe's `at`-th listing; empty if it has none.
pub(crate) fn label(at: usize, listing: &Listing, element: &ElementInfo) -> String {
    let attribute = |name: &str| element.attributes.get(name).cloned().unwrap_or_default();
    // a label in words that are not known is more than the name
    let is_in_other_words =
        |source: &NameSource| *source == NameSource::AriaLabel && !listing.knows_label(&attribute("aria-label"));
    let mut sources: Vec<_> = listing.name.iter().enumerate().collect();
    sources.sort_by_key(|(_, source)| is_in_other_words(source));
    let texts: Vec<String> = sources
        .into_iter()
        .map(|(nth, source)| match source {
            NameSource::Title => attribute("title"),
            NameSource::AriaLabel => file_shown_in(&attribute("aria-label"), &element.text),
            NameSource::Download => attribute("download"),
            NameSource::Text => element.text.clone(),
            NameSource::Href => last_part(&attribute("href")),
            NameSource::Cell(_) => attribute(&cell_attribute(at, nth)),
        })
        .map(|text| listing.name_of(&text))
        .filter(|text| !text.is_empty())
        .collect();
    let best = texts.iter().find(|text| extension(text).is_some()).or(texts.first());
    best.cloned().unwrap_or_default()
}

/// What an element shows, if that is the name of a file and ends its label; else the label.
fn file_shown_in(label: &str, shown: &str) -> String {
    let is_end = label.trim().strip_suffix(shown.trim()).is_some_and(|before| before.ends_with(char::is_whitespace));
    if is_end && extension(shown.trim()).is_some() { shown } else { label }.trim().to_owned()
}

fn last_part(href: &str) -> String {
    Url::parse(href).ok().and_then(|url| url.path_segments()?.next_back().map(percent_decoded)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::recipe::parse::load;

    fn element(text: &str, attributes: &[(&str, &str)]) -> ElementInfo {
        let attributes = attributes.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        ElementInfo { text: text.to_owned(), attributes }
    }

    #[test]
    fn the_first_name_with_an_extension_is_the_label() {
        let recipe = load("coupa").unwrap();
        let href = ("href", "https://acme.test/attachment_file/9/Bid%20%C3%A9.pdf?t=1");
        for (text, title, label) in [
            ("Download", Some("Bid.docx"), "Bid.docx"),
            ("Download", None, "Bid é.pdf"),
            ("Bid.xlsx", Some("Click"), "Bid.xlsx"),
        ] {
            let attributes: Vec<_> = title.map(|title| ("title", title)).into_iter().chain([href]).collect();
            assert_eq!(super::label(0, &recipe.attachments.links[0], &element(text, &attributes)), label);
        }
    }

    #[test]
    fn a_label_in_other_words_is_the_last_place_to_read_a_name() {
        let recipe = load("coupa").unwrap();
        let buttons = &recipe.attachments.buttons[0];
        for (label, text, name) in [
            ("Nota.pdf file attachment", "Nota\u{2026}", "Nota.pdf"),
            ("Nota.pdf \u{6dfb}\u{4ed8}", "Nota.pdf", "Nota.pdf"),
            ("Soubor Nota.pdf", "Nota\u{2026}", "Soubor Nota.pdf"),
            ("Fichier joint nommé Nota.pdf", "Nota.pdf", "Nota.pdf"),
            ("Pièce jointe du fichier Nota.pdf", "", "Nota.pdf"),
            ("Archivo adjunto de Nota.pdf", "", "Nota.pdf"),
            ("Anexo de arquivo de x-Nota.pdf", "Nota.pdf", "x-Nota.pdf"),
        ] {
            assert_eq!(super::label(0, buttons, &element(text, &[("aria-label", label)])), name, "{label}");
        }
    }

    #[test]
    fn a_supplier_is_named_by_its_text_or_in_a_title_behind_its_number() {
        let recipe = load("coupa").unwrap();
        let source = recipe.order.supplier.iter().find(|source| source.is_numbered).unwrap();
        for (title, text, name) in [
            ("10023 - NORTHWIND TRADING LTDA", "NORTHWIND TRA\u{2026}", Some("NORTHWIND TRADING LTDA")),
            ("A-77 - North - South", "x", Some("North - South")),
            ("10023 \u{2013} NORTHWIND", "NORTHWIND", Some("NORTHWIND")),
            ("", "10023 - NORTHWIND", Some("NORTHWIND")),
            ("Smith - Jones Ltd", "Smith \u{2026}", Some("Smith - Jones Ltd")),
            ("Smith - Jones Ltd", "Smith...", Some("Smith - Jones Ltd")),
            ("Show this supplier", "Smith - Jones Ltd", Some("Smith - Jones Ltd")),
            ("Show this supplier", "Acme Inc.", Some("Acme Inc.")),
            ("ACME", "", Some("ACME")),
            ("3M - Germany", "3M - Germany", Some("3M - Germany")),
            ("", " ACME ", Some("ACME")),
            ("10023 - ", "x", Some("x")),
            ("", "", None),
        ] {
            let found = element(text, &[("title", title)]);
            assert_eq!(supplier_of(source, &found).as_deref(), name, "{title}");
        }
        let plain = &recipe.order.supplier[0];
        assert_eq!(supplier_of(plain, &element("3M - Germany", &[])).as_deref(), Some("3M - Germany"));
    }
}
