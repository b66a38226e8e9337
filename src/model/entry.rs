//! Every entry that a journal may hold.

use serde::{Deserialize, Serialize};

use super::{AttemptNo, Failure, Outcome, PoTask, Receipt, RunId, TaskId, WorkerId};

/// One step in the life of one task of one run. Written before anything is done because of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// The task was accepted and survives a crash from here on.
    Admitted {
        /// Its admission number.
        task: TaskId,
        /// What was asked for.
        order: PoTask,
        /// What an earlier run has left in the order's folder, if that counts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        receipt: Option<Receipt>,
    },
    /// A worker was given the task.
    Started {
        /// Which task.
        task: TaskId,
        /// Which try.
        attempt: AttemptNo,
        /// By whom.
        worker: WorkerId,
    },
    /// The attempt failed and another one will be made.
    Postponed {
        /// Which task.
        task: TaskId,
        /// Why the attempt failed.
        failure: Failure,
        /// Whether it used up one of the task's tries.
        counted: bool,
        /// What this attempt left in the order's folder or learned of the order, if that is new. Journals of older versions
        /// hold what this attempt and those before it left between them, which replays to the same state.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        receipt: Option<Receipt>,
    },
    /// The attempt says nothing of the order: as if it had never been started.
    Returned {
        /// Which task.
        task: TaskId,
        /// Whether its session ended under it and under other orders, one of which is to blame.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        shared_crash: bool,
    },
    /// An earlier run has its outcome already, and what it left was found as it was.
    Reused {
        /// Which task.
        task: TaskId,
        /// How it ended then.
        outcome: Outcome,
        /// In which run.
        from: RunId,
    },
    /// The one outcome.
    Settled {
        /// Which task.
        task: TaskId,
        /// How it ended.
        outcome: Outcome,
    },
}

impl Entry {
    /// The task that it is about.
    #[must_use]
    pub fn task(&self) -> TaskId {
        match self {
            Self::Admitted { task, .. }
            | Self::Started { task, .. }
            | Self::Postponed { task, .. }
            | Self::Returned { task, .. }
            | Self::Reused { task, .. }
            | Self::Settled { task, .. } => *task,
        }
    }

    /// What it says of the task, as a past participle.
    #[must_use]
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Admitted { .. } => "admitted",
            Self::Started { .. } => "started",
            Self::Postponed { .. } => "postponed",
            Self::Returned { .. } => "returned",
            Self::Reused { .. } => "reused",
            Self::Settled { .. } => "settled",
        }
    }
}
