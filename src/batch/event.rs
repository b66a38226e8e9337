//! What a batch reports to a front end: events, how it ended, or why it could not run.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;

use crate::backend::{History, JournalError};
use crate::fs::blocking::BlockingError;
use crate::model::{Outcome, PoNumber, PoolStatus, RunId};
use crate::pool::StartError;
use crate::report::{ReportError, ReportFiles, Summary};

/// An event of a batch. Events arrive in the order in which they happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum BatchEvent {
    /// The journal of the run is open.
    RunOpened(RunId),
    /// An unfinished run is continued.
    Resumed {
        /// Which one.
        run: RunId,
        /// How many of its orders are open.
        open: u64,
        /// How many orders it has.
        orders: u64,
    },
    /// This many orders were completed before, and their files are unchanged.
    Reused(usize),
    /// This many orders of the input are left out by the filter of the caller.
    LeftOut(usize),
    /// There is no order to fetch.
    NothingToFetch,
    /// The canary is being fetched, before all other orders.
    CanaryStarted(PoNumber),
    /// The pool has started. Follow its status until it closes.
    PoolStarted(watch::Receiver<Arc<PoolStatus>>),
    /// An order has its outcome.
    OrderFinished {
        /// Which one.
        po: PoNumber,
        /// Its outcome.
        outcome: Arc<Outcome>,
        /// How many orders have one, this one included.
        settled: u64,
        /// How many orders were open at the start.
        total: u64,
    },
    /// The time limit was reached: no more orders are started. Why, in words.
    TimeUp(String),
    /// A signal: no more orders are started, and running ones may finish within this time.
    Draining(Duration),
    /// A second signal: running orders are cancelled and stay open.
    Aborting,
    /// A third signal: the browsers were killed.
    Killed,
    /// A process or folder of a browser could not be removed.
    LeftBehind(String),
    /// The journal could not record the end of the run. The report is written nevertheless.
    JournalUnfinished(JournalError),
    /// Both files of the report are written.
    ReportWritten(ReportFiles),
}

/// Receives the events of a batch. It is called from the batch's own task and must not block for long.
pub(crate) type Observer = Arc<dyn Fn(&BatchEvent) + Send + Sync>;

/// The result of a batch that has a report.
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchReport {
    /// Totals of the run.
    pub summary: Summary,
    /// The files of the report.
    pub files: ReportFiles,
    /// The orders with their outcomes.
    pub history: History,
    /// How it ended.
    pub status: BatchStatus,
    /// The folder with evidence of failed attempts, if there is any.
    pub evidence: Option<PathBuf>,
}

/// How a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchStatus {
    /// Every order is complete or has nothing to fetch.
    Succeeded,
    /// All orders have an outcome, and some failed.
    SomeFailed,
    /// It was stopped before its end and can be resumed.
    StoppedEarly,
    /// The portal was never reached, or refused the login.
    PortalUnusable,
    /// No browser did any work.
    NoBrowser,
    /// The journal could not be written.
    JournalUnusable,
    /// A third signal killed the browsers.
    Killed,
}

impl BatchStatus {
    /// The status of a batch that was not stopped.
    pub(crate) fn of(summary: &Summary) -> Self {
        if summary.open_count() > 0 {
            Self::StoppedEarly
        } else if summary.is_all_well() {
            Self::Succeeded
        } else {
            Self::SomeFailed
        }
    }
}

/// A batch ended without a report.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The pool did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Two signals stopped it before an order was started.
    #[error("the run was stopped before its first order was started; the same command starts it again")]
    Stopped,
    /// Signals of the operating system cannot be received, so nobody could have stopped the run.
    #[error("signals cannot be received: {0}")]
    Signals(#[source] io::Error),
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// There is no unfinished run to resume.
    #[error("{} has no unfinished run: there is nothing to resume", .0.display())]
    NothingToResume(PathBuf),
    /// Reading the journal or the files of earlier runs was interrupted.
    #[error(transparent)]
    Interrupted(Box<dyn Error + Send + Sync>),
    /// The report cannot be written; the journal is complete.
    #[error("the report cannot be written: {0}")]
    Report(#[source] Box<dyn Error + Send + Sync>),
}

impl From<BlockingError> for BatchError {
    fn from(error: BlockingError) -> Self {
        Self::Interrupted(error.into())
    }
}

impl From<ReportError> for BatchError {
    fn from(error: ReportError) -> Self {
        Self::Report(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::OrderStatus;

    fn summary(counts: &[(OrderStatus, u64)]) -> Summary {
        let mut text = serde_json::json!({
            "run": "r", "started": "2026-01-01T00:00:00Z", "finished": "2026-01-01T00:00:00Z", "seconds": 0.0,
            "orders": 0, "by_status": {}, "files": 0, "bytes": 0, "missing": 0, "rejected": 0, "stopped_because": null
        });
        for (status, count) in counts {
            text["by_status"][status.as_str()] = (*count).into();
        }
        text["orders"] = counts.iter().map(|(_, count)| count).sum::<u64>().into();
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn the_most_serious_status_wins() {
        use OrderStatus::*;
        assert_eq!(BatchStatus::of(&summary(&[(Completed, 2), (NoAttachments, 1)])), BatchStatus::Succeeded);
        for status in [Partial, PoNotFound, AccessDenied, PrNotAccessible, Failed, Skipped] {
            assert_eq!(BatchStatus::of(&summary(&[(Completed, 2), (status, 1)])), BatchStatus::SomeFailed);
        }
        assert_eq!(BatchStatus::of(&summary(&[(Failed, 1), (NotDone, 1)])), BatchStatus::StoppedEarly);
    }
}
