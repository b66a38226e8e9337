//! The part of a recipe that says what is an attachment.

use serde::Deserialize;

use super::Selector;

/// Marks a link without an address whose script fetches a file.
pub(crate) const FILE_MARK: &str = "data-recipe-file";

/// A word must be so long that it means something as a part of an address.
const SHORTEST_WORD: usize = 4;

/// What is an attachment.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Attachments {
    /// Links with the file's address.
    #[serde(default)]
    pub links: Vec<Listing>,
    /// What may be a link without an address, such as `javascript:get(7)` or `#` with a handler. It is an attachment, and clicked,
    /// if it says the name of a file or its script speaks of a download.
    #[serde(default)]
    pub script_links: Vec<Selector>,
    /// What finds those of them that are attachments: what a script has marked.
    #[serde(skip)]
    pub(crate) scripted: Vec<Listing>,
    /// Links that are looked at only when there are neither links nor buttons.
    #[serde(default)]
    pub wider_links: Vec<Listing>,
    /// Buttons whose script asks for the file.
    #[serde(default)]
    pub buttons: Vec<Listing>,
    /// Attachments that are web addresses: named in the report, not fetched.
    #[serde(default)]
    pub web: Vec<Listing>,
    /// Attachments that are texts: named in the report, not fetched.
    #[serde(default)]
    pub notes: Vec<Listing>,
    /// What is never one.
    #[serde(default)]
    pub never: Exclusions,
    /// Where attachments are. A page without attachments must show each of them, with nothing in it that could be one,
    /// or something of `none`.
    #[serde(default)]
    pub areas: Vec<Selector>,
    /// Further places where attachments may be. They need not be on a page; one that is must be as empty as an area.
    #[serde(default)]
    pub places: Vec<Selector>,
    /// Shows that there are none.
    #[serde(default)]
    pub none: Vec<Selector>,
    /// What marks an area, something in it or something around it as still waiting for its content.
    #[serde(default)]
    pub busy: Vec<Selector>,
    /// What attachments are called where a page counts them, such as in `Attachments (2)`, in any case of letters.
    #[serde(default)]
    pub words: Vec<String>,
    /// What is clicked before the list is read, each once: a tab or a section that has attachments behind it.
    #[serde(default)]
    pub open: Vec<Control>,
    /// What is clicked as long as it brings more attachments, such as `Show more`.
    #[serde(default)]
    pub more: Vec<Control>,
}

/// Something on a page that is clicked so that it shows more.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Control {
    /// What finds it.
    pub css: Selector,
    /// What it says, one of these: in any case of letters, numbers and punctuation left out. Any text if empty.
    #[serde(default)]
    pub texts: Vec<String>,
}

/// One way in which attachments are listed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Listing {
    /// What finds them.
    pub css: Selector,
    /// Where their name is read, best first.
    pub name: Vec<NameSource>,
    /// Endings that are not part of the name.
    #[serde(default)]
    pub name_ends: Vec<String>,
    /// Attributes that hold the file's address, of a button or of the nearest element around it. Such a file is fetched
    /// without a click.
    #[serde(default)]
    pub address: Vec<String>,
    /// Beginnings of the `aria-label` of what `css` finds, in several languages and in any case of letters. Where there
    /// are some, or some `label_ends`, only an element with one of these counts. They are not part of the name.
    #[serde(default)]
    pub label_starts: Vec<String>,
    /// Endings of the same.
    #[serde(default)]
    pub label_ends: Vec<String>,
    /// What finds more of them, whatever their label says.
    #[serde(default)]
    pub any_label: Option<Selector>,
}

impl Listing {
    /// What finds them, by their label as well.
    pub(crate) fn selector(&self) -> String {
        let label = |operator: &str, text: &String| {
            let text: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            format!("[aria-label{operator}=\"{}\" i]", text.replace('\\', "\\\\").replace('"', "\\\""))
        };
        let starts = self.label_starts.iter().map(|text| label("^", text));
        let labels: Vec<_> = starts.chain(self.label_ends.iter().map(|text| label("$", text))).collect();
        if labels.is_empty() {
            return self.css.as_str().to_owned();
        }
        let labelled = format!(":is({}):is({})", self.css.as_str(), labels.join(", "));
        match &self.any_label {
            Some(any) => format!("{labelled}, {}", any.as_str()),
            None => labelled,
        }
    }

    /// Whether a label is one of those that the listing knows.
    pub(crate) fn knows_label(&self, text: &str) -> bool {
        let text = text.trim();
        let is_known = self.label_starts.iter().any(|start| without_start(text, start.trim()).is_some())
            || self.label_ends.iter().any(|end| without_end(text, end.trim()).is_some());
        is_known || self.label_starts.is_empty() && self.label_ends.is_empty()
    }

    /// A name without the parts that do not belong to it.
    pub(crate) fn name_of(&self, text: &str) -> String {
        let text = text.trim();
        let text = self.name_ends.iter().find_map(|end| text.strip_suffix(end.as_str())).unwrap_or(text);
        // the longest one: "Archivo adjunto de" and not "Archivo adjunto"
        let rests = self.label_starts.iter().filter_map(|start| without_start(text.trim(), start.trim()));
        let text = rests.min_by_key(String::len).unwrap_or_else(|| text.trim().to_owned());
        let rests = self.label_ends.iter().filter_map(|end| without_end(text.trim(), end.trim()));
        rests.min_by_key(String::len).unwrap_or(text).trim().to_owned()
    }
}

/// `text` without `start`, if it begins with that in any case of letters.
fn without_start(text: &str, start: &str) -> Option<String> {
    let count = start.chars().count();
    let head: String = text.chars().take(count).collect();
    (head.to_lowercase() == start.to_lowercase()).then(|| text.chars().skip(count).collect())
}

/// `text` without `end`, if it ends in that in any case of letters.
fn without_end(text: &str, end: &str) -> Option<String> {
    let count = text.chars().count().checked_sub(end.chars().count())?;
    let tail: String = text.chars().skip(count).collect();
    (tail.to_lowercase() == end.to_lowercase()).then(|| text.chars().take(count).collect())
}

/// Where an attachment's name is read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NameSource {
    /// The attribute `title`.
    Title,
    /// The attribute `aria-label`.
    AriaLabel,
    /// The attribute `download`.
    Download,
    /// The element's text.
    Text,
    /// The last part of its address.
    Href,
    /// The text of another cell of its row.
    Cell(ColumnSelector),
}

/// Another cell of the row that contains an element, in a table or in whatever a portal builds its rows from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ColumnSelector {
    /// The row: the nearest element around that this matches.
    pub row: Selector,
    /// The cell: the first one in the row that this finds.
    pub css: Selector,
}

impl Attachments {
    /// Adds the listing that finds links whose script fetches a file.
    pub(crate) fn take_script_links(&mut self) {
        let Ok(css) = Selector::try_from(format!("[{FILE_MARK}]")) else { return };
        if !self.script_links.is_empty() {
            let name = vec![NameSource::Text, NameSource::Title, NameSource::AriaLabel];
            self.scripted.push(Listing {
                css,
                name,
                name_ends: Vec::new(),
                address: Vec::new(),
                label_starts: Vec::new(),
                label_ends: Vec::new(),
                any_label: None,
            });
        }
    }

    /// Adds listings that find as files what `web` finds on one of `hosts`: files may come from there.
    pub(crate) fn take_files_of(&mut self, hosts: &[String]) {
        let starts = hosts.iter().flat_map(|host| {
            let begin = ["https://", "http://", "//"].map(|scheme| format!("{scheme}{host}"));
            begin.into_iter().flat_map(|begin| ["/", ":", "?"].map(|end| format!("{begin}{end}")))
        });
        let starts: Vec<_> = starts.collect();
        if starts.is_empty() {
            return;
        }
        let on_hosts = |listing: &Listing, attribute: &str, besides: &str| {
            let addresses: Vec<_> = starts.iter().map(|start| format!("[{attribute}^='{start}' i]")).collect();
            let css = format!(":is({}):is({}){besides}", listing.css.as_str(), addresses.join(", "));
            Selector::try_from(css).ok().map(|css| Listing { css, ..listing.clone() })
        };
        let links: Vec<_> = self.web.iter().filter_map(|listing| on_hosts(listing, "href", "")).collect();
        let others = self.web.iter().filter_map(|listing| on_hosts(listing, "data-url", ":not([href])"));
        let others: Vec<_> =
            others.map(|listing| Listing { address: vec!["data-url".to_owned()], ..listing }).collect();
        self.links.extend(links);
        self.buttons.extend(others);
    }

    /// Whether a path has one of the words for attachments in it.
    pub(crate) fn are_named_in(&self, path: &str) -> bool {
        let path = path.to_lowercase();
        self.telling_words().any(|word| path.contains(&word))
    }

    /// The words, in small letters, that mean something as a part of an address.
    pub(crate) fn telling_words(&self) -> impl Iterator<Item = String> + '_ {
        self.words.iter().map(|word| word.to_lowercase()).filter(|word| word.len() >= SHORTEST_WORD)
    }
}

/// What is never an attachment, whatever finds it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Exclusions {
    /// What finds them.
    #[serde(default)]
    pub css: Vec<Selector>,
    /// Exceptions that are attachments, such as a link with an attachment's address, whatever its name looks like.
    #[serde(default)]
    pub except: Vec<Selector>,
    /// Texts of links and buttons that are not attachments, such as `Add file`; case is ignored, numbers and
    /// punctuation are left out.
    #[serde(default)]
    pub texts: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(starts: &[&str], ends: &[&str]) -> Listing {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Listing {
            css: Selector::try_from("span[role='button']".to_owned()).unwrap(),
            name: vec![NameSource::AriaLabel],
            name_ends: Vec::new(),
            address: Vec::new(),
            label_starts: texts(starts),
            label_ends: texts(ends),
            any_label: None,
        }
    }

    #[test]
    fn a_label_finds_its_buttons_and_is_no_part_of_their_names() {
        let listing = listing(&["Anexo de", "Anexo de arquivo de"], &["file attachment", "say \"x\""]);
        assert_eq!(
            listing.selector(),
            "span[role='button']:is([aria-label^=\"Anexo de\" i], [aria-label^=\"Anexo de arquivo de\" i], [aria-label$=\"file attachment\" i], \
             [aria-label$=\"say \\\"x\\\"\" i])"
                .replacen("span[role='button']", ":is(span[role='button'])", 1)
        );
        for (label, name) in [
            ("Anexo de arquivo de Nota.pdf", "Nota.pdf"),
            ("ANEXO DE ARQUIVO DE Nota.pdf ", "Nota.pdf"),
            ("Invoice 12.msg file attachment", "Invoice 12.msg"),
            ("Invoice 12.msg File Attachment", "Invoice 12.msg"),
            ("Offer.pdf", "Offer.pdf"),
            ("", ""),
        ] {
            assert_eq!(listing.name_of(label), name, "{label}");
        }
    }

    #[test]
    fn what_stands_on_an_allowed_host_is_a_file_and_no_web_address() {
        let mut attachments = Attachments { web: vec![listing(&[], &[])], ..Attachments::default() };
        attachments.take_files_of(&[]);
        assert!(attachments.links.is_empty() && attachments.buttons.is_empty());
        attachments.take_files_of(&["files.acme.test".to_owned()]);
        let css = attachments.links[0].css.as_str();
        assert!(css.starts_with(":is(span[role='button']):is([href^='https://files.acme.test/' i], "), "{css}");
        let css = attachments.buttons[0].css.as_str();
        assert!(css.contains("[data-url^='//files.acme.test:' i]") && css.ends_with(":not([href])"), "{css}");
    }

    #[test]
    fn without_labels_a_listing_is_its_selector() {
        assert_eq!(listing(&[], &[]).selector(), "span[role='button']");
    }
}
