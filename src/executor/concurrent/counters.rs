//! What an executor counts. Each count that goes up with a guard comes down with it, however its owner ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::executor::result::TaskError;

/// An executor at one moment, and what it has done. Each job that was submitted is waiting or running, or is in exactly one
/// of the totals `succeeded`, `failed`, `timed_out`, `cancelled` and `refused`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecutorStatus {
    /// How many jobs may run at a time.
    pub max_concurrent: usize,
    /// How many hold a permit now: they run, or what they started is being ended.
    pub running: usize,
    /// How many wait for their turn, or for room on the machine.
    pub waiting: usize,
    /// Threads that are busy with closures whose time was up.
    pub abandoned: usize,
    /// How many jobs were submitted.
    pub submitted: u64,
    /// How many did what they were to do.
    pub succeeded: u64,
    /// How many failed, panicked or did not start.
    pub failed: u64,
    /// How many ran out of time.
    pub timed_out: u64,
    /// How many were cancelled, or dropped by their caller.
    pub cancelled: u64,
    /// How many were not started: no room, too many abandoned threads, or the executor closed.
    pub refused: u64,
    /// Whether the executor has been closed.
    pub is_closed: bool,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) running: AtomicUsize,
    pub(super) waiting: AtomicUsize,
    pub(super) abandoned: AtomicUsize,
    pub(super) submitted: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
    timed_out: AtomicU64,
    cancelled: AtomicU64,
    refused: AtomicU64,
    /// A job no longer runs.
    pub(super) ended: Notify,
}

impl Counters {
    pub(super) fn status(&self, max_concurrent: usize, is_closed: bool) -> ExecutorStatus {
        let total = |count: &AtomicU64| count.load(Ordering::Acquire);
        ExecutorStatus {
            max_concurrent,
            running: self.running.load(Ordering::Acquire),
            waiting: self.waiting.load(Ordering::Acquire),
            abandoned: self.abandoned.load(Ordering::Acquire),
            submitted: total(&self.submitted),
            succeeded: total(&self.succeeded),
            failed: total(&self.failed),
            timed_out: total(&self.timed_out),
            cancelled: total(&self.cancelled),
            refused: total(&self.refused),
            is_closed,
        }
    }

    fn tally(&self, error: Option<&TaskError>) {
        let total = match error {
            None => &self.succeeded,
            Some(
                TaskError::Failed(_) | TaskError::Panicked(_) | TaskError::Exited { .. } | TaskError::NotStarted { .. },
            ) => &self.failed,
            Some(TaskError::TimedOut { .. }) => &self.timed_out,
            Some(TaskError::Cancelled | TaskError::NoRuntime) => &self.cancelled,
            Some(TaskError::Overloaded(_) | TaskError::Exhausted { .. } | TaskError::Closed) => &self.refused,
        };
        total.fetch_add(1, Ordering::AcqRel);
    }
}

/// One submitted job, waiting until it is concluded: dropped before that, it was cancelled.
pub(super) struct Submitted {
    counters: Arc<Counters>,
    is_waiting: bool,
    is_concluded: bool,
}

impl Submitted {
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        counters.submitted.fetch_add(1, Ordering::AcqRel);
        counters.waiting.fetch_add(1, Ordering::AcqRel);
        Self { counters, is_waiting: true, is_concluded: false }
    }

    /// Its turn has come.
    pub(super) fn start(&mut self, permit: OwnedSemaphorePermit) -> Running {
        self.counters.running.fetch_add(1, Ordering::AcqRel);
        self.stop_waiting();
        Running { counters: self.counters.clone(), _permit: permit }
    }

    pub(super) fn conclude(mut self, error: Option<&TaskError>) {
        self.is_concluded = true;
        self.counters.tally(error);
    }

    fn stop_waiting(&mut self) {
        if std::mem::replace(&mut self.is_waiting, false) {
            self.counters.waiting.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Drop for Submitted {
    fn drop(&mut self) {
        self.stop_waiting();
        if !self.is_concluded {
            self.counters.tally(Some(&TaskError::Cancelled));
        }
    }
}

/// The permit of a running job.
pub(super) struct Running {
    counters: Arc<Counters>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.counters.running.fetch_sub(1, Ordering::AcqRel);
        self.counters.ended.notify_waiters();
    }
}
