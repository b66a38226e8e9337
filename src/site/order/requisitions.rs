//! Which requisitions of an order are followed: each once, and none that is not the order's.

use url::Url;

use crate::model::PoNumber;
use crate::site::Recipe;
use crate::site::page::classify::is_same_host;
use crate::site::page::number::is_number_of;
use crate::site::page::snapshot::PageSnapshot;

/// The requisitions that a page links to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Requisitions {
    /// Their pages, each once.
    pub(crate) pages: Vec<Url>,
    /// Links that lead out of the portal.
    pub(crate) outside: Vec<String>,
}

impl Requisitions {
    /// Those that `links` lead to. Where orders are told apart by their paths, so are requisitions: what follows the number in
    /// a link leads to a part of the same page, and a link without a number to none.
    pub(crate) fn of(links: &[String], base: &Url, recipe: &Recipe) -> Self {
        let is_by_query = recipe.address.order.contains('?');
        let mut found = Self::default();
        for link in links {
            let Ok(mut url) = Url::parse(link) else { continue };
            if !matches!(url.scheme(), "http" | "https") || !is_same_host(&url, base) {
                found.outside.push(link.clone());
                continue;
            }
            url.set_fragment(None);
            if !is_by_query {
                let Some(path) = up_to_number(url.path()) else { continue };
                url.set_path(&path);
                url.set_query(None);
            }
            if !found.pages.contains(&url) {
                found.pages.push(url);
            }
        }
        found
    }
}

/// A path up to its first part that is a number; none without one.
fn up_to_number(path: &str) -> Option<String> {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let has_digit = |part: &str| part.bytes().any(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = path.split('/').collect();
    let at =
        parts.iter().position(|part| is_number(part)).or_else(|| parts.iter().rposition(|part| has_digit(part)))?;
    Some(parts.get(..=at)?.join("/"))
}

/// Whether a requisition is one of the order: it names none, or it is among those that it names.
pub(crate) fn is_of(snapshot: &PageSnapshot, po: &PoNumber, recipe: &Recipe) -> bool {
    let counts = recipe.order.numbers.prefix_counts;
    snapshot.numbers.is_empty() || snapshot.numbers.iter().any(|number| is_number_of(number, po, counts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::recipe::parse::load;

    fn pages(recipe: &str, links: &[&str]) -> Vec<String> {
        let base = "https://acme.test/".parse().unwrap();
        let links: Vec<_> = links.iter().map(|link| format!("https://acme.test{link}")).collect();
        let found = Requisitions::of(&links, &base, &load(recipe).unwrap());
        found.pages.iter().map(|page| page.as_str().replacen("https://acme.test", "", 1)).collect()
    }

    #[test]
    fn every_distinct_requisition_is_followed_once() {
        let links = [
            "/requisition_headers/111",
            "/requisition_headers/222#lines",
            "/requisition_headers/111?tab=2",
            "/requisition_headers/111/history",
            "/requisition_headers/new",
            "/requisition_headers/R-9",
        ];
        let wanted = ["/requisition_headers/111", "/requisition_headers/222", "/requisition_headers/R-9"];
        assert_eq!(pages("coupa", &links), wanted);
        let links = ["/documents?request=7", "/documents?request=8", "/documents?request=7#top"];
        assert_eq!(pages("table", &links), ["/documents?request=7", "/documents?request=8"]);
    }

    #[test]
    fn a_link_out_of_the_portal_is_told_and_not_followed() {
        let base = "https://acme.test/".parse().unwrap();
        let links = ["https://evil.test/requisition_headers/1".to_owned(), "javascript:void(0)".to_owned()];
        let found = Requisitions::of(&links, &base, &load("coupa").unwrap());
        assert_eq!((found.pages.len(), found.outside.len()), (0, 2));
    }
}
