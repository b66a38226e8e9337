//! The state of a task, and the one function that changes it.

use std::collections::BTreeSet;
use std::fmt;

use super::{Entry, FailureKind, ListingId, Outcome, PoTask, Receipt, RunId, SessionAction};

/// Attempt counters of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttemptCounts {
    /// Attempts started, counted or not.
    pub started: u32,
    /// Attempts that count against the retry limit.
    pub counted: u32,
    /// Attempts that ended because the browser session was lost.
    pub crashes: u32,
    /// Attempts that were interrupted from outside: they say nothing about the order.
    pub interruptions: u32,
    /// Attempts, not counted, that the portal throttled (429).
    pub throttled: u32,
    /// Attempts, not counted, that the portal answered with an error of its own for this order alone.
    pub server_errors: u32,
    /// Attempts, neither counted nor among those started, whose session ended while it had other orders in work as well.
    pub shared_crashes: u32,
}

impl AttemptCounts {
    /// The counters after one more attempt failed with `kind`.
    #[must_use]
    pub fn after_failure(self, kind: FailureKind, is_counted: bool) -> Self {
        let is_free = |free: FailureKind| u32::from(!is_counted && kind == free);
        Self {
            started: self.started,
            counted: self.counted + u32::from(is_counted),
            crashes: self.crashes + u32::from(kind.session_action() == SessionAction::Replace),
            interruptions: self.interruptions + u32::from(kind == FailureKind::Interrupted),
            throttled: self.throttled + is_free(FailureKind::Throttled),
            server_errors: self.server_errors + is_free(FailureKind::ServerError),
            shared_crashes: self.shared_crashes,
        }
    }
}

/// Where a task stands after its entries so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// It waits for a worker.
    Ready {
        /// What was asked for.
        order: PoTask,
        /// Its attempts.
        counts: AttemptCounts,
        /// What earlier attempts have left in its folder.
        receipt: Option<Receipt>,
    },
    /// A worker has it.
    Leased {
        /// What was asked for.
        order: PoTask,
        /// Its attempts, the running one included.
        counts: AttemptCounts,
        /// What earlier attempts have left in its folder.
        receipt: Option<Receipt>,
    },
    /// It has ended.
    Settled {
        /// What was asked for.
        order: PoTask,
        /// Its attempts.
        counts: AttemptCounts,
        /// How it ended.
        outcome: Outcome,
        /// The earlier run whose outcome was taken over, if any.
        reused_from: Option<RunId>,
    },
}

impl TaskState {
    /// The state after `entry`; `before` is `None` for a task that is not known yet. The only way in which a state
    /// comes about: the scheduler, the journal and the replay of a journal all call it.
    ///
    /// # Errors
    /// [`IllegalTransition`] when the entry cannot follow: the journal is damaged or was written by a bug.
    pub fn apply(before: Option<Self>, entry: &Entry) -> Result<Self, IllegalTransition> {
        match (before, entry) {
            (None, Entry::Admitted { order, receipt, .. }) => {
                Ok(Self::Ready { order: order.clone(), counts: AttemptCounts::default(), receipt: receipt.clone() })
            }
            (Some(Self::Ready { order, counts, receipt }), Entry::Started { attempt, .. })
                if attempt.0 == counts.started + 1 =>
            {
                Ok(Self::Leased { order, counts: AttemptCounts { started: attempt.0, ..counts }, receipt })
            }
            (
                Some(Self::Leased { order, counts, receipt: earlier }),
                Entry::Postponed { failure, counted, receipt, .. },
            ) => {
                let counts = counts.after_failure(failure.kind, *counted);
                Ok(Self::Ready { order, counts, receipt: merge_receipts(earlier, receipt.clone()) })
            }
            (Some(Self::Leased { order, counts, receipt }), Entry::Returned { shared_crash, .. }) => {
                let counts = AttemptCounts {
                    started: counts.started - 1,
                    shared_crashes: counts.shared_crashes + u32::from(*shared_crash),
                    ..counts
                };
                Ok(Self::Ready { order, counts, receipt })
            }
            (
                Some(Self::Leased { order, counts, .. } | Self::Ready { order, counts, .. }),
                Entry::Settled { outcome, .. },
            ) => Ok(Self::Settled { order, counts, outcome: outcome.clone(), reused_from: None }),
            (Some(Self::Ready { order, counts, .. }), Entry::Reused { outcome, from, .. }) if counts.started == 0 => {
                Ok(Self::Settled { order, counts, outcome: outcome.clone(), reused_from: Some(from.clone()) })
            }
            (before, _) => Err(IllegalTransition { before: before.map(Box::new), entry: Box::new(entry.clone()) }),
        }
    }

    /// What the attempts so far and one more, which left `newest`, have left in the order's folder between them.
    #[must_use]
    pub fn receipt_with(&self, newest: Option<Receipt>) -> Option<Receipt> {
        merge_receipts(self.receipt().cloned(), newest)
    }

    /// What was asked for.
    #[must_use]
    pub fn order(&self) -> &PoTask {
        match self {
            Self::Ready { order, .. } | Self::Leased { order, .. } | Self::Settled { order, .. } => order,
        }
    }

    /// Its attempts.
    #[must_use]
    pub fn counts(&self) -> AttemptCounts {
        match self {
            Self::Ready { counts, .. } | Self::Leased { counts, .. } | Self::Settled { counts, .. } => *counts,
        }
    }

    /// What its attempts have left in its folder so far, or what it ended with.
    #[must_use]
    pub fn receipt(&self) -> Option<&Receipt> {
        match self {
            Self::Ready { receipt, .. } | Self::Leased { receipt, .. } => receipt.as_ref(),
            Self::Settled { outcome, .. } => outcome.receipt(),
        }
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        match self {
            Self::Settled { outcome, .. } => Some(outcome),
            Self::Ready { .. } | Self::Leased { .. } => None,
        }
    }
}

/// What two attempts left between them: the files of both lie in the order's folder. Merging a receipt that holds the
/// earlier one already changes nothing, so the merged receipts of older journals replay to the same state.
fn merge_receipts(earlier: Option<Receipt>, later: Option<Receipt>) -> Option<Receipt> {
    let (earlier, mut later) = match (earlier, later) {
        (Some(earlier), Some(later)) => (earlier, later),
        (earlier, later) => return later.or(earlier),
    };
    for file in earlier.files {
        if !later.files.iter().any(|other| other.path == file.path) {
            later.missing.retain(|missing| !file.listings.contains(&missing.listing));
            later.files.push(file);
        }
    }
    if later.listed_count < earlier.listed_count {
        // it did not see the whole list: what the earlier one knew of the rest still holds
        (later.listed_count, later.repeated_count) = (earlier.listed_count, earlier.repeated_count);
        let mut known: BTreeSet<ListingId> = later.files.iter().flat_map(|file| file.listings.clone()).collect();
        known.extend(later.missing.iter().map(|missing| missing.listing.clone()));
        known.extend(later.left_out.iter().map(|file| file.listing.clone()));
        later.missing.extend(earlier.missing.into_iter().filter(|missing| !known.contains(&missing.listing)));
        later.left_out.extend(earlier.left_out.into_iter().filter(|file| !known.contains(&file.listing)));
        if later.filter.is_empty() {
            later.filter = earlier.filter;
        }
    }
    if later.folder.is_empty() {
        // it did not come as far as the order's own page
        later.folder = earlier.folder;
    }
    later.supplier = later.supplier.or(earlier.supplier);
    Some(later)
}

/// An entry that cannot follow the ones before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IllegalTransition {
    /// Where the task stood.
    pub before: Option<Box<TaskState>>,
    /// The entry.
    pub entry: Box<Entry>,
}

impl fmt::Display for IllegalTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = match self.before.as_deref() {
            None => "is not known",
            Some(TaskState::Ready { .. }) => "waits for a worker",
            Some(TaskState::Leased { .. }) => "is in work",
            Some(TaskState::Settled { .. }) => "has its outcome",
        };
        write!(f, "task {} {before}, so it cannot be {}", self.entry.task(), self.entry.kind())
    }
}

impl std::error::Error for IllegalTransition {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        AttemptNo, ExcludedFile, Failure, FailureKind, FileOrigin, FileRecord, MissingFile, Receipt, TaskId, WorkerId,
    };

    const T: TaskId = TaskId(1);

    fn admitted() -> Entry {
        Entry::Admitted { task: T, order: PoTask::new("7".parse().unwrap()), receipt: None }
    }
    fn started(no: u32) -> Entry {
        Entry::Started { task: T, attempt: AttemptNo(no), worker: WorkerId(1) }
    }
    fn postponed(counted: bool) -> Entry {
        Entry::Postponed { task: T, failure: Failure::new(FailureKind::StepTimeout, "slow"), counted, receipt: None }
    }
    fn returned(shared_crash: bool) -> Entry {
        Entry::Returned { task: T, shared_crash }
    }
    fn settled() -> Entry {
        Entry::Settled { task: T, outcome: Outcome::Completed(Receipt::default()) }
    }
    fn replay(entries: &[Entry]) -> Result<Option<TaskState>, IllegalTransition> {
        entries.iter().try_fold(None, |state, entry| TaskState::apply(state, entry).map(Some))
    }

    #[test]
    fn only_counted_attempts_spend_a_try() {
        let state = replay(&[admitted(), started(1), postponed(true), started(2), postponed(false)]).unwrap();
        let counts = state.unwrap().counts();
        assert_eq!((counts.counted, counts.started), (1, 2));
    }

    #[test]
    fn what_an_attempt_left_is_known_to_those_after_it() {
        let brought = Receipt { listed_count: 2, ..Receipt::default() };
        let failure = || Failure::new(FailureKind::DownloadStalled, "one is missing");
        let partly = |receipt| Entry::Postponed { task: T, failure: failure(), counted: true, receipt };
        let state = replay(&[admitted(), started(1), partly(Some(brought.clone())), started(2)]).unwrap().unwrap();
        assert_eq!(state.receipt(), Some(&brought));
        let state = TaskState::apply(Some(state), &partly(None)).unwrap();
        assert_eq!(state.receipt(), Some(&brought), "an attempt that brought nothing takes nothing away");
    }

    #[test]
    fn what_only_one_of_two_attempts_saw_is_kept() {
        let seen = Receipt { supplier: Some("Acme".to_owned()), ..Receipt::default() };
        let unseen = Receipt { folder: "Acme/PO1__WORK".to_owned(), ..Receipt::default() };
        for (earlier, later) in [(seen.clone(), unseen.clone()), (unseen, seen)] {
            let both = merge_receipts(Some(earlier.clone()), Some(later)).unwrap();
            assert_eq!((both.supplier.as_deref(), both.folder.as_str()), (Some("Acme"), "Acme/PO1__WORK"));
            let again = merge_receipts(Some(earlier), Some(both.clone()));
            assert_eq!(again, Some(both), "the merged receipt of an older journal");
        }
    }

    #[test]
    fn an_attempt_that_did_not_come_to_the_list_takes_no_reason_away() {
        let listing = |id: &str| ListingId::new(id);
        let file = FileRecord { path: "a.pdf".to_owned(), listings: vec![listing("a")], ..FileRecord::default() };
        let lacks = |id: &str| MissingFile {
            name: format!("{id}.pdf"),
            listing: listing(id),
            source: FileOrigin::Order,
            failure: Failure::new(FailureKind::DownloadStalled, "slow"),
        };
        let unwanted = ExcludedFile {
            name: "d.txt".to_owned(),
            listing: listing("d"),
            source: FileOrigin::Order,
            reason: "not wanted".to_owned(),
        };
        let earlier = Receipt {
            listed_count: 4,
            files: vec![file.clone()],
            missing: vec![lacks("b"), lacks("c")],
            left_out: vec![unwanted],
            filter: "--types pdf".to_owned(),
            ..Receipt::default()
        };
        let unopened = Receipt { url: "https://acme.test/7".to_owned(), ..Receipt::default() };
        let both = merge_receipts(Some(earlier.clone()), Some(unopened)).unwrap();
        assert_eq!(
            (&both.missing, &both.left_out, &both.filter),
            (&earlier.missing, &earlier.left_out, &earlier.filter)
        );
        assert_eq!(both.arrived_count() + both.missing.len() + both.left_out.len(), both.listed_count);
        // what it brought is not missing any more
        let brought = FileRecord { path: "b.pdf".to_owned(), listings: vec![listing("b")], ..FileRecord::default() };
        let partly = Receipt { listed_count: 2, files: vec![brought], ..Receipt::default() };
        let both = merge_receipts(Some(earlier), Some(partly)).unwrap();
        assert_eq!(both.missing, [lacks("c")]);
        assert_eq!(both.arrived_count() + both.missing.len() + both.left_out.len(), both.listed_count);
    }

    #[test]
    fn an_illegal_entry_is_named_without_its_contents() {
        let refused = replay(&[admitted(), postponed(true)]).unwrap_err();
        assert_eq!(refused.to_string(), "task t1 waits for a worker, so it cannot be postponed");
    }

    #[test]
    fn a_returned_attempt_never_was() {
        let state = replay(&[admitted(), started(1), returned(false), started(1)]).unwrap();
        assert_eq!(state.unwrap().counts().started, 1);
    }

    #[test]
    fn a_session_that_ended_under_several_orders_costs_none_of_them_a_try_and_is_remembered() {
        let state = replay(&[admitted(), started(1), returned(true), started(1), postponed(true)]).unwrap().unwrap();
        let counts = state.counts();
        assert_eq!((counts.started, counts.counted, counts.crashes, counts.shared_crashes), (1, 1, 0, 1));
    }

    #[test]
    fn nothing_follows_the_outcome() {
        for late in [admitted(), started(2), postponed(true), returned(false), settled()] {
            replay(&[admitted(), started(1), settled(), late]).unwrap_err();
        }
    }

    #[test]
    fn only_an_untouched_task_takes_over_an_earlier_outcome() {
        let reused =
            || Entry::Reused { task: T, outcome: Outcome::Completed(Receipt::default()), from: RunId::new("r") };
        let state = replay(&[admitted(), reused()]).unwrap();
        assert!(matches!(state, Some(TaskState::Settled { reused_from: Some(_), .. })));
        replay(&[admitted(), started(1), reused()]).unwrap_err();
        replay(&[admitted(), started(1), postponed(true), reused()]).unwrap_err();
    }

    #[test]
    fn an_attempt_is_started_once_and_in_order() {
        replay(&[started(1)]).unwrap_err();
        replay(&[admitted(), started(2)]).unwrap_err();
        replay(&[admitted(), started(1), started(2)]).unwrap_err();
    }
}
