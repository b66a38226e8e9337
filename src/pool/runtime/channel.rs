//! The channel between workers and the dispatcher: events up, work down.
//!
//! One queue carries all events, so that the words of one worker arrive in the order in which they were said.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::backend::{Attempt, InterimReceipt, KillSwitch};
use crate::model::{AttemptEnd, Failure, FailureKind, WorkerId};
use crate::policy::RecycleReason;
use crate::pool::pooled_session::PooledSession;
use crate::pool::scheduler::{Input, LeaseId, SessionOpened};

/// What a part of the engine tells the dispatcher: an input of the scheduler, with the handles that belong to it.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most events are inputs, and few are under way at once")]
pub(crate) enum Event {
    Input(Input),
    /// A worker is free and waits for the reply.
    WorkRequested {
        worker: WorkerId,
        attempt_count: u32,
        median_page_time: Option<Duration>,
        reply: oneshot::Sender<Work>,
    },
    SessionOpened {
        worker: WorkerId,
        opened: SessionOpened,
        kill: KillSwitch,
        /// Set by whoever uses `kill` to free memory.
        is_evicted: Arc<AtomicBool>,
    },
}

/// The sending side of the event queue. It is unbounded, so that a lease that is dropped can report without waiting. It
/// stays short: a worker sends a few events per session and then waits for work, the sampler sends one per interval, and
/// the dispatcher takes all that are ready in each turn. It grows only while the journal is slow, which has a deadline.
#[derive(Clone, Debug)]
pub(crate) struct Events(async_channel::Sender<Event>);

impl Events {
    pub(crate) fn channel() -> (Self, async_channel::Receiver<Event>) {
        let (sender, receiver) = async_channel::unbounded();
        (Self(sender), receiver)
    }

    /// Tells the dispatcher. One that is gone needs no more events.
    pub(crate) fn send(&self, event: Event) {
        let _ = self.0.try_send(event);
    }

    pub(crate) fn input(&self, input: Input) {
        self.send(Event::Input(input));
    }
}

/// What a worker is to do next: an assignment of the scheduler, with the handles that belong to it.
#[derive(Debug)]
pub(crate) enum Work {
    /// Make one attempt at one order.
    Run(Lease),
    /// Lend the session to whoever waits for it.
    Lend(oneshot::Sender<PooledSession>, LeaseGuard),
    /// Open the next session, and go on with this one meanwhile.
    RecycleAhead(RecycleReason),
    /// Close the session; another one follows.
    Recycle(RecycleReason),
    /// Close the session and end.
    Retire,
}

/// The right to work on one order, held by one worker. [`Lease::end`] uses it up; dropping it means that the worker
/// crashed.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) attempt: Attempt,
    guard: LeaseGuard,
}

impl Lease {
    pub(crate) fn new(attempt: Attempt, guard: LeaseGuard) -> Self {
        Self { attempt, guard }
    }

    /// Reports how the attempt ended; `retry_after` is the time after which the site wants to be asked again.
    pub(crate) fn end(self, end: AttemptEnd, retry_after: Option<Duration>) {
        self.guard.end(end, retry_after);
    }
}

/// Reports the end of a lease exactly once: the end that it is given, or a crash when it is dropped.
#[derive(Debug)]
pub(crate) struct LeaseGuard {
    lease: LeaseId,
    /// None once the end is reported.
    events: Option<Events>,
    /// What the attempt has brought so far.
    interim: InterimReceipt,
}

impl LeaseGuard {
    pub(crate) fn new(lease: LeaseId, events: Events, interim: InterimReceipt) -> Self {
        Self { lease, events: Some(events), interim }
    }

    pub(crate) fn end(mut self, end: AttemptEnd, retry_after: Option<Duration>) {
        self.report(end, retry_after);
    }

    fn report(&mut self, end: AttemptEnd, retry_after: Option<Duration>) {
        if let Some(events) = self.events.take() {
            events.input(Input::LeaseEnded { lease: self.lease, end, retry_after });
        }
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        let crashed = Failure::new(FailureKind::Crashed, "the worker crashed during the attempt");
        self.report(AttemptEnd::Failed(crashed, self.interim.get()), None);
    }
}
