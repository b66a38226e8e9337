//! The seam to the portal that orders are fetched from.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{AttemptError, BoxFuture, Session};
use crate::model::{AttemptNo, FileRecord, Outcome, PoTask, Receipt, TaskId, WorkerId};

/// A portal, as the engine sees it.
pub trait Site: Send + Sync {
    /// Makes sure that `session` is logged in. Called by the worker after a session was opened, and again after an attempt
    /// that ended with `LoginRequired`. Calls of different workers run side by side; the site makes sure that only one of
    /// them logs in. Dropping the future makes the session unusable.
    ///
    /// # Errors
    /// `LoginRefused` stops the run; any other is treated as if the attempt that waits for it had failed.
    fn log_in<'a>(&'a self, worker: WorkerId, session: &'a mut dyn Session) -> BoxFuture<'a, Result<(), AttemptError>>;

    /// Fetches the files of one order into its working folder. Called by the worker that holds the lease, at most once per
    /// attempt, under the attempt's deadline: `task_timeout` after `attempt.begun`. Repeating it places nothing twice. Checks
    /// `attempt.cancel` between commands. Dropping the future leaves no partial file in any order's folder, and
    /// `attempt.interim` then tells what is there.
    ///
    /// # Errors
    /// [`AttemptError`] with the kind that decides what happens next, and the receipt of what is already in the folder.
    fn collect<'a>(
        &'a self,
        session: &'a mut dyn Session,
        attempt: &'a Attempt,
    ) -> BoxFuture<'a, Result<Receipt, AttemptError>>;

    /// Saves what can be seen of a failed attempt, and returns the folder as [`Failure::evidence`](crate::model::Failure::evidence)
    /// holds it. Called by the worker after [`Site::log_in`] or [`Site::collect`] failed, before the lease ends; not for what
    /// was interrupted. Uses the session only if it is usable. Never fails: what is not available is left out. The default
    /// saves nothing. Dropping the future makes the session unusable.
    fn capture_evidence<'a>(
        &'a self,
        session: &'a mut dyn Session,
        attempt: &'a Attempt,
        error: &'a AttemptError,
    ) -> BoxFuture<'a, Option<String>> {
        let _ = (session, attempt, error);
        Box::pin(async { None })
    }

    /// Gives the order's folder its final name. Called once per outcome, by the dispatcher, before the outcome is journaled.
    /// After a crash in between it is called again with the same outcome, and must then change nothing.
    ///
    /// # Errors
    /// `DiskFull` leaves the order open and drains the run.
    fn finalize<'a>(&'a self, task: &'a PoTask, outcome: Outcome) -> BoxFuture<'a, Result<Outcome, AttemptError>>;
}

/// One attempt at one order.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Its admission number.
    pub task: TaskId,
    /// What was asked for.
    pub order: PoTask,
    /// The number of the attempt, from 1.
    pub no: AttemptNo,
    /// The files that earlier attempts have placed in the order's folder; what is still there is not fetched again.
    pub have: Vec<FileRecord>,
    /// The worker whose session is used.
    pub worker: WorkerId,
    /// When it began, the login included.
    pub begun: Instant,
    /// What it has brought so far.
    pub interim: InterimReceipt,
    /// Cancelled when the run aborts.
    pub cancel: CancellationToken,
}

/// What an attempt has brought so far. Told by the site with each file, and read by the worker when it ends the attempt
/// from outside: what is in the order's folder is known all the same.
#[derive(Clone, Debug, Default)]
pub struct InterimReceipt(Arc<Mutex<Option<Receipt>>>);

impl InterimReceipt {
    /// Replaces what was told before.
    pub fn set(&self, receipt: Receipt) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(receipt);
    }

    /// What was told last; none when nothing was.
    #[must_use]
    pub fn get(&self) -> Option<Receipt> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
