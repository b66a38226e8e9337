//! Which requisitions of an order are followed: each once, and none that is not the order's.

use url::Url;

use crate::backend::{Page, Query, SessionError};
use crate::model::PoNumber;
use crate::site::Recipe;
use crate::site::context::PortalContext;
use crate::site::page::classify::is_same_host;
use crate::site::page::identity::address::is_name_of_identity;
use crate::site::page::number::is_number_of;
use crate::site::page::snapshot::PageSnapshot;

/// The requisitions that the pages of an order link to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Requisitions {
    /// Their pages, each once.
    pub(crate) pages: Vec<RequisitionLink>,
    /// Links that lead out of the portal.
    pub(crate) outside: Vec<String>,
}

/// A link to a requisition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequisitionLink {
    pub(crate) url: Url,
    /// It is in a place where another order's may be linked as well.
    pub(crate) is_mention: bool,
}

impl Requisitions {
    /// Adds those that a look at the order's page has found.
    pub(crate) fn add(&mut self, seen: &PageSnapshot, base: &Url, recipe: &Recipe) {
        for link in &seen.requisitions {
            self.add_link(link, false, base, recipe);
        }
        for link in &seen.mentioned {
            self.add_link(link, true, base, recipe);
        }
    }

    /// Where orders are told apart by their paths, so are most requisitions: what follows the number in a link leads to
    /// a part of the same page, and a link without a number, in its path or its query, to none.
    fn add_link(&mut self, link: &str, is_mention: bool, base: &Url, recipe: &Recipe) {
        let Ok(mut url) = Url::parse(link) else { return };
        if !matches!(url.scheme(), "http" | "https") || !is_same_host(&url, base) {
            if !is_mention && !self.outside.iter().any(|known| known == link) {
                self.outside.push(link.to_owned());
            }
            return;
        }
        url.set_fragment(None);
        if !recipe.address.order.contains('?') {
            let is_by_query = !has_own_number(url.path()) && has_number_in_query(&url);
            if !is_by_query {
                let Some(path) = up_to_number(url.path()) else { return };
                url.set_path(&path);
                url.set_query(None);
            }
        }
        match self.pages.iter_mut().find(|known| known.url == url) {
            Some(known) => known.is_mention &= is_mention,
            None => self.pages.push(RequisitionLink { url, is_mention }),
        }
    }
}

fn is_number(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
}

fn has_own_number(path: &str) -> bool {
    path.split('/').any(is_number)
}

/// Whether the query says which requisition is meant: `/requisition_headers/show?id=111`. What makes a new one names
/// another thing there, such as its order.
fn has_number_in_query(url: &Url) -> bool {
    let makes_one = url.path().rsplit('/').next().is_some_and(|part| matches!(part, "new" | "create" | "copy"));
    let has_digit = |value: &str| value.bytes().any(|byte| byte.is_ascii_digit());
    let is_name = |name: &str| is_name_of_identity(name) || matches!(name, "number" | "no" | "requisition" | "req");
    !makes_one && url.query_pairs().any(|(name, value)| is_name(&name) && has_digit(&value))
}

/// A path up to its first part that is a number, or its last one that has one; none without one.
fn up_to_number(path: &str) -> Option<String> {
    let has_digit = |part: &str| part.bytes().any(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = path.split('/').collect();
    let at =
        parts.iter().position(|part| is_number(part)).or_else(|| parts.iter().rposition(|part| has_digit(part)))?;
    Some(parts.get(..=at)?.join("/"))
}

/// Whether a requisition is one of the order: it is among those that its page names. One that names none is the
/// order's, if the order's own page does more than mention it.
pub(crate) async fn is_of(
    page: &mut dyn Page,
    snapshot: &PageSnapshot,
    link: &RequisitionLink,
    po: &PoNumber,
    context: &PortalContext,
) -> Result<bool, SessionError> {
    match is_named(snapshot, link, po, &context.recipe) {
        Some(is_of) => Ok(is_of),
        None => links_to_order(page, po, context).await,
    }
}

/// The same by what the page names; none if its links tell.
pub(crate) fn is_named(
    snapshot: &PageSnapshot,
    link: &RequisitionLink,
    po: &PoNumber,
    recipe: &Recipe,
) -> Option<bool> {
    let counts = recipe.order.numbers.prefix_counts;
    if !snapshot.numbers.is_empty() {
        return Some(snapshot.numbers.iter().any(|number| is_number_of(number, po, counts)));
    }
    (!link.is_mention).then_some(true)
}

/// Whether the page that is shown has a link to the order.
async fn links_to_order(page: &mut dyn Page, po: &PoNumber, context: &PortalContext) -> Result<bool, SessionError> {
    let links = Query { css: "a[href]".to_owned(), attributes: vec!["href".to_owned()] };
    let order = context.order_page(po);
    let found = page.query(&[links]).await?.into_iter().flatten();
    let mut addresses = found.filter_map(|mut found| Url::parse(&found.attributes.remove("href")?).ok());
    Ok(addresses.any(|mut address| {
        address.set_fragment(None);
        if order.query().is_none() {
            address.set_query(None);
        }
        address == order
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::recipe::parse::load;

    fn found(recipe: &str, own: &[&str], mentioned: &[&str]) -> Requisitions {
        let base = "https://acme.test/".parse().unwrap();
        let recipe = load(recipe).unwrap();
        let mut found = Requisitions::default();
        for (links, is_mention) in [(own, false), (mentioned, true)] {
            for link in links {
                let link = if link.starts_with('/') { format!("https://acme.test{link}") } else { (*link).to_owned() };
                found.add_link(&link, is_mention, &base, &recipe);
            }
        }
        found
    }

    fn pages(recipe: &str, links: &[&str]) -> Vec<String> {
        let found = found(recipe, links, &[]);
        found.pages.iter().map(|page| page.url.as_str().replacen("https://acme.test", "", 1)).collect()
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
        let links = [
            "/requisition_headers/show?id=111",
            "/requisition_headers/show?id=112#lines",
            "/v2/requisition_headers/show?req_id=R-9",
            "/requisition_headers/111?id=9",
            "/requisition_headers/new?order_header_id=7",
            "/requisition_headers/list?page=2",
        ];
        let wanted = [
            "/requisition_headers/show?id=111",
            "/requisition_headers/show?id=112",
            "/v2/requisition_headers/show?req_id=R-9",
            "/requisition_headers/111",
        ];
        assert_eq!(pages("coupa", &links), wanted);
        let links = ["/documents?request=7", "/documents?request=8", "/documents?request=7#top"];
        assert_eq!(pages("table", &links), ["/documents?request=7", "/documents?request=8"]);
    }

    #[test]
    fn a_link_out_of_the_portal_is_told_and_not_followed() {
        let found = found("coupa", &["https://evil.test/requisition_headers/1", "javascript:void(0)"], &[]);
        assert_eq!((found.pages.len(), found.outside.len()), (0, 2));
    }

    #[test]
    fn a_requisition_that_is_linked_and_mentioned_is_the_orders() {
        let found = found(
            "coupa",
            &["/requisition_headers/1"],
            &["/requisition_headers/1", "/requisition_headers/2", "https://evil.test/requisition_headers/3"],
        );
        let kinds: Vec<_> = found.pages.iter().map(|page| page.is_mention).collect();
        assert_eq!((kinds, found.outside.len()), (vec![false, true], 0));
    }
}
