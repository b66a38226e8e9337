//! What finds the parts of a page, put together from a recipe: one selector for each, so that looking, counting and
//! clicking mean the same elements.

use crate::site::recipe::OrderPage;
use crate::site::recipe::attachments::FILE_MARK;
use crate::site::{Listing, Recipe, Selector};

/// Marks a hidden copy of what the page lists already.
pub(crate) const COPY_MARK: &str = "data-recipe-copy";

/// How an attachment is listed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListingKind {
    Link,
    /// A link whose script fetches the file.
    ScriptLink,
    WiderLink,
    Button,
}

/// All listings of a recipe.
pub(crate) fn listings(recipe: &Recipe) -> impl Iterator<Item = (&Listing, ListingKind)> {
    let attachments = &recipe.attachments;
    let links = attachments.links.iter().map(|listing| (listing, ListingKind::Link));
    let buttons = attachments.buttons.iter().map(|listing| (listing, ListingKind::Button));
    let scripted = attachments.scripted.iter().map(|listing| (listing, ListingKind::ScriptLink));
    links
        .chain(scripted)
        .chain(buttons)
        .chain(attachments.wider_links.iter().map(|listing| (listing, ListingKind::WiderLink)))
}

/// What finds the listed attachments, and what finds those that count only when there is nothing else.
pub(crate) fn listing_selectors(recipe: &Recipe) -> (Vec<String>, Vec<String>) {
    let (wider, strict): (Vec<_>, Vec<_>) = listings(recipe).partition(|(_, kind)| *kind == ListingKind::WiderLink);
    let selectors = |found: Vec<(&Listing, ListingKind)>| {
        found.into_iter().map(|(listing, _)| without_exclusions(recipe, listing)).collect()
    };
    (selectors(strict), selectors(wider))
}

/// What finds the listed attachments, and what the page holds of them a second time.
pub(crate) fn listings_with_copies(recipe: &Recipe) -> Vec<String> {
    let strict = listings(recipe).filter(|(_, kind)| *kind != ListingKind::WiderLink);
    strict.map(|(listing, _)| with_copies(recipe, listing)).collect()
}

/// What finds whatever one of these finds.
pub(crate) fn any_of(selectors: &[Selector]) -> String {
    selectors.iter().map(Selector::as_str).collect::<Vec<_>>().join(", ")
}

/// What finds the links to an order's requisitions, and none that somebody has written or that may be another order's.
pub(crate) fn requisition_selector(recipe: &Recipe) -> String {
    let OrderPage { requisition, comments, aside, mentions, .. } = &recipe.order;
    let elsewhere: Vec<_> = [comments, aside, mentions].into_iter().flatten().map(Selector::as_str).collect();
    let css = format!(":is({})", any_of(requisition));
    if elsewhere.is_empty() { css } else { format!("{css}:not(:is({}) *)", elsewhere.join(", ")) }
}

/// What finds the links to requisitions that may be another order's.
pub(crate) fn mentioned_requisition_selector(recipe: &Recipe) -> Option<String> {
    let OrderPage { requisition, comments, aside, mentions, .. } = &recipe.order;
    let around: Vec<_> = [aside, mentions].into_iter().flatten().map(Selector::as_str).collect();
    if around.is_empty() {
        return None;
    }
    let css = format!(":is({}):is(:is({}) *)", any_of(requisition), around.join(", "));
    Some(if comments.is_empty() { css } else { format!("{css}:not(:is({}) *)", any_of(comments)) })
}

/// What `css` finds, except in parts of the page that are about other orders.
pub(crate) fn outside_asides(recipe: &Recipe, css: &Selector) -> String {
    let aside = recipe.order.aside.iter().map(Selector::as_str).chain(["aside", "nav", "footer"]);
    let aside = aside.collect::<Vec<_>>().join(", ");
    format!(":is({}):not(:is({aside}), :is({aside}) *)", css.as_str())
}

/// What finds what is never an attachment.
pub(crate) fn never_selector(recipe: &Recipe) -> Option<String> {
    let never = &recipe.attachments.never;
    match (never.css.as_slice(), never.except.as_slice()) {
        ([], _) => None,
        (css, []) => Some(any_of(css)),
        (css, except) => Some(format!(":is({}):not({})", any_of(css), any_of(except))),
    }
}

/// What finds the listed attachments and none that is excluded: one selector, so that counting is the same everywhere. What an
/// earlier listing finds is that one's, and what stands among other orders is none's. Of a list that the page holds twice it
/// finds one.
pub(crate) fn without_exclusions(recipe: &Recipe, listing: &Listing) -> String {
    let is_wider = recipe.attachments.wider_links.iter().any(|wider| std::ptr::eq(wider, listing));
    if is_wider {
        // a link that is taken for want of a better one: wherever a page may speak of something else
        let excluded = never_selector(recipe).map(|never| format!(":not({never})")).unwrap_or_default();
        return format!(":is({}){excluded}", outside_asides(recipe, &listing.css));
    }
    format!("{}:not([{COPY_MARK}])", with_copies(recipe, listing))
}

/// The same with hidden copies of what is listed already, for listings but the wider links.
fn with_copies(recipe: &Recipe, listing: &Listing) -> String {
    let never = never_selector(recipe);
    let strict: Vec<_> = listings(recipe).filter(|(_, kind)| *kind != ListingKind::WiderLink).collect();
    let own = strict.iter().position(|(strict, _)| std::ptr::eq(*strict, listing)).unwrap_or(0);
    let earlier = strict.iter().take(own).map(|(earlier, _)| earlier.selector());
    let aside = recipe.order.aside.iter().map(|aside| format!(":is({}) *", aside.as_str()));
    let excluded = never.into_iter().chain(aside).chain(earlier).map(|css| format!(":not({css})"));
    format!(":is({}){}", listing.selector(), excluded.collect::<String>())
}

/// Finds attachments that are not files, but none that could be fetched.
pub(crate) fn other_selector(recipe: &Recipe, listing: &Listing) -> String {
    let files = listings(recipe).filter(|(_, kind)| *kind != ListingKind::WiderLink);
    let files: Vec<_> = files.map(|(listing, _)| listing.selector()).collect();
    // nor what holds one whose script fetches it
    format!("{}:not({}, :has([{FILE_MARK}]))", without_exclusions(recipe, listing), files.join(", "))
}
