//! The legal life of a task: which fact may follow which.

use std::fmt;

use super::{Entry, FailureKind, Outcome, PoTask, Receipt, RunId, SessionAction};

/// What a task has been through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttemptCounts {
    /// Attempts begun, counted or not.
    pub started: u32,
    /// Tries used up.
    pub spent: u32,
    /// Attempts that ended with the end of a browser.
    pub breaks: u32,
    /// Attempts that were interrupted from outside: they say nothing about the order.
    pub interruptions: u32,
}

impl AttemptCounts {
    /// After one more attempt that failed with `kind`.
    #[must_use]
    pub fn after_failure(self, kind: FailureKind, is_counted: bool) -> Self {
        Self {
            started: self.started,
            spent: self.spent + u32::from(is_counted),
            breaks: self.breaks + u32::from(kind.fate() == SessionAction::Replace),
            interruptions: self.interruptions + u32::from(kind == FailureKind::Interrupted),
        }
    }
}

/// Where a task stands after the facts so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// Waits for a worker.
    Ready {
        /// What was asked for.
        order: PoTask,
        /// What it has been through.
        tally: AttemptCounts,
        /// What earlier attempts have left in its folder.
        receipt: Option<Receipt>,
    },
    /// A worker has it.
    Leased {
        /// What was asked for.
        order: PoTask,
        /// What it has been through, this attempt's beginning included.
        tally: AttemptCounts,
        /// What earlier attempts have left in its folder.
        receipt: Option<Receipt>,
    },
    /// It has ended.
    Settled {
        /// What was asked for.
        order: PoTask,
        /// What it has been through.
        tally: AttemptCounts,
        /// How it ended.
        outcome: Outcome,
        /// The earlier run that it was taken over from, if it was.
        reused_from: Option<RunId>,
    },
}

impl TaskState {
    /// The state after `entry`, starting from nothing when `before` is `None`.
    ///
    /// # Errors
    /// [`IllegalTransition`] when the fact cannot follow: the journal is damaged or was written by a bug.
    pub fn after(before: Option<Self>, entry: &Entry) -> Result<Self, IllegalTransition> {
        match (before, entry) {
            (None, Entry::Admitted { order, receipt, .. }) => {
                Ok(Self::Ready { order: order.clone(), tally: AttemptCounts::default(), receipt: receipt.clone() })
            }
            (Some(Self::Ready { order, tally, receipt }), Entry::Started { attempt, .. })
                if attempt.0 == tally.started + 1 =>
            {
                Ok(Self::Leased { order, tally: AttemptCounts { started: attempt.0, ..tally }, receipt })
            }
            (
                Some(Self::Leased { order, tally, receipt: earlier }),
                Entry::Postponed { failure, counted, receipt, .. },
            ) => {
                let tally = tally.after_failure(failure.kind, *counted);
                Ok(Self::Ready { order, tally, receipt: receipt.clone().or(earlier) })
            }
            (Some(Self::Leased { order, tally, receipt }), Entry::Returned { .. }) => {
                Ok(Self::Ready { order, tally: AttemptCounts { started: tally.started - 1, ..tally }, receipt })
            }
            (
                Some(Self::Leased { order, tally, .. } | Self::Ready { order, tally, .. }),
                Entry::Settled { outcome, .. },
            ) => Ok(Self::Settled { order, tally, outcome: outcome.clone(), reused_from: None }),
            (Some(Self::Ready { order, tally, .. }), Entry::Reused { outcome, from, .. }) if tally.started == 0 => {
                Ok(Self::Settled { order, tally, outcome: outcome.clone(), reused_from: Some(from.clone()) })
            }
            (before, _) => Err(IllegalTransition { before: before.map(Box::new), entry: Box::new(entry.clone()) }),
        }
    }

    /// What was asked for.
    #[must_use]
    pub fn order(&self) -> &PoTask {
        match self {
            Self::Ready { order, .. } | Self::Leased { order, .. } | Self::Settled { order, .. } => order,
        }
    }

    /// What it has been through.
    #[must_use]
    pub fn tally(&self) -> AttemptCounts {
        match self {
            Self::Ready { tally, .. } | Self::Leased { tally, .. } | Self::Settled { tally, .. } => *tally,
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

/// A fact that cannot follow the ones before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IllegalTransition {
    /// Where the task stood.
    pub before: Option<Box<TaskState>>,
    /// What was said of it.
    pub entry: Box<Entry>,
}

impl fmt::Display for IllegalTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the entry {:?} cannot follow the state {:?}", self.entry, self.before)
    }
}

impl std::error::Error for IllegalTransition {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AttemptNo, Failure, FailureKind, Receipt, TaskId, WorkerId};

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
    fn settled() -> Entry {
        Entry::Settled { task: T, outcome: Outcome::Completed(Receipt::default()) }
    }
    fn replay(entries: &[Entry]) -> Result<Option<TaskState>, IllegalTransition> {
        entries.iter().try_fold(None, |state, entry| TaskState::after(state, entry).map(Some))
    }

    #[test]
    fn only_counted_attempts_spend_a_try() {
        let state = replay(&[admitted(), started(1), postponed(true), started(2), postponed(false)]).unwrap();
        let tally = state.unwrap().tally();
        assert_eq!((tally.spent, tally.started), (1, 2));
    }

    #[test]
    fn what_an_attempt_left_is_known_to_those_after_it() {
        let brought = Receipt { listed_count: 2, ..Receipt::default() };
        let failure = || Failure::new(FailureKind::DownloadStalled, "one is missing");
        let partly = |receipt| Entry::Postponed { task: T, failure: failure(), counted: true, receipt };
        let state = replay(&[admitted(), started(1), partly(Some(brought.clone())), started(2)]).unwrap().unwrap();
        assert_eq!(state.receipt(), Some(&brought));
        let state = TaskState::after(Some(state), &partly(None)).unwrap();
        assert_eq!(state.receipt(), Some(&brought), "an attempt that brought nothing takes nothing away");
    }

    #[test]
    fn a_returned_attempt_never_was() {
        let state = replay(&[admitted(), started(1), Entry::Returned { task: T }, started(1)]).unwrap();
        assert_eq!(state.unwrap().tally().started, 1);
    }

    #[test]
    fn nothing_follows_the_outcome() {
        for late in [admitted(), started(2), postponed(true), Entry::Returned { task: T }, settled()] {
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
