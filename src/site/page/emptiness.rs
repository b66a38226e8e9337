//! Whether a page that lists no attachment has none. "None" is a verdict that nobody looks at again, so it takes a page
//! that says so or an area for attachments that is there and empty, and time in which nothing came after all.

use super::classify::{PageKind, describe};
use crate::backend::DocumentInfo;
use crate::site::Recipe;
use crate::site::page::readiness::signs::PageSigns;

/// Why a page that lists no attachment may have one; `None` if the page shows that there is none.
pub(crate) fn doubt(signs: &PageSigns, recipe: &Recipe) -> Option<String> {
    let attachments = &recipe.attachments;
    if let Some(count) = signs.unmet.first() {
        return Some(format!("it says {:?}", count.text));
    }
    let held = |held: &String| {
        format!(
            "the attachment area contains {held}, which could be an attachment; if it is not, add it to \
             attachments.never"
        )
    };
    // this statement is about its areas and may not cover other places
    if signs.says_none {
        return signs.places_hold.as_ref().map(held);
    }
    if attachments.areas.is_empty() {
        return Some("nothing on it matches attachments.none".to_owned());
    }
    for (css, area) in attachments.areas.iter().zip(&signs.areas) {
        if area.count == 0 {
            return Some(format!("it has no attachment area {:?} (attachments.areas)", css.as_str()));
        }
        if area.shown < area.count {
            let hidden = area.count - area.shown;
            let (css, count) = (css.as_str(), area.count);
            return Some(format!("{hidden} of {count} attachment areas {css:?} cannot be seen"));
        }
    }
    signs.holds.as_ref().or(signs.places_hold.as_ref()).map(held)
}

/// What a page is that lists no attachment and does not show that there is none.
pub(crate) fn unproven(document: &DocumentInfo, doubt: &str) -> PageKind {
    PageKind::Unknown(format!(
        "{}, which lists no attachments and does not show that there are none: {doubt}",
        describe(document)
    ))
}
