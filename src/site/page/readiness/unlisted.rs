//! Attachments that a page says it has and does not list.

use std::collections::BTreeSet;

use crate::backend::FailedRequest;
use crate::model::FailureKind;
use crate::site::Recipe;
use crate::site::page::identity::listed::ListedAttachment;
use crate::site::page::readiness::controls::FoundControl;
use crate::site::page::readiness::signs::{PageSigns, StrayControl};

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
    /// What a click has taken off the list that was there `before` it.
    pub(crate) fn after_click(control: &str, before: &[ListedAttachment], after: &[ListedAttachment]) -> Option<Self> {
        let count = gone_count(before, after);
        let why = format!("a click on {control:?} replaced a part of the list");
        (count > 0).then_some(Self { count, why, kind: FailureKind::PageChanged })
    }

    /// What is missing in the list of a page; none when nothing says that it is not whole.
    pub(crate) fn find(
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
                "the attachment area contains {text}, which could be an attachment; if it is, add a selector for it to \
                 attachments.links or attachments.buttons; if it is not, add it to attachments.never"
            );
            return Some(Self { count: *count, why, kind: FailureKind::PageChanged });
        }
        if let Some(control) = rest {
            let why = format!("the page has {:?}, which did not show all that there is", control.text);
            return Some(Self { count: 1, why, kind: FailureKind::PageChanged });
        }
        let failed = failed.iter().find(|request| could_be_list(request, recipe))?;
        let answer = match failed.status {
            0 => "got no answer".to_owned(),
            status => format!("was answered with status {status}"),
        };
        let why = format!("the page's request for {} {answer}", failed.path);
        Some(Self { count: 1, why, kind: FailureKind::StepTimeout })
    }
}

/// How many attachments are no longer listed: those with an address by that, the others by how many have their name.
fn gone_count(before: &[ListedAttachment], after: &[ListedAttachment]) -> usize {
    let (with_address, others): (Vec<_>, Vec<_>) = before.iter().partition(|listed| listed.address.is_some());
    let is_there = |listed: &ListedAttachment| {
        after.iter().any(|now| now.id == listed.id || now.address == listed.address)
            // an address beside several buttons is that of none
            || !listed.is_link && after.iter().any(|now| now.address.is_none() && now.label == listed.label)
    };
    let gone = with_address.into_iter().filter(|listed| !is_there(listed)).count();
    let labels: BTreeSet<_> = others.iter().map(|listed| &listed.label).collect();
    let fewer = labels.into_iter().map(|label| {
        let earlier = others.iter().filter(|listed| listed.label == *label).count();
        earlier.saturating_sub(
            after.iter().filter(|now| !(now.is_link && now.address.is_some()) && now.label == *label).count(),
        )
    });
    gone + fewer.sum::<usize>()
}

/// Whether a request that failed could have brought a part of the list: it was about the order, or about attachments.
pub(crate) fn could_be_list(request: &FailedRequest, recipe: &Recipe) -> bool {
    let names_attachments = request.is_named || recipe.attachments.are_named_in(&request.path);
    match request.status {
        // there is none
        404 | 410 => false,
        // an order has much that a login may not see
        403 => names_attachments,
        0 | 400.. => names_attachments || request.is_of_page,
        _ => false,
    }
}
