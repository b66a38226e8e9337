//! One look at a page: everything that a recipe asks for, found at one moment, so that no two answers contradict each
//! other.

use std::collections::BTreeMap;

use serde_json::json;
use url::Url;

use super::classify::PageFacts;
use super::identity::listed::{ListedAttachment, attachments};
use super::identity::{self, ListingKey, MARK, ShownOn, WRITE_MARKS};
use crate::backend::{DocumentInfo, ElementInfo, Page, Query, SessionError};
use crate::model::FileOrigin;
use crate::site::page::marks;
use crate::site::page::names::{cells, supplier_of};
use crate::site::page::number::numbers_in;
use crate::site::page::others::{OtherAttachment, other_listings};
use crate::site::page::selectors::{
    any_of, listings, mentioned_requisition_selector, other_selector, outside_asides, requisition_selector,
    without_exclusions,
};
use crate::site::{NumberSource, Recipe, SupplierSource};

/// How often marks are written again that a dialog or another document has kept from being written.
const MAX_RERUNS: usize = 10;

/// What a look at a page found.
#[derive(Clone, Debug)]
pub(crate) struct PageSnapshot {
    pub(crate) look: PageFacts,
    pub(crate) supplier: Option<String>,
    /// Each once.
    pub(crate) attachments: Vec<ListedAttachment>,
    /// Those listed twice included.
    pub(crate) listed_count: usize,
    /// Attachments that are not files.
    pub(crate) others: Vec<OtherAttachment>,
    /// Addresses of the links to requisitions.
    pub(crate) requisitions: Vec<String>,
    /// The same where the link may be to another order's.
    pub(crate) mentioned: Vec<String>,
    /// The number of the order that an order page is about; the orders that a requisition names.
    pub(crate) numbers: Vec<String>,
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
        ];
        let links = [Some(requisition_selector(recipe)), mentioned_requisition_selector(recipe)];
        let link = |css| Query { css, attributes: vec!["href".to_owned()] };
        queries.extend(links.into_iter().flatten().map(link));
        queries.extend(number_sources(recipe, origin).iter().map(|source| plain(outside_asides(recipe, &source.css))));
        let supplier = |source: &SupplierSource| Query {
            css: source.css.as_str().to_owned(),
            attributes: source.attributes.clone(),
        };
        queries.extend(recipe.order.supplier.iter().map(supplier));
        queries.extend(listing_queries(recipe));
        queries.extend(other_queries(recipe));
        queries
    }

    /// The attachments alone, where they are now.
    pub(crate) async fn attachments_of(
        page: &mut dyn Page,
        recipe: &Recipe,
        shown_on: ShownOn<'_>,
    ) -> Result<Vec<ListedAttachment>, SessionError> {
        let queries: Vec<_> = listing_queries(recipe).collect();
        let answers = ask(page, recipe, &queries).await?;
        let here = page.url().await?;
        let found = listings(recipe).zip(answers).map(|((listing, shape), answer)| (listing, shape, answer));
        Ok(attachments(recipe, shown_on, &here, found.collect()).0)
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
    pub(crate) async fn take(
        page: &mut dyn Page,
        recipe: &Recipe,
        shown_on: ShownOn<'_>,
    ) -> Result<Self, SessionError> {
        let answers = ask(page, recipe, &Self::queries(recipe, shown_on.origin)).await?;
        let evidence = page.document().await?;
        Ok(Self::read(recipe, shown_on, answers, evidence))
    }

    /// Makes sense of what [`PageSnapshot::queries`] found on a page.
    pub(crate) fn read(
        recipe: &Recipe,
        shown_on: ShownOn<'_>,
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
        let addresses = |found: Vec<ElementInfo>| {
            found.into_iter().filter_map(|mut found| found.attributes.remove("href")).collect::<Vec<_>>()
        };
        let requisitions = addresses(next());
        let mentioned = mentioned_requisition_selector(recipe).map(|_| addresses(next())).unwrap_or_default();
        let numbers: Vec<_> = number_sources(recipe, shown_on.origin).iter().map(|source| (source, next())).collect();
        let mut numbers = numbers
            .into_iter()
            .map(|(source, found)| found.iter().flat_map(|found| numbers_in(&found.text, source)).collect::<Vec<_>>());
        let numbers = numbers.find(|numbers| !numbers.is_empty()).unwrap_or_default();
        let suppliers: Vec<_> = recipe.order.supplier.iter().map(|source| (source, next())).collect();
        let supplier =
            suppliers.iter().flat_map(|(source, found)| found.iter().map(|found| supplier_of(source, found)));
        let supplier = supplier.flatten().next();
        let found: Vec<_> = listings(recipe).map(|(listing, shape)| (listing, shape, next())).collect();
        let (attachments, listed_count) = attachments(recipe, shown_on, &look.evidence.url, found);
        let shown_at = Url::parse(&look.evidence.url).ok();
        let others: Vec<_> = other_listings(recipe).map(|(listing, kind)| (listing, kind, next())).collect();
        let others = others.into_iter().flat_map(|(listing, kind, found)| {
            found
                .into_iter()
                .filter_map(|found| OtherAttachment::of(recipe, (listing, kind), &found, shown_at.as_ref()))
                .collect::<Vec<_>>()
        });
        let others = others.collect();
        Self { others, look, supplier, attachments, listed_count, requisitions, mentioned, numbers }
    }

    /// What must stop changing before the page is at rest.
    pub(crate) fn settling(recipe: &Recipe) -> Vec<String> {
        let listed = listings(recipe).map(|(listing, _)| without_exclusions(recipe, listing));
        listed.chain([requisition_selector(recipe)]).collect()
    }
}

/// Where a page of this kind shows order numbers.
fn number_sources(recipe: &Recipe, origin: FileOrigin) -> &[NumberSource] {
    match origin {
        FileOrigin::Order => &recipe.order.number,
        FileOrigin::Requisition => &recipe.requisition.orders,
    }
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

/// Selectors for attachments that are not files.
fn other_queries(recipe: &Recipe) -> impl Iterator<Item = Query> {
    other_listings(recipe).map(|(listing, _)| {
        let attributes = ["title", "aria-label", "download", "href", "data-url"].map(str::to_owned).into();
        Query { css: other_selector(recipe, listing), attributes }
    })
}

/// Looks for `queries`, after what only a script can tell has been written where they read it.
async fn ask(page: &mut dyn Page, recipe: &Recipe, queries: &[Query]) -> Result<Vec<Vec<ElementInfo>>, SessionError> {
    let requests = marks::requests(recipe);
    for _ in 0..MAX_RERUNS {
        match page.evaluate(marks::WRITE, vec![requests.clone()]).await {
            Ok(written) if written.is_null() => tracing::debug!("a dialog broke in while a page was marked"),
            Err(SessionError::Refused(why)) => tracing::debug!(why, "a page could not be marked"),
            other => {
                other?;
                break;
            }
        }
    }
    page.query(queries).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::page::selectors::ListingKind;
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
            ListingKind::ScriptLink => (listing, shape, Vec::new()),
            ListingKind::Button => (listing, shape, buttons.clone()),
            ListingKind::WiderLink => (listing, shape, wider.clone()),
        });
        let url: Url = "https://acme.test/order_headers/7".parse().unwrap();
        attachments(recipe, ShownOn { origin: FileOrigin::Order, url: &url }, url.as_str(), answers.collect())
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
    fn links_that_lead_nowhere_are_told_apart_as_buttons_are() {
        let recipe = load("coupa").unwrap();
        let link = |name: &str, href: &str| element(name, &[("href", href)]);
        for href in
            ["https://acme.test/order_headers/7#", "https://acme.test/order_headers/7", "JavaScript: void(0);", ""]
        {
            let links = vec![link("a.pdf", href), link("b.pdf", href), link("b.pdf", href)];
            let (listed, _) = read(&recipe, links, vec![], vec![]);
            assert_eq!(listed.len(), 3, "{href}");
            assert!(listed.iter().all(|listed| listed.address.is_none() && listed.is_link), "{href}");
        }
        // a script is not followed, but each is another attachment
        let links = ["a.pdf", "b.pdf"].map(|name| link(name, "javascript:get(this)"));
        assert_eq!(read(&recipe, links.into(), vec![], vec![]).0.len(), 2);
    }

    #[test]
    fn a_button_and_a_link_of_one_name_without_an_address_are_two_attachments() {
        let recipe = load("coupa").unwrap();
        let link = element("scan.pdf", &[("href", "javascript:get(1)")]);
        let button = element("", &[("aria-label", "scan.pdf file attachment")]);
        let (listed, _) = read(&recipe, vec![link], vec![button], vec![]);
        let places: Vec<_> = listed.iter().map(|listed| &listed.key).collect();
        let key = |place| ListingKey::Button { name: "scan.pdf".into(), place, count: 2 };
        assert_eq!(places, [&key(1), &key(2)]);
    }

    #[test]
    fn a_button_that_adds_a_file_is_no_attachment() {
        let recipe = load("coupa").unwrap();
        let button = |label: &str| element("", &[("aria-label", label)]);
        let buttons = vec![button("Add file attachment"), button("Add-on.pdf file attachment")];
        let (listed, count) = read(&recipe, vec![], buttons, vec![]);
        assert_eq!((listed[0].label.as_str(), listed[0].nth, count), ("Add-on.pdf", 1, 1));
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
        let first = 5 + recipe.order.number.len() + recipe.order.supplier.len();
        for query in &queries[first..] {
            assert!(query.css.contains(":not(:is(a[href*='/help']"), "{}", query.css);
            assert!(query.css.contains(":not([href*='attachment_file']"), "{}", query.css);
        }
    }
}
