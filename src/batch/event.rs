//! What a batch tells a front end: events on the way, and how it ended.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::backend::{History, JournalError};
use crate::model::{Outcome, PoNumber, PoolStatus, RunId};
use crate::report::{ReportFiles, Summary};

/// Something that happened in a batch, in the order in which it happened.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum BatchEvent {
    /// The run has its place in the journal.
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
    /// So many orders were completed before, and their files are unchanged.
    Reused(usize),
    /// So many orders of the input are left out by the filter of the caller.
    LeftOut(usize),
    /// No order is left to be fetched.
    NothingToFetch,
    /// The canary is fetched, before all other orders.
    CanaryStarted(PoNumber),
    /// The pool has started; its status until it closes.
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
    /// Something of a browser could not be removed.
    LeftBehind(String),
    /// The journal could not record the end of the run. The report is written nevertheless.
    JournalUnfinished(JournalError),
    /// Both files of the report are written.
    ReportWritten(ReportFiles),
}

/// Receives the events of a batch. It is called from the batch's own task and must not block for long.
pub(crate) type Observer = Arc<dyn Fn(&BatchEvent) + Send + Sync>;

/// What a batch that has a report came to.
#[derive(Debug)]
pub(crate) struct BatchReport {
    /// Its totals.
    pub(crate) summary: Summary,
    /// The report's files.
    pub(crate) files: ReportFiles,
    /// Its orders with their outcomes.
    pub(crate) history: History,
    /// How it ended.
    pub(crate) status: BatchStatus,
    /// The folder with evidence of failed attempts, if there is any.
    pub(crate) evidence: Option<PathBuf>,
}

/// How a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum BatchStatus {
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
