//! The legal life of a task: which fact may follow which.

use std::fmt;

use super::{Entry, Outcome, PoTask};

/// Where a task stands after the facts so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// Waits for a worker. `spent` tries are used up, `started` attempts have been begun.
    Ready {
        /// What was asked for.
        order: PoTask,
        /// Tries used up.
        spent: u32,
        /// Attempts begun, counted or not.
        started: u32,
    },
    /// A worker has it.
    Leased {
        /// What was asked for.
        order: PoTask,
        /// Tries used up by earlier attempts.
        spent: u32,
        /// Attempts begun, this one included.
        started: u32,
    },
    /// It has ended.
    Settled {
        /// What was asked for.
        order: PoTask,
        /// Attempts begun.
        started: u32,
        /// How it ended.
        outcome: Outcome,
    },
}

impl TaskState {
    /// The state after `entry`, starting from nothing when `before` is `None`.
    ///
    /// # Errors
    /// [`IllegalTransition`] when the fact cannot follow: the journal is damaged or was written by a bug.
    pub fn after(before: Option<Self>, entry: &Entry) -> Result<Self, IllegalTransition> {
        match (before, entry) {
            (None, Entry::Admitted { order, .. }) => Ok(Self::Ready { order: order.clone(), spent: 0, started: 0 }),
            (Some(Self::Ready { order, spent, started }), Entry::Started { attempt, .. })
                if attempt.0 == started + 1 =>
            {
                Ok(Self::Leased { order, spent, started: attempt.0 })
            }
            (Some(Self::Leased { order, spent, started }), Entry::Postponed { counted, .. }) => {
                Ok(Self::Ready { order, spent: spent + u32::from(*counted), started })
            }
            (Some(Self::Leased { order, spent, started }), Entry::Returned { .. }) => {
                Ok(Self::Ready { order, spent, started: started - 1 })
            }
            (
                Some(Self::Leased { order, started, .. } | Self::Ready { order, started, .. }),
                Entry::Settled { outcome, .. },
            ) => Ok(Self::Settled { order, started, outcome: outcome.clone() }),
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

    /// How many attempts were begun.
    #[must_use]
    pub fn attempt_count(&self) -> u32 {
        match self {
            Self::Ready { started, .. } | Self::Leased { started, .. } | Self::Settled { started, .. } => *started,
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
        Entry::Admitted { task: T, order: PoTask::new("7".parse().unwrap()) }
    }
    fn started(no: u32) -> Entry {
        Entry::Started { task: T, attempt: AttemptNo(no), worker: WorkerId(1) }
    }
    fn postponed(counted: bool) -> Entry {
        Entry::Postponed { task: T, failure: Failure::new(FailureKind::StepTimeout, "slow"), counted }
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
        assert!(matches!(state, Some(TaskState::Ready { spent: 1, started: 2, .. })));
    }

    #[test]
    fn a_returned_attempt_never_was() {
        let state = replay(&[admitted(), started(1), Entry::Returned { task: T }, started(1)]).unwrap();
        assert_eq!(state.unwrap().attempt_count(), 1);
    }

    #[test]
    fn nothing_follows_the_outcome() {
        for late in [admitted(), started(2), postponed(true), Entry::Returned { task: T }, settled()] {
            replay(&[admitted(), started(1), settled(), late]).unwrap_err();
        }
    }

    #[test]
    fn an_attempt_is_started_once_and_in_order() {
        replay(&[started(1)]).unwrap_err();
        replay(&[admitted(), started(2)]).unwrap_err();
        replay(&[admitted(), started(1), started(2)]).unwrap_err();
    }
}
