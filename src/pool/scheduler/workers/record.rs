//! What is known of one worker.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::messages::{CallId, LeaseId, WorkerExit, WorkerExited};
use crate::model::{WorkerId, WorkerState, WorkerStatus};
use crate::policy::SessionUsage;

/// Where a worker stands among those that could take an order on: by the number of orders that it has in work, and then by
/// the number of its oldest request.
pub(super) type FreePlace = (usize, u64, WorkerId);

#[derive(Clone, Debug)]
pub(super) struct WorkerRecord {
    pub(super) status: WorkerStatus,
    pub(super) session: SessionState,
    pub(super) opened_at: Duration,
    /// Attempts that its session has made.
    pub(super) attempt_count: u32,
    /// Median load time of the session's last pages.
    pub(super) median_page_time: Option<Duration>,
    /// The page time of its new session is known.
    pub(super) has_page_time: bool,
    /// Its requests for work with their numbers, the oldest first: one for each order that it could take on.
    pub(super) calls: VecDeque<(u64, CallId)>,
    /// What it has in work, the oldest first.
    pub(super) leases: Vec<LeaseId>,
    /// It gets nothing beside what it has in work.
    pub(super) is_isolated: bool,
    /// Its next session is being opened while this one works.
    pub(super) is_opening_next: bool,
    /// It retires after its orders.
    pub(super) retires_next: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionState {
    /// None is open yet, or it has ended.
    None,
    Live,
    /// It was told to close, or killed.
    Leaving,
}

impl WorkerRecord {
    pub(super) fn starting() -> Self {
        let status = WorkerStatus {
            status: WorkerState::Starting,
            po: Vec::new(),
            pid: None,
            attempt_count: 0,
            restart_count: 0,
            recycle_count: 0,
            memory_bytes: None,
            last_error: None,
        };
        Self {
            status,
            session: SessionState::None,
            opened_at: Duration::ZERO,
            attempt_count: 0,
            median_page_time: None,
            has_page_time: false,
            calls: VecDeque::new(),
            leases: Vec::new(),
            is_isolated: false,
            is_opening_next: false,
            retires_next: false,
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.session == SessionState::Live
    }

    /// Whether nothing was ever done in its session.
    pub(super) fn is_fresh(&self) -> bool {
        self.attempt_count == 0 && self.leases.is_empty()
    }

    /// Its place among those that could take an order on, if it is one of them.
    pub(super) fn free_place(&self, worker: WorkerId) -> Option<FreePlace> {
        let (number, _) = self.calls.front()?;
        let may_take_on = !self.is_isolated && self.session != SessionState::Leaving;
        may_take_on.then_some((self.leases.len(), *number, worker))
    }

    /// Its session has ended. What it held ends by itself.
    pub(super) fn exited(&mut self, exited: &WorkerExited) {
        self.calls.clear(); // or an order would be given to nobody
        self.session = SessionState::None;
        self.is_opening_next = false;
        self.retires_next = false;
        let status = &mut self.status;
        (status.pid, status.memory_bytes) = (None, None);
        status.po.clear();
        if exited.error.is_some() {
            status.last_error.clone_from(&exited.error);
        }
        match exited.exit {
            WorkerExit::Retired => {}
            WorkerExit::Recycled => {
                status.status = WorkerState::Starting;
                status.recycle_count += 1;
            }
            WorkerExit::Replaced => {
                status.status = WorkerState::Starting;
                status.restart_count += 1;
            }
            WorkerExit::GivenUp => status.status = WorkerState::Failed,
        }
    }
}

pub(super) fn usage(now: Duration, record: &WorkerRecord) -> SessionUsage {
    SessionUsage {
        attempts: record.attempt_count,
        age: now.saturating_sub(record.opened_at),
        memory_bytes: record.status.memory_bytes,
        median_page_time: record.median_page_time,
    }
}
