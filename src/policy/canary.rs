//! Whether the canary shows that the site recipe fits the portal. If it no longer yields its files, every other order would
//! wrongly be reported as empty.

use std::fmt::Write as _;

use crate::config::Canary;
use crate::model::{FileOrigin, Outcome, Receipt, StopKind, StopReason, TaskState};

/// Checks how the canary ended.
///
/// # Errors
/// Why the run stops, when the canary did not yield what it should.
pub fn judge_canary(canary: &Canary, outcome: &Outcome) -> Result<(), StopReason> {
    match outcome {
        Outcome::Completed(receipt) if own_count(receipt) >= canary.min_files.get() => Ok(()),
        other => Err(drifted(canary, other)),
    }
}

/// Whether `state` is that of the canary, which has passed in its own run.
#[must_use]
pub fn has_passed(canary: &Canary, state: &TaskState) -> bool {
    match state {
        TaskState::Settled { order, outcome, reused_from: None, .. } => {
            order.po == canary.po && judge_canary(canary, outcome).is_ok()
        }
        TaskState::Settled { .. } | TaskState::Ready { .. } | TaskState::Leased { .. } => false,
    }
}

/// How many attachments of the order's own page were fetched; a file that is listed twice counts twice. Attachments that a
/// filter left out do not count, since nothing shows that they could have been fetched.
fn own_count(receipt: &Receipt) -> usize {
    receipt.files.iter().filter(|file| file.source == FileOrigin::Order).map(|file| file.listings.len().max(1)).sum()
}

fn drifted(canary: &Canary, outcome: &Outcome) -> StopReason {
    let Canary { po, min_files } = canary;
    let how = match outcome {
        Outcome::Completed(receipt) => {
            let mut how = format!("with {} of its own page", files(own_count(receipt)));
            let elsewhere = receipt.files.iter().filter(|file| file.source != FileOrigin::Order).count();
            if elsewhere > 0 {
                let _ = write!(how, ", {elsewhere} of its requisition"); // cannot fail on a String
            }
            if !receipt.left_out.is_empty() {
                let _ = write!(how, ", {} left out as not wanted", receipt.left_out.len());
            }
            format!("{how}, where at least {min_files} should arrive")
        }
        other => format!("as {}", other.status()),
    };
    let why = outcome.failure().map(|failure| format!(" ({failure})")).unwrap_or_default();
    StopReason {
        kind: StopKind::PagesChanged,
        message: format!(
            "the canary {po} ended {how}{why}, so no other order was tried: the portal may have changed; see \
             `coupa-batch recipe check --po {po}`"
        ),
    }
}

/// `1 file`, `2 files`.
fn files(number: usize) -> String {
    if number == 1 { "1 file".to_owned() } else { format!("{number} files") }
}

#[cfg(test)]
mod tests {
    use crate::model::{AttemptCounts, ExcludedFile, Failure, FailureKind, FileRecord, ListingId, PoTask, RunId};

    use super::*;

    fn file(source: FileOrigin) -> FileRecord {
        FileRecord { source, listings: vec![ListingId::new("1")], ..FileRecord::default() }
    }

    fn completed(files: Vec<FileRecord>) -> Outcome {
        Outcome::Completed(Receipt { files, ..Receipt::default() })
    }

    #[test]
    fn a_canary_is_judged_by_the_files_of_its_own_page() {
        let two: Canary = "PO7=2".parse().unwrap();
        let own = vec![file(FileOrigin::Order), file(FileOrigin::Order)];
        judge_canary(&two, &completed(own.clone())).unwrap();

        let too_few = judge_canary(&two, &completed(own[..1].to_vec())).unwrap_err().message;
        assert!(too_few.contains("with 1 file of its own page, where at least 2 should arrive"), "{too_few}");
        let elsewhere = judge_canary(&two, &completed(vec![file(FileOrigin::Requisition); 3])).unwrap_err().message;
        assert!(elsewhere.contains("with 0 files of its own page, 3 of its requisition"), "{elsewhere}");
        let left_out = ExcludedFile {
            name: "a.pdf".to_owned(),
            listing: ListingId::new("1"),
            source: FileOrigin::Order,
            reason: "its type is not wanted".to_owned(),
        };
        let filtered = Outcome::Completed(Receipt { left_out: vec![left_out; 2], ..Receipt::default() });
        let filtered = judge_canary(&two, &filtered).unwrap_err().message;
        assert!(filtered.contains("with 0 files of its own page, 2 left out"), "{filtered}");
    }

    #[test]
    fn a_canary_that_failed_says_why() {
        let failure = Failure::new(FailureKind::PageChanged, "the page is a garden");
        let failed = Outcome::Failed(failure, None);
        let stop = judge_canary(&"PO7".parse().unwrap(), &failed).unwrap_err();
        assert_eq!(stop.kind, StopKind::PagesChanged);
        assert!(stop.message.contains("ended as FAILED (") && stop.message.contains("a garden"), "{stop}");
    }

    #[test]
    fn a_canary_passes_only_in_its_own_run_and_with_its_files() {
        let canary: Canary = "PO7".parse().unwrap();
        let settled = |po: &str, outcome, reused_from| TaskState::Settled {
            order: PoTask::new(po.parse().unwrap()),
            counts: AttemptCounts::default(),
            outcome,
            reused_from,
        };
        let files = || completed(vec![file(FileOrigin::Order)]);
        assert!(has_passed(&canary, &settled("PO7", files(), None)));
        assert!(!has_passed(&canary, &settled("PO7", files(), Some(RunId::new("earlier")))));
        assert!(!has_passed(&canary, &settled("PO8", files(), None)));
        assert!(!has_passed(&canary, &settled("PO7", completed(Vec::new()), None)));
    }
}
