//! Attachments that a page says it has and does not list.

use std::collections::BTreeMap;

use crate::backend::FailedRequest;
use crate::model::FailureKind;
use crate::site::Recipe;
use crate::site::page::readiness::controls::FoundControl;
use crate::site::page::readiness::signs::{PageSigns, StrayControl};
use crate::site::page::snapshot::PageSnapshot;

/// What a page has and does not list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unlisted {
    /// How many there are at least.
    pub(crate) count: usize,
    /// How that is known.
    pub(crate) why: String,
    /// What kind of failure it is.
    pub(crate) kind: FailureKind,
}

impl Unlisted {
    /// What a click has taken off the list, by the number of attachments of each name before and after it.
    pub(crate) fn after_click(
        control: &str,
        before: &BTreeMap<String, usize>,
        after: &BTreeMap<String, usize>,
    ) -> Option<Self> {
        let gone = |(label, count): (&String, &usize)| count.saturating_sub(after.get(label).copied().unwrap_or(0));
        let count = before.iter().map(gone).sum();
        let why = format!("a click on {control:?} replaced a part of the list");
        (count > 0).then_some(Self { count, why, kind: FailureKind::PageChanged })
    }

    /// What is missing in the list of a page; none when nothing says that it is not whole.
    pub(crate) fn find(
        snapshot: &PageSnapshot,
        signs: &PageSigns,
        failed: &[FailedRequest],
        rest: Option<&FoundControl>,
        recipe: &Recipe,
    ) -> Option<Self> {
        if let Some(count) = signs.unmet.iter().max_by_key(|count| count.number.saturating_sub(count.listed)) {
            let why = format!("the page says {:?} and lists {}", count.text, count.listed);
            let count = count.number.saturating_sub(count.listed);
            return Some(Self { count, why, kind: FailureKind::PageChanged });
        }
        if let Some(StrayControl { text, count }) = &signs.stray {
            let why = format!(
                "where attachments stand there is {text}, which could be one; if it is, let attachments.links or attachments.buttons \
                 find it; if not, name it in attachments.never"
            );
            return Some(Self { count: *count, why, kind: FailureKind::PageChanged });
        }
        if let Some(control) = rest {
            let why = format!("the page has {:?}, which did not show all that there is", control.text);
            return Some(Self { count: 1, why, kind: FailureKind::PageChanged });
        }
        // where nothing is listed the responses themselves are asked
        let failed =
            failed.iter().find(|request| !snapshot.attachments.is_empty() && could_be_list(request, recipe))?;
        let answer = match failed.status {
            0 => "got no answer".to_owned(),
            status => format!("was answered with status {status}"),
        };
        let why = format!("the page's request for {} {answer}", failed.path);
        Some(Self { count: 1, why, kind: FailureKind::StepTimeout })
    }
}

/// Whether a request that failed could have brought a part of the list: it was about the order, or about attachments.
pub(crate) fn could_be_list(request: &FailedRequest, recipe: &Recipe) -> bool {
    let names_attachments = recipe.attachments.are_named_in(&request.path);
    match request.status {
        403 => names_attachments,
        0 | 401 | 429 | 500.. => names_attachments || request.is_of_page,
        _ => false,
    }
}
