//! What a worker is given when it calls.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::backend::Attempt;
use crate::model::{AttemptEnd, Failure, FailureKind, WorkerId};
use crate::policy::RecycleReason;
use crate::pool::pooled_session::AcquireRequest;
use crate::pool::scheduler::Input;

/// A free worker asks for work.
#[derive(Debug)]
pub(crate) struct WorkRequest {
    pub(crate) worker: WorkerId,
    /// Attempts that its session has served.
    pub(crate) served: u32,
    /// How long the session's last pages took.
    pub(crate) page_time: Option<Duration>,
    pub(crate) reply: oneshot::Sender<Assignment>,
}

/// The answer to a call.
#[derive(Debug)]
pub(crate) enum Assignment {
    /// One attempt at one order.
    Run(Lease),
    /// Lend your session to a caller.
    Lend(AcquireRequest, LeaseGuard),
    /// Open your next session and go on with this one meanwhile.
    RenewAhead(RecycleReason),
    /// Close your session; you get another one.
    Renew(RecycleReason),
    /// Close your session and end.
    Retire,
}

/// Names one grant. A fencing token: words about a lease that has been given up are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LeaseId(pub(crate) u64);

/// The right to work on one order, held by one worker. Consumed by [`Lease::end`]; dropping it means "abandoned".
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) attempt: Attempt,
    guard: LeaseGuard,
}

impl Lease {
    pub(crate) fn new(attempt: Attempt, guard: LeaseGuard) -> Self {
        Self { attempt, guard }
    }

    /// Tells the heart how the attempt ended; `retry_after` is the site's own wish.
    pub(crate) fn end(self, end: AttemptEnd, retry_after: Option<Duration>) {
        self.guard.end(end, retry_after);
    }
}

/// Says exactly one word about a lease: the end that it is given, or "crashed" when it is dropped.
#[derive(Debug)]
pub(crate) struct LeaseGuard {
    lease: LeaseId,
    // never more than one message per lease, and never more leases than workers
    heart: Option<mpsc::UnboundedSender<Input>>,
}

impl LeaseGuard {
    pub(crate) fn new(lease: LeaseId, heart: mpsc::UnboundedSender<Input>) -> Self {
        Self { lease, heart: Some(heart) }
    }

    pub(crate) fn end(mut self, end: AttemptEnd, retry_after: Option<Duration>) {
        self.say(end, retry_after);
    }

    fn say(&mut self, end: AttemptEnd, retry_after: Option<Duration>) {
        if let Some(heart) = self.heart.take() {
            // a heart that is gone has left every task open already
            let _ = heart.send(Input::Ended { lease: self.lease, end, retry_after });
        }
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        let crashed = Failure::new(FailureKind::Crashed, "the worker ended in the middle of the order");
        self.say(AttemptEnd::Failed(crashed, None), None);
    }
}
