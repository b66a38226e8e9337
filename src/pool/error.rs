//! Errors of a pool's public surface, one type per concern.

use std::time::Duration;

use thiserror::Error;

use crate::backend::JournalError;
use crate::model::{PoNumber, StopReason};

/// The pool is closed: it takes no requests any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the pool is closed")]
pub struct PoolClosed;

/// Tasks were not accepted: none of the batch was.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The pool drains or is closed.
    #[error("the pool accepts no more orders: {}", .stop.as_ref().map_or("it is closed", |stop| &stop.message))]
    Closed {
        /// Why it stops; `None` when it is gone already.
        stop: Option<StopReason>,
    },
    /// The pool was started without a portal.
    #[error("this pool has no portal: set base_url to submit orders")]
    NoSite,
    /// The journal could not be written. The pool stops.
    #[error("the orders could not be written to the journal: {source}")]
    Journal {
        /// What the journal says.
        #[from]
        source: JournalError,
    },
}

/// A session could not be borrowed, or is gone.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AcquireError {
    /// The pool drains or is closed.
    #[error("no session can be borrowed: the pool is shutting down")]
    Closed,
    /// No session was free within the given time.
    #[error("no session was free within {}", humantime::format_duration(*.0))]
    TimedOut(Duration),
    /// The session was lent for longer than `task_timeout`, or its browser ended.
    #[error("the borrowed session is gone: its time was up, or its browser ended")]
    Gone,
}

/// A wait ended before that which was waited for. Nothing changed in the pool: the same wait may be repeated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The time given for one order is over. The order is still open and goes on.
    #[error("{po} has no outcome after {}", humantime::format_duration(*.limit))]
    OrderTimedOut {
        /// Which order.
        po: PoNumber,
        /// The time that was given.
        limit: Duration,
    },
    /// The pool stopped before the order had an outcome. The order stays open: a resumed run, or another pool, fetches it.
    #[error("{po} has no outcome: the pool stopped first")]
    OrderNotDone {
        /// Which order.
        po: PoNumber,
    },
    /// The time given for all orders is over. Those without an outcome go on.
    #[error("{} after {}", open_orders(*.open), humantime::format_duration(*.limit))]
    CompletionTimedOut {
        /// How many orders have no outcome.
        open: u64,
        /// The time that was given.
        limit: Duration,
    },
    /// The pool stopped before all orders had an outcome. Those without one stay open.
    #[error("{}: {}", open_orders(*.open), reason(.stop.as_ref()))]
    Stopped {
        /// How many orders have no outcome.
        open: u64,
        /// Why the pool stopped; `None` when it was dropped or broke down.
        stop: Option<StopReason>,
    },
    /// The pool stopped before a session was ready.
    #[error("no session became ready: {}", reason(.stop.as_ref()))]
    NotReady {
        /// Why the pool stopped; `None` when it was dropped or broke down.
        stop: Option<StopReason>,
    },
}

/// `1 order has no outcome`, `2 orders have no outcome`.
fn open_orders(count: u64) -> String {
    match count {
        1 => "1 order has no outcome".to_owned(),
        count => format!("{count} orders have no outcome"),
    }
}

fn reason(stop: Option<&StopReason>) -> String {
    stop.map_or_else(|| "the pool ended unexpectedly".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StopKind;

    #[test]
    fn an_error_of_a_wait_says_which_wait_it_was_and_counts_agree() {
        let limit = Duration::from_secs(90);
        let po = "PO7".parse().unwrap();
        let told = |error: WaitError| error.to_string();
        assert_eq!(told(WaitError::OrderTimedOut { po, limit }), "PO7 has no outcome after 1m 30s");
        assert_eq!(told(WaitError::CompletionTimedOut { open: 1, limit }), "1 order has no outcome after 1m 30s");
        let stop = Some(StopReason { kind: StopKind::Requested, message: "the run was stopped".to_owned() });
        assert_eq!(told(WaitError::Stopped { open: 2, stop }), "2 orders have no outcome: the run was stopped");
        assert_eq!(told(WaitError::NotReady { stop: None }), "no session became ready: the pool ended unexpectedly");
    }
}
