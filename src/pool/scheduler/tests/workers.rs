//! The workers of a world: they start, open sessions, ask for work, crash and close.

use std::time::Duration;

use super::world::World;
use crate::model::{AttemptEnd, Failure, FailureKind, Stage, WorkerId};
use crate::pool::scheduler::{
    CallId, DesiredState, Input, LeaseId, SessionOpened, WorkRequest, WorkerExit, WorkerExited,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Worker {
    pub(super) at: WorkerAt,
    /// Its next session is being opened.
    pub(super) is_opening_next: bool,
    pub(super) attempt_count: u32,
    /// It was told to retire, and does not come back.
    pub(super) is_retiring: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkerAt {
    Starting,
    Idle,
    Waiting(CallId),
    Working(LeaseId),
    Closing,
}

impl Worker {
    fn starting() -> Self {
        Self { at: WorkerAt::Starting, is_opening_next: false, attempt_count: 0, is_retiring: false }
    }
}

impl World {
    pub(super) fn start_worker(&mut self) {
        let DesiredState { stage, target, most } = self.scheduler.desired_state();
        let wanted = target.min(most.saturating_sub(self.given_up.len()));
        let free = (1..=9).map(WorkerId).find(|id| !self.workers.contains_key(id) && !self.given_up.contains(id));
        if let Some(id) = free.filter(|_| stage < Stage::Draining && self.workers.len() < wanted) {
            self.workers.insert(id, Worker::starting());
            self.step(Input::WorkerStarting(id));
        }
    }

    pub(super) fn open(&mut self, which: usize) {
        if let Some(id) = self.choose(which, |worker| worker.at == WorkerAt::Starting) {
            self.worker(id).at = WorkerAt::Idle;
            self.step(Input::SessionOpened(id, SessionOpened { pid: Some(u32::from(id.0)), is_handover: false }));
        }
    }

    pub(super) fn ask(&mut self, which: usize) {
        let Some(id) = self.choose(which, |worker| worker.at == WorkerAt::Idle) else { return };
        let call = CallId(self.next_id());
        self.worker(id).at = WorkerAt::Waiting(call);
        let attempt_count = self.worker(id).attempt_count;
        self.step(Input::WorkRequested(WorkRequest { call, worker: id, attempt_count, median_page_time: None }));
    }

    pub(super) fn lose_free(&mut self, which: usize, is_told: bool) {
        let Some(id) = self.choose(which, |worker| matches!(worker.at, WorkerAt::Waiting(_))) else { return };
        if let WorkerAt::Waiting(call) = self.worker(id).at {
            self.worker(id).at = WorkerAt::Closing;
            if is_told {
                self.step(Input::WorkWithdrawn(call));
            } else {
                self.lost.insert(call);
            }
            self.step(Input::WorkerClosing(id));
        }
    }

    pub(super) fn end_lease(&mut self, which: usize, end: AttemptEnd, retry_after: Option<Duration>) {
        let Some(lease) = nth(self.leases.keys(), which).copied() else { return };
        let Some((id, _)) = self.leases.remove(&lease) else { return };
        self.checker.lease_ended(lease);
        self.last_ended = Some(lease);
        let worker = self.worker(id);
        worker.at = WorkerAt::Idle;
        worker.attempt_count += 1;
        self.step(Input::LeaseEnded { lease, end, retry_after });
    }

    pub(super) fn crash(&mut self, which: usize) {
        let Some(lease) = nth(self.leases.keys(), which).copied() else { return };
        let Some((id, _)) = self.leases.remove(&lease) else { return };
        self.checker.lease_ended(lease);
        self.last_ended = Some(lease);
        let end = AttemptEnd::Failed(Failure::new(FailureKind::Crashed, "crashed"), None);
        self.step(Input::LeaseEnded { lease, end, retry_after: None });
        self.worker(id).at = WorkerAt::Closing;
    }

    pub(super) fn exit(&mut self, which: usize, exit: WorkerExit) {
        let Some(id) = self.choose(which, |worker| worker.at == WorkerAt::Closing) else { return };
        let is_over = self.scheduler.desired_state().stage >= Stage::Draining;
        let is_last = is_over || self.worker(id).is_retiring;
        let exit = if is_last && exit != WorkerExit::GivenUp { WorkerExit::Retired } else { exit };
        match exit {
            WorkerExit::Retired | WorkerExit::GivenUp => _ = self.workers.remove(&id),
            WorkerExit::Recycled | WorkerExit::Replaced => {
                *self.worker(id) = Worker::starting();
            }
        }
        if exit == WorkerExit::GivenUp {
            self.given_up.insert(id);
        }
        self.step(Input::WorkerExited(id, WorkerExited { exit, error: None }));
        if self.workers.contains_key(&id) {
            self.step(Input::WorkerStarting(id));
        }
    }

    pub(super) fn hand_over(&mut self, which: usize) {
        let opening = self.choose(which, |worker| {
            worker.is_opening_next && matches!(worker.at, WorkerAt::Idle | WorkerAt::Waiting(_))
        });
        if let Some(id) = opening {
            self.worker(id).is_opening_next = false;
            self.worker(id).attempt_count = 0;
            self.step(Input::SessionOpened(id, SessionOpened { pid: None, is_handover: true }));
        }
    }

    fn choose(&self, which: usize, is_meant: impl Fn(&Worker) -> bool) -> Option<WorkerId> {
        let meant: Vec<_> = self.workers.iter().filter(|(_, worker)| is_meant(worker)).map(|(id, _)| *id).collect();
        nth(meant.iter(), which).copied()
    }

    pub(super) fn worker(&mut self, id: WorkerId) -> &mut Worker {
        self.workers.get_mut(&id).unwrap()
    }
}

/// One of them, by a number of any size.
fn nth<T>(mut all: impl ExactSizeIterator<Item = T>, which: usize) -> Option<T> {
    let count = all.len();
    if count == 0 { None } else { all.nth(which % count) }
}
