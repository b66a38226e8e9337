//! One look at a page: everything that a recipe asks for, found at one moment, so that no two answers contradict each
//! other.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use url::Url;

use super::classify::PageFacts;
use super::identity::listed::attachments;
use super::identity::{self, ListingKey, MARK, WRITE_MARKS};
use crate::backend::{DocumentInfo, ElementInfo, Page, Query, SessionError};
use crate::download::{extension, percent_decoded};
use crate::model::{FileOrigin, ListingId};
use crate::site::{ColumnSelector, Listing, NameSource, Recipe, Selector};

/// Writes names that stand in other cells onto the elements themselves.
pub(crate) const CELLS: &str = include_str!("cells.js");

/// What a look at a page found.
#[derive(Clone, Debug)]
pub(crate) struct PageSnapshot {
    pub(crate) look: PageFacts,
    pub(crate) supplier: Option<String>,
    /// Each once.
    pub(crate) attachments: Vec<ListedAttachment>,
    /// Those listed twice included.
    pub(crate) listed_count: usize,
    pub(crate) requisition: Option<String>,
}

/// An attachment as a page lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedAttachment {
    /// What the page calls it; may be empty.
    pub(crate) label: String,
    /// What tells it from the others of the page, also after the page was rendered anew.
    pub(crate) key: ListingKey,
    /// Where its file is, as this look has shown it.
    pub(crate) address: Option<String>,
    /// Whether it is a link, and not a button that may have an address all the same.
    pub(crate) is_link: bool,
    /// Whether an earlier look has marked it: it is the same element.
    pub(crate) is_marked: bool,
    /// What tells it from the others of the order.
    pub(crate) id: ListingId,
    /// What finds it, and its place among what that finds: true for this look only.
    pub(crate) css: String,
    pub(crate) nth: usize,
}

impl PageSnapshot {
    /// What is looked for, in the order that [`PageSnapshot::read`] expects.
    pub(crate) fn queries(recipe: &Recipe, origin: FileOrigin) -> Vec<Query> {
        let plain = |css: String| Query { css, attributes: Vec::new() };
        let markers = match origin {
            FileOrigin::Order => &recipe.order.markers,
            FileOrigin::Requisition => &recipe.requisition.markers,
        };
        let mut queries = vec![
            plain(any_of(markers)),
            plain(recipe.login.form.as_str().to_owned()),
            plain(any_of(&recipe.errors.css)),
            Query { css: recipe.order.requisition.as_str().to_owned(), attributes: vec!["href".to_owned()] },
        ];
        queries.extend(recipe.order.supplier.iter().map(|css| plain(css.as_str().to_owned())));
        queries.extend(listing_queries(recipe));
        queries
    }

    /// The attachments alone, where they are now.
    pub(crate) async fn attachments_of(
        page: &mut dyn Page,
        recipe: &Recipe,
        origin: FileOrigin,
    ) -> Result<Vec<ListedAttachment>, SessionError> {
        let queries: Vec<_> = listing_queries(recipe).collect();
        let answers = ask(page, recipe, &queries).await?;
        let found = listings(recipe).zip(answers).map(|((listing, shape), answer)| (listing, shape, answer));
        Ok(attachments(recipe, origin, found.collect()).0)
    }

    /// Marks the buttons that have the name of others, so that each is known wherever the page moves it.
    pub(crate) async fn mark_equals(page: &mut dyn Page, attachments: &[ListedAttachment]) -> Result<(), SessionError> {
        let mut wanted: BTreeMap<&str, Vec<(usize, String)>> = BTreeMap::new();
        for listed in attachments {
            if let ListingKey::Button { place, count: count @ 2.., .. } = &listed.key {
                wanted.entry(&listed.css).or_default().push((listed.nth, identity::mark(*place, *count)));
            }
        }
        for (css, marks) in wanted {
            let (places, texts): (Vec<_>, Vec<_>) = marks.into_iter().unzip();
            page.evaluate(WRITE_MARKS, vec![json!(css), json!(places), json!(texts), json!(MARK)]).await?;
        }
        Ok(())
    }

    /// Looks at the page.
    pub(crate) async fn take(page: &mut dyn Page, recipe: &Recipe, origin: FileOrigin) -> Result<Self, SessionError> {
        let answers = ask(page, recipe, &Self::queries(recipe, origin)).await?;
        let evidence = page.document().await?;
        Ok(Self::read(recipe, origin, answers, evidence))
    }

    /// Makes sense of what [`PageSnapshot::queries`] found on a page.
    pub(crate) fn read(
        recipe: &Recipe,
        origin: FileOrigin,
        answers: Vec<Vec<ElementInfo>>,
        evidence: DocumentInfo,
    ) -> Self {
        let mut answers = answers.into_iter();
        let mut next = || answers.next().unwrap_or_default();
        let look = PageFacts {
            evidence,
            has_marker: !next().is_empty(),
            has_login_form: !next().is_empty(),
            notices: next().into_iter().map(|found| found.text).filter(|text| !text.is_empty()).collect(),
        };
        let requisition = next().into_iter().find_map(|mut found| found.attributes.remove("href"));
        let suppliers: Vec<_> = recipe.order.supplier.iter().map(|_| next()).collect();
        let supplier = suppliers.into_iter().flatten().map(|found| found.text).find(|text| !text.trim().is_empty());
        let found: Vec<_> = listings(recipe).map(|(listing, shape)| (listing, shape, next())).collect();
        let (attachments, listed_count) = attachments(recipe, origin, found);
        Self { look, supplier, attachments, listed_count, requisition }
    }

    /// What must stop changing before the page is at rest.
    pub(crate) fn settling(recipe: &Recipe) -> Vec<String> {
        let listed = listings(recipe).map(|(listing, _)| without_exclusions(recipe, listing));
        listed.chain([recipe.order.requisition.as_str().to_owned()]).collect()
    }
}

/// How an attachment is listed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListingKind {
    Link,
    WiderLink,
    Button,
}

fn listings(recipe: &Recipe) -> impl Iterator<Item = (&Listing, ListingKind)> {
    let attachments = &recipe.attachments;
    let links = attachments.links.iter().map(|listing| (listing, ListingKind::Link));
    let buttons = attachments.buttons.iter().map(|listing| (listing, ListingKind::Button));
    links.chain(buttons).chain(attachments.wider_links.iter().map(|listing| (listing, ListingKind::WiderLink)))
}

/// What finds the listed attachments, and what finds those that count only when there is nothing else.
pub(crate) fn listing_selectors(recipe: &Recipe) -> (Vec<String>, Vec<String>) {
    let (wider, strict): (Vec<_>, Vec<_>) = listings(recipe).partition(|(_, kind)| *kind == ListingKind::WiderLink);
    let selectors = |found: Vec<(&Listing, ListingKind)>| {
        found.into_iter().map(|(listing, _)| without_exclusions(recipe, listing)).collect()
    };
    (selectors(strict), selectors(wider))
}

fn listing_queries(recipe: &Recipe) -> impl Iterator<Item = Query> {
    listings(recipe).enumerate().map(|(at, (listing, _))| {
        let own = ["title", "aria-label", "download", "href", MARK].map(str::to_owned);
        let around = listing.address.iter().map(|attribute| format!("^{attribute}"));
        let of_cells = cells(at, listing).map(|(attribute, _)| attribute);
        let attributes = own.into_iter().chain(around).chain(of_cells).collect();
        Query { css: without_exclusions(recipe, listing), attributes }
    })
}

/// The other cells that the names of a listing, the recipe's `at`-th, are read from, and the attribute for each.
fn cells(at: usize, listing: &Listing) -> impl Iterator<Item = (String, &ColumnSelector)> {
    listing.name.iter().enumerate().filter_map(move |(nth, name)| match name {
        NameSource::Cell(cell) => Some((cell_attribute(at, nth), cell)),
        NameSource::Title | NameSource::AriaLabel | NameSource::Download | NameSource::Text | NameSource::Href => None,
    })
}

fn cell_attribute(listing: usize, name: usize) -> String {
    format!("data-recipe-cell-{listing}-{name}")
}

/// What the script that writes names onto elements ([`CELLS`]) is to write.
pub(crate) fn cell_requests(recipe: &Recipe) -> Vec<Value> {
    let cells = listings(recipe)
        .enumerate()
        .flat_map(|(at, (listing, _))| cells(at, listing).map(move |(attribute, cell)| (listing, attribute, cell)));
    let request = |(listing, attribute, cell): (&Listing, String, &ColumnSelector)| {
        json!([without_exclusions(recipe, listing), cell.row.as_str(), cell.css.as_str(), attribute])
    };
    cells.map(request).collect()
}

/// Looks for `queries`, after what stands in other cells has been written where they read it.
async fn ask(page: &mut dyn Page, recipe: &Recipe, queries: &[Query]) -> Result<Vec<Vec<ElementInfo>>, SessionError> {
    let cells = cell_requests(recipe);
    if !cells.is_empty() {
        page.evaluate(CELLS, vec![Value::Array(cells)]).await?;
    }
    page.query(queries).await
}

/// What finds whatever one of these finds.
pub(crate) fn any_of(selectors: &[Selector]) -> String {
    selectors.iter().map(Selector::as_str).collect::<Vec<_>>().join(", ")
}

/// What finds the listed attachments and none that is excluded: one selector, so that counting is the same everywhere.
pub(crate) fn without_exclusions(recipe: &Recipe, listing: &Listing) -> String {
    let css = listing.css.as_str();
    match recipe.attachments.never.css.as_slice() {
        [] => css.to_owned(),
        never => format!(":is({css}):not({})", any_of(never)),
    }
}

/// What the page calls an attachment that the recipe's `at`-th listing found.
pub(crate) fn label(at: usize, listing: &Listing, element: &ElementInfo) -> String {
    let attribute = |name: &str| element.attributes.get(name).cloned().unwrap_or_default();
    let texts: Vec<String> = listing
        .name
        .iter()
        .enumerate()
        .map(|(nth, source)| match source {
            NameSource::Title => attribute("title"),
            NameSource::AriaLabel => attribute("aria-label"),
            NameSource::Download => attribute("download"),
            NameSource::Text => element.text.clone(),
            NameSource::Href => last_part(&attribute("href")),
            NameSource::Cell(_) => attribute(&cell_attribute(at, nth)),
        })
        .map(|text| without_ends(&text, &listing.name_ends))
        .filter(|text| !text.is_empty())
        .collect();
    let best = texts.iter().find(|text| extension(text).is_some()).or(texts.first());
    best.cloned().unwrap_or_default()
}

fn without_ends(text: &str, ends: &[String]) -> String {
    let text = text.trim();
    ends.iter().find_map(|end| text.strip_suffix(end.as_str())).unwrap_or(text).trim().to_owned()
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

    fn read(
        recipe: &Recipe,
        links: Vec<ElementInfo>,
        buttons: Vec<ElementInfo>,
        wider: Vec<ElementInfo>,
    ) -> (Vec<ListedAttachment>, usize) {
        let answers = listings(recipe).map(|(listing, shape)| match shape {
            ListingKind::Link => (listing, shape, links.clone()),
            ListingKind::Button => (listing, shape, buttons.clone()),
            ListingKind::WiderLink => (listing, shape, wider.clone()),
        });
        attachments(recipe, FileOrigin::Order, answers.collect())
    }

    #[test]
    fn a_link_listed_twice_is_one_attachment() {
        let recipe = load("coupa").unwrap();
        let link = element("Offer.pdf", &[("href", "https://acme.test/attachment_file/1")]);
        let again = element("see Offer", &[("href", "https://acme.test/attachment_file/1#comment")]);
        let (listed, count) = read(&recipe, vec![link, again], vec![], vec![]);
        assert_eq!((listed.len(), count), (1, 2));
        assert_eq!(listed[0].label, "Offer.pdf");
    }

    #[test]
    fn two_buttons_of_one_name_are_two_attachments() {
        let recipe = load("coupa").unwrap();
        let button = || element("", &[("aria-label", "Invoice 12.msg file attachment")]);
        let (listed, _) = read(&recipe, vec![], vec![button(), button()], vec![]);
        assert_eq!(listed[1].key, ListingKey::Button { name: "Invoice 12.msg".into(), place: 2, count: 2 });
        assert_eq!(listed[1].nth, 1);
    }

    #[test]
    fn wider_links_count_only_when_there_is_nothing_else() {
        let recipe = load("coupa").unwrap();
        let link = |id: &str| element("x", &[("href", &format!("https://acme.test/attachment_file/{id}"))]);
        assert_eq!(read(&recipe, vec![link("1")], vec![], vec![link("2")]).0.len(), 1);
        assert_eq!(
            read(&recipe, vec![], vec![], vec![link("2")]).0[0].key,
            ListingKey::Address("https://acme.test/attachment_file/2".into())
        );
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
            assert_eq!(read(&recipe, vec![element(text, &attributes)], vec![], vec![]).0[0].label, label);
        }
    }

    #[test]
    fn a_name_that_stands_in_another_cell_is_read_there() {
        let recipe = load("table").unwrap();
        let queries: Vec<_> = listing_queries(&recipe).collect();
        let cell = queries[0].attributes.iter().find(|name| name.starts_with("data-recipe-cell")).unwrap();
        assert!(!queries[1].attributes.contains(cell), "two listings that find the same element read two names");
        let href = ("href", "https://acme.test/files/9/Bid.pdf");
        let link = |name: &str| element("Download", &[href, (cell.as_str(), name)]);
        for (name, label) in [("Offer 3.docx", "Offer 3.docx"), ("Offer 3", "Bid.pdf"), ("", "Bid.pdf")] {
            assert_eq!(read(&recipe, vec![link(name)], vec![], vec![]).0[0].label, label);
        }
        let coupa = load("coupa").unwrap();
        assert!(listing_queries(&coupa).all(|query| query.attributes.len() <= 6));
    }

    #[test]
    fn every_selector_leaves_out_what_is_never_an_attachment() {
        let recipe = load("coupa").unwrap();
        let queries = PageSnapshot::queries(&recipe, FileOrigin::Order);
        for query in &queries[4 + recipe.order.supplier.len()..] {
            assert!(query.css.contains(":not(a[href*='/help']"), "{}", query.css);
        }
    }
}
