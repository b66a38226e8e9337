//! The seam to the portal that orders are fetched from.

use super::{Attempt, AttemptError, BoxFuture, LaneOrders, Session};
use crate::model::{Outcome, PoTask, Receipt, WorkerId};

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

    /// How many orders can be under way in one session at a time, at most. Called once, when the pool starts. With 1, the
    /// default, [`Site::log_in`] and [`Site::collect`] are used; with more, [`Site::run_lane`] in their place.
    fn max_slots(&self) -> usize {
        1
    }

    /// Takes orders through one session, several at a time, until `orders` ends and everything has been answered, or until
    /// the session is unusable: what is unanswered then is lost with it, which costs no order a try if several were under
    /// way. Called by a worker for each of its sessions if [`Site::max_slots`] is more than 1; logs in, keeps evidence and
    /// falls back to one order at a time by itself, as each order needs it. Heeds [`Session::ended`] while it waits for orders:
    /// one that is handed to a session that has ended pays for it.
    ///
    /// Each attempt is under its own deadline. When that passes, or the run aborts, `attempt.cancel` is cancelled: the lane
    /// answers within the `close` deadline, and its other orders go on. A lane that does not answer is taken for hung, and its
    /// session is killed. Dropping the future makes the session unusable; a worker does that only to kill the session. The
    /// default takes no orders: a site with more than one slot has to implement it.
    fn run_lane<'a>(&'a self, worker: WorkerId, session: &'a mut dyn Session, orders: LaneOrders) -> BoxFuture<'a, ()> {
        let _ = (worker, session, orders);
        Box::pin(async {})
    }

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
