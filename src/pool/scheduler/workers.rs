//! Who works: callers matched with orders and loans, and workers that come and go.

use std::sync::Arc;
use std::time::Duration;

use super::heart::{ActiveLease, Phase, Scheduler, WorkerRecord, index};
use crate::backend::Attempt;
use crate::model::{AttemptNo, Entry, Stage, StopKind, StopReason, TaskId, WorkerId, WorkerState, WorkerStatus};
use crate::policy::Permit;
use crate::pool::runtime::lease::{Assignment, Lease, LeaseGuard, LeaseId, WorkRequest};
use crate::pool::runtime::worker::{WorkerExit, WorkerExited};
use crate::pool::scheduler::messages::Effect;
use crate::pool::task_handle::TaskStatus;

impl Scheduler {
    pub(crate) fn called(&mut self, call: WorkRequest) {
        let record = self.workers.entry(call.worker).or_insert_with(WorkerRecord::starting);
        record.view.status = WorkerState::Idle;
        record.view.po = None;
        if let Some(time) = call.page_time.filter(|_| !record.has_told_pace) {
            record.has_told_pace = true;
            self.fresh_page_time = Some(time);
        }
        self.calls.push_back(call);
    }

    pub(crate) fn grant_loans(&mut self) {
        while !self.is_paused && !self.calls.is_empty() {
            let Some(request) = self.lends.pop_front() else { return };
            if request.reply.is_closed() {
                continue; // the borrower did not want to wait so long
            }
            let Some(call) = self.calls.pop_front() else { return };
            let guard = self.lease(call.worker, None, false);
            self.acts.push(Effect::Assignment(call, Assignment::Lend(request, guard)));
        }
    }

    /// Whether no further order may start beside those in work: the next end of one, or the next sample, makes the next
    /// turn.
    pub(crate) fn is_held_up(&self) -> bool {
        let in_work = self.leases.values().filter(|holder| holder.task.is_some()).count();
        (self.pace.is_reduced() && in_work >= self.pace.limit()) || (self.held_back.is_some() && in_work > 0)
    }

    pub(crate) fn grant_orders(&mut self, now: Duration) {
        while self.stage == Stage::Running && !self.is_paused && !self.calls.is_empty() {
            let is_probe = match self.gate.permit(now) {
                Permit::Allowed => false,
                Permit::Trial => true,
                Permit::Denied(_) => return,
            };
            if self.is_held_up() {
                return;
            }
            let Some(task) = self.queue.pop(now) else { return };
            let Some(call) = self.calls.pop_front() else { return };
            if is_probe {
                self.gate.on_trial();
            }
            let worker = call.worker;
            let guard = self.lease(worker, Some(task), is_probe);
            let Some(record) = self.records.get_mut(index(task)) else { continue };
            record.phase = Phase::Leased;
            record.tally.started += 1;
            let no = AttemptNo(record.tally.started);
            let (order, cell) = (record.order.clone(), Arc::clone(&record.cell));
            let have = record.receipt.as_ref().map_or_else(Vec::new, |receipt| receipt.files.clone());
            self.totals.pending -= 1;
            self.totals.running += 1;
            self.worker(worker).po = Some(order.po.clone());
            self.entries.push(Entry::Started { task, attempt: no, worker });
            self.acts.push(Effect::Tell(cell, TaskStatus::Running(worker)));
            let attempt = Attempt { task, order, no, worker, have, cancel: self.attempts.child_token() };
            self.acts.push(Effect::Assignment(call, Assignment::Run(Lease::new(attempt, guard))));
        }
    }

    pub(crate) fn lease(&mut self, worker: WorkerId, task: Option<TaskId>, is_probe: bool) -> LeaseGuard {
        self.next_lease += 1;
        let lease = LeaseId(self.next_lease);
        self.leases.insert(lease, ActiveLease { worker, task, is_probe, is_evicted: false });
        self.worker(worker).status = WorkerState::Busy;
        LeaseGuard::new(lease, self.heart.clone())
    }

    pub(crate) fn worker(&mut self, worker: WorkerId) -> &mut WorkerStatus {
        &mut self.workers.entry(worker).or_insert_with(WorkerRecord::starting).view
    }

    pub(crate) fn worker_gone(&mut self, now: Duration, worker: WorkerId, gone: WorkerExited) {
        if self.renewing == Some(worker) {
            self.renewing = None;
        }
        let Some(record) = self.workers.get_mut(&worker) else { return };
        record.kill = None;
        record.is_renewing = false;
        record.is_marked = false;
        record.view.pid = None;
        record.view.po = None;
        record.view.memory_bytes = None;
        if gone.error.is_some() {
            record.view.last_error.clone_from(&gone.error);
        }
        match gone.because {
            WorkerExit::Retired => {
                self.workers.remove(&worker);
            }
            WorkerExit::Recycled => {
                record.view.status = WorkerState::Starting;
                record.view.recycle_count += 1;
            }
            WorkerExit::Replaced => {
                record.view.status = WorkerState::Starting;
                record.view.restart_count += 1;
            }
            WorkerExit::TripCause => record.view.status = WorkerState::Failed,
        }
        let is_nobody_left = self.given_up_count() >= self.most_wanted.max(self.workers.len());
        if is_nobody_left && self.stage == Stage::Running {
            let message = gone.error.unwrap_or_else(|| "no browser could be started".to_owned());
            self.drain(now, StopReason { kind: StopKind::NoWorkers, message });
        }
    }
}
