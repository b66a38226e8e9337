//! The workers of a world: they start, open sessions, ask for work, crash and close.

use std::time::Duration;

use super::world::World;
use crate::model::{AttemptEnd, Failure, FailureKind, Stage, WorkerId};
use crate::pool::scheduler::{
    CallId, DesiredState, Input, LeaseId, SessionOpened, WorkRequest, WorkerExit, WorkerExited,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Worker {
    pub(super) at: WorkerAt,
    /// Its requests that were not answered yet.
    pub(super) calls: Vec<CallId>,
    /// What it has in work.
    pub(super) leases: Vec<LeaseId>,
    pub(super) is_lent: bool,
    /// Its next session is being opened.
    pub(super) is_opening_next: bool,
    pub(super) attempt_count: u32,
    /// It closes as soon as it has nothing in work.
    pub(super) is_leaving: bool,
    /// It was told to retire, and does not come back.
    pub(super) is_retiring: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkerAt {
    Starting,
    Open,
    Closing,
}

impl Worker {
    fn starting() -> Self {
        Self {
            at: WorkerAt::Starting,
            calls: Vec::new(),
            leases: Vec::new(),
            is_lent: false,
            is_opening_next: false,
            attempt_count: 0,
            is_leaving: false,
            is_retiring: false,
        }
    }

    /// Closes if it is to close and has nothing in work.
    pub(super) fn settle(&mut self) {
        if self.is_leaving && self.leases.is_empty() {
            self.at = WorkerAt::Closing;
        }
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
            self.worker(id).at = WorkerAt::Open;
            self.step(Input::SessionOpened(id, SessionOpened { pid: Some(u32::from(id.0)), is_handover: false }));
        }
    }

    pub(super) fn ask(&mut self, which: usize) {
        let slots = self.slots;
        let may_ask = |worker: &Worker| {
            let is_taken = worker.is_lent || worker.is_leaving || worker.at != WorkerAt::Open;
            !is_taken && worker.calls.len() + worker.leases.len() < slots
        };
        let Some(id) = self.choose(which, may_ask) else { return };
        let call = CallId(self.next_id());
        self.worker(id).calls.push(call);
        self.checker.sessions.asked(call, id);
        let attempt_count = self.worker(id).attempt_count;
        self.step(Input::WorkRequested(WorkRequest { call, worker: id, attempt_count, median_page_time: None }));
    }

    /// The session of a worker ends that has nothing in work.
    pub(super) fn lose_free(&mut self, which: usize, is_told: bool) {
        let is_meant = |worker: &Worker| !worker.calls.is_empty() && worker.leases.is_empty();
        let Some(id) = self.choose(which, is_meant) else { return };
        self.worker(id).at = WorkerAt::Closing;
        self.lose_calls(id, is_told);
        self.step(Input::WorkerClosing(id));
    }

    /// The session of a worker is killed: it closes when what it has in work has ended.
    pub(super) fn kill(&mut self, id: WorkerId) {
        if self.workers.get(&id).is_some_and(|worker| worker.at == WorkerAt::Open) {
            self.lose_calls(id, false);
            self.worker(id).is_leaving = true;
            self.worker(id).settle();
        }
    }

    fn lose_calls(&mut self, id: WorkerId, is_told: bool) {
        for call in std::mem::take(&mut self.worker(id).calls) {
            if is_told {
                self.step(Input::WorkWithdrawn(call));
            } else {
                self.lost.insert(call);
            }
        }
    }

    pub(super) fn end_lease(&mut self, which: usize, end: AttemptEnd, retry_after: Option<Duration>) {
        let Some(lease) = nth(self.leases.keys(), which).copied() else { return };
        let Some((id, _)) = self.leases.remove(&lease) else { return };
        self.checker.lease_ended(lease, &end);
        self.last_ended = Some(lease);
        let worker = self.worker(id);
        worker.leases.retain(|held| *held != lease);
        worker.is_lent = false;
        worker.attempt_count += 1;
        worker.settle();
        self.step(Input::LeaseEnded { lease, end, retry_after });
    }

    /// A worker crashes, with all that it has in work.
    pub(super) fn crash(&mut self, which: usize) {
        let Some(lease) = nth(self.leases.keys(), which).copied() else { return };
        let Some((id, _)) = self.leases.get(&lease).copied() else { return };
        self.lose_calls(id, false);
        for lease in std::mem::take(&mut self.worker(id).leases) {
            self.leases.remove(&lease);
            self.last_ended = Some(lease);
            let end = AttemptEnd::Failed(Failure::new(FailureKind::Crashed, "crashed"), None);
            self.checker.lease_ended(lease, &end);
            self.step(Input::LeaseEnded { lease, end, retry_after: None });
        }
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
            worker.is_opening_next && worker.at == WorkerAt::Open && worker.leases.is_empty() && !worker.is_leaving
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
