//! The seam to the durable record of a run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::BoxFuture;
use crate::model::{Entry, IllegalTransition, RunId, TaskId, TaskState};

/// The record of a run. Only the dispatcher writes it: one batch per turn, before anything in the batch is acted upon.
pub trait Journal: Send + Sync {
    /// Appends all of `batch`, or none of it.
    ///
    /// Once the future is ready the entries survive the end of the program (as far as the implementation promises
    /// that at all). Dropping the future leaves it open whether the batch was written, never half of it.
    ///
    /// # Errors
    /// [`JournalError`] when nothing was written ([`JournalError::NoAnswer`] alone leaves that open); the run stops.
    fn append(&self, batch: Vec<Entry>) -> BoxFuture<'_, Result<(), JournalError>>;

    /// What is known of the run's tasks. For reports; may be called at any time, also during the run.
    ///
    /// # Errors
    /// [`JournalError`] when the record cannot be read or is damaged.
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

/// Why the journal could not be read or written. A run stops at the first such error: nothing is done that is not recorded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The disk refused.
    #[error("the journal cannot be written: {0}")]
    Unusable(String),
    /// Its entries contradict each other, or the file is damaged.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
    /// An entry cannot follow the ones before it, which only a bug can bring about. Nothing of its batch was written.
    #[error("internal error, please report it: {0}")]
    IllegalEntry(#[from] IllegalTransition),
    /// Another program is writing it.
    #[error(
        "the journal {} is in use by {owner}: wait for it to end, end it, or name another journal with --journal",
        path.display()
    )]
    InUse {
        /// Which journal.
        path: PathBuf,
        /// Who, and since when.
        owner: String,
    },
    /// Its disk is full; nothing of the batch was written.
    #[error("the disk of the journal {} is full: free some space on it, then resume the run", path.display())]
    Full {
        /// Which journal.
        path: PathBuf,
    },
    /// It cannot be opened for writing.
    #[error(
        "the journal {} cannot be opened for writing ({why}): change its permissions or name another one with --journal",
        path.display()
    )]
    ReadOnly {
        /// Which journal.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The file is something else.
    #[error("{} is not a journal of this program: name another file with --journal", path.display())]
    NotAJournal {
        /// Which file.
        path: PathBuf,
    },
    /// A newer version of the program wrote it. It was not changed.
    #[error(
        "the journal {} was written by a newer version (schema {found}, this one knows {known}): use that version, or \
         name another journal with --journal",
        path.display()
    )]
    TooNew {
        /// Which journal.
        path: PathBuf,
        /// Its schema.
        found: i32,
        /// The newest schema that this program knows.
        known: i32,
    },
    /// There is no journal to read.
    #[error("there is no journal at {}: no run has used it yet", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The disk did not answer in time. Whether the batch was written is unknown until the journal is read again.
    #[error(
        "the disk of the journal did not answer within {}: check the disk, then resume the run",
        humantime::format_duration(*after)
    )]
    NoAnswer {
        /// The deadline that passed.
        after: Duration,
    },
    /// The journal has no such run.
    #[error("the journal has no run {0}")]
    NoSuchRun(RunId),
    /// The journal has a run of this name already.
    #[error("the journal already has a run {0}: resume it, or start one with another name")]
    RunExists(RunId),
}
