//! The seam to the durable record of a run.

use std::collections::BTreeMap;

use super::{BoxFuture, JournalError};
use crate::model::{Entry, TaskId, TaskState};

/// The record of a run. Written by the dispatcher alone, one batch per turn, before anything in the batch is acted upon.
pub trait Journal: Send + Sync {
    /// Appends all of `batch`, or none of it.
    ///
    /// Once the future is ready the entries survive the end of the program (as far as the implementation promises
    /// that at all). Dropping the future leaves it open whether the batch was written, never half of it.
    ///
    /// # Errors
    /// [`JournalError`] when nothing was written ([`JournalError::NoAnswer`] alone leaves that open); the run stops.
    fn append(&self, batch: Vec<Entry>) -> BoxFuture<'_, Result<(), JournalError>>;

    /// What is known of the run's tasks. For reports; may be called at any time, also while the run goes on.
    ///
    /// # Errors
    /// [`JournalError`] when the record cannot be read or contradicts itself.
    fn history(&self) -> BoxFuture<'_, Result<History, JournalError>>;
}

/// The tasks of a run in the order of their admission, each with the state that its entries add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// By admission number.
    pub tasks: BTreeMap<TaskId, TaskState>,
    /// When each settled task got its outcome; kept apart from the states, which know no clock.
    pub settled_at: BTreeMap<TaskId, jiff::Timestamp>,
}

impl History {
    /// The tasks without an outcome, in the order of their admission: what a resumed run has left to do.
    pub fn open_tasks(&self) -> impl Iterator<Item = (TaskId, &TaskState)> {
        self.tasks.iter().filter(|(_, state)| state.outcome().is_none()).map(|(task, state)| (*task, state))
    }
}
