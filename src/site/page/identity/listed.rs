//! The attachments that a look at a page has found, each once.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use super::address::{PathRules, without_fragment};
use super::{ListingKey, MARK, ShownListing, ShownOn, keys};
use crate::backend::ElementInfo;
use crate::model::ListingId;
use crate::site::page::names::label;
use crate::site::page::readiness::signs::plain_words;
use crate::site::page::selectors::{ListingKind, without_exclusions};
use crate::site::{Listing, Recipe};

/// An attachment as a page lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedAttachment {
    /// What the page calls it; may be empty.
    pub(crate) label: String,
    /// What distinguishes it from the others of the page, also after the page was rendered again.
    pub(crate) key: ListingKey,
    /// Where its file is, as this look has shown it.
    pub(crate) address: Option<String>,
    /// Whether it is a link; a button may have an address too.
    pub(crate) is_link: bool,
    /// Whether the page shows it several times. Only its address says that it is the same one.
    pub(crate) is_repeated: bool,
    /// Whether an earlier look has marked it: it is the same element.
    pub(crate) is_marked: bool,
    /// What distinguishes it from the others of the order.
    pub(crate) id: ListingId,
    /// What finds it, and its place among what that finds: true for this look only.
    pub(crate) css: String,
    pub(crate) nth: usize,
}

/// The attachments of a page that is at `here` by now, each once, and how many were listed. Wider links count only when
/// there is nothing else.
pub(crate) fn attachments(
    recipe: &Recipe,
    shown_on: ShownOn<'_>,
    here: &str,
    found: Vec<(&Listing, ListingKind, Vec<ElementInfo>)>,
) -> (Vec<ListedAttachment>, usize) {
    let has_strict = found.iter().any(|(_, shape, elements)| *shape != ListingKind::WiderLink && !elements.is_empty());
    let mut listed = Vec::new();
    for (at, (listing, shape, elements)) in found.into_iter().enumerate() {
        if shape == ListingKind::WiderLink && has_strict {
            continue;
        }
        if shape == ListingKind::WiderLink && !elements.is_empty() {
            tracing::warn!(
                count = elements.len(),
                css = listing.css.as_str(),
                "attachments found by the wider selectors only"
            );
        }
        let css = without_exclusions(recipe, listing);
        for (nth, mut element) in elements.into_iter().enumerate() {
            let is_link = shape != ListingKind::Button;
            if !is_link && is_never(recipe, &element) {
                continue;
            }
            listed.push(FoundListing {
                label: label(at, listing, &element),
                address: address(recipe, listing, &element, is_link).filter(|address| leads_somewhere(address, here)),
                mark: element.attributes.remove(MARK),
                is_link,
                css: css.clone(),
                nth,
            });
        }
    }
    drop_shared_addresses(&mut listed);
    let listed_count = listed.len();
    (distinct(recipe, listed, shown_on), listed_count)
}

/// An attachment that was found, before it is known what distinguishes it from the others.
struct FoundListing {
    label: String,
    address: Option<String>,
    mark: Option<String>,
    is_link: bool,
    css: String,
    nth: usize,
}

/// An address beside buttons of several names is that of their list and not that of a file.
fn drop_shared_addresses(listed: &mut [FoundListing]) {
    let mut labels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for button in listed.iter().filter(|listed| !listed.is_link) {
        if let Some(address) = &button.address {
            labels.entry(address.clone()).or_default().insert(button.label.clone());
        }
    }
    for button in listed.iter_mut().filter(|listed| !listed.is_link) {
        button.address.take_if(|address| labels.get(address).is_some_and(|labels| labels.len() > 1));
    }
}

/// Each attachment once.
fn distinct(recipe: &Recipe, listed: Vec<FoundListing>, shown_on: ShownOn<'_>) -> Vec<ListedAttachment> {
    let shown: Vec<_> = listed
        .iter()
        .map(|found| ShownListing {
            label: &found.label,
            address: found.address.as_deref(),
            mark: found.mark.as_deref(),
        })
        .collect();
    let rules = PathRules { page: shown_on.url, words: recipe.attachments.telling_words().collect() };
    let keys = keys(&shown, &rules);
    let mut counts: BTreeMap<ListingKey, usize> = BTreeMap::new();
    keys.iter().for_each(|key| *counts.entry(key.clone()).or_default() += 1);
    let mut seen = BTreeSet::new();
    let found = listed.into_iter().zip(keys).filter(|(_, key)| seen.insert(key.clone()));
    let listed = found.map(|(FoundListing { label, address, mark, is_link, css, nth }, key)| {
        let id = key.id(shown_on);
        let is_repeated = counts.get(&key).is_some_and(|count| *count > 1);
        ListedAttachment { label, key, address, is_link, is_marked: mark.is_some(), is_repeated, id, css, nth }
    });
    listed.collect()
}

/// Whether an address leads anywhere, and not to the page itself. A script is to be run by a click.
fn leads_somewhere(address: &str, here: &str) -> bool {
    !address.trim().is_empty() && !is_script(address) && address != without_fragment(here)
}

/// Whether an address is a script, which says nothing about which file it fetches.
fn is_script(address: &str) -> bool {
    let start = address.trim_start().get(.."javascript:".len());
    start.is_some_and(|start| start.eq_ignore_ascii_case("javascript:"))
}

/// Where the file is, as far as the page shows.
fn address(recipe: &Recipe, listing: &Listing, element: &ElementInfo, is_link: bool) -> Option<String> {
    let attribute = |name: &str| element.attributes.get(name).map(String::as_str);
    if is_link {
        return attribute("href").map(|address| without_fragment(address).to_owned());
    }
    let around = listing.address.iter().filter_map(|name| attribute(&format!("^{name}")));
    let is_of_file = |address: &&str| {
        let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        url.is_some_and(|url| recipe.attachments.are_named_in(url.path()))
    };
    around.filter(is_of_file).map(|address| without_fragment(address).to_owned()).next()
}

/// Whether a button says that it is something else, such as "Add file".
fn is_never(recipe: &Recipe, element: &ElementInfo) -> bool {
    let label = element.attributes.get("aria-label").unwrap_or(&element.text);
    let words = plain_words(label);
    recipe.attachments.never.texts.iter().any(|text| plain_words(text) == words)
}
