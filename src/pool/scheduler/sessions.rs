//! Who gets what to do: free workers and their sessions, workers that come and go.

use std::time::Duration;

use super::Scheduler;
use super::capacity::{Capacity, Recycling};
use super::messages::{Assignment, AttemptSpec, Effect, Response, WorkerExited};
use super::workers::NewLease;
use crate::model::{AttemptNo, Entry, Stage, StopKind, StopReason, WorkerId};
use crate::policy::{Isolation, RecycleReason, isolation};

impl Scheduler {
    /// Gives every free worker what there is to do for it. Workers that retire or recycle their session come first, then
    /// borrowers, then orders. What concerns a whole session waits until its last order has ended.
    pub(super) fn assign(&mut self, now: Duration) {
        self.workers.release_held();
        if self.lifecycle.stage() >= Stage::Draining {
            for call in self.workers.retire_empty() {
                self.perform(Effect::Assign(call, Assignment::Retire));
            }
            for request in self.workers.dismiss_borrowers() {
                self.perform(Effect::Reply(request, Response::NoSession));
            }
            self.capacity.take_eviction();
        } else {
            self.retire_surplus();
            if self.capacity.take_eviction() {
                self.evict(now);
            }
            self.recycle_worn(now);
            self.lend();
            self.prepare_for_suspect();
            self.start_orders(now);
            self.fit_capacity(now);
        }
        self.capacity.note_wanted();
    }

    /// Retires free workers that are too many. While memory is short and there is work for everybody, the largest workers
    /// are chosen, and retire after their orders.
    fn retire_surplus(&mut self) {
        let surplus = self.workers.live_count().saturating_sub(self.desired_state().target);
        let is_only_marked =
            self.capacity.is_memory_short() && self.tasks.placement().is_any_queued() && self.lifecycle.is_running();
        self.workers.mark_largest(if is_only_marked { surplus } else { 0 });
        for call in self.workers.retire(surplus, is_only_marked) {
            self.perform(Effect::Assign(call, Assignment::Retire));
        }
    }

    /// Ends the browser that holds most memory, whatever it is doing: memory is critical. Its orders are repeated at no
    /// cost.
    fn evict(&mut self, now: Duration) {
        let is_surplus = self.workers.live_count() > self.desired_state().target;
        let may_go = |usage: &_| Capacity::is_worth_evicting(usage, is_surplus);
        let Some(worker) = self.workers.largest(now, may_go) else { return };
        if self.workers.is_empty(worker) {
            return self.recycle(worker, Recycling { reason: RecycleReason::Memory, is_ahead: false });
        }
        for (lease, task) in self.workers.evict(worker) {
            if self.tasks.evict(task) {
                self.workers.mark_evicted(lease);
            }
        }
        self.perform(Effect::Evict(worker));
    }

    /// Has worn sessions of free workers replaced.
    fn recycle_worn(&mut self, now: Duration) {
        for free in self.workers.free_workers(now) {
            match self.capacity.recycling(&free.usage) {
                Some(recycling) if free.is_empty || recycling.is_ahead => self.recycle(free.worker, recycling),
                Some(_) => self.workers.hold_back(free.worker),
                None => {}
            }
        }
    }

    pub(super) fn recycle(&mut self, worker: WorkerId, Recycling { reason, is_ahead }: Recycling) {
        let Some(call) = self.workers.recycle(worker, is_ahead) else { return };
        let assignment = if is_ahead {
            self.capacity.begin_handover(worker);
            Assignment::RecycleAhead(reason)
        } else {
            Assignment::Recycle(reason)
        };
        self.perform(Effect::Assign(call, assignment));
    }

    fn lend(&mut self) {
        if self.admission.is_paused() {
            return;
        }
        while let Some((granted, request)) = self.workers.lend() {
            self.perform(Effect::Assign(granted.call, Assignment::Lend(granted.lease, request)));
        }
        self.workers.hold_for_borrowers();
    }

    fn start_orders(&mut self, now: Duration) {
        while self.workers.is_any_free() {
            let Some(start) = self.admission.start(now, self.workers.in_work()) else { return };
            let Some(task) = self.take_next(now) else { return };
            let Some(state) = self.tasks.state(task) else { return };
            let (order, no) = (state.order().clone(), AttemptNo(state.counts().started + 1));
            let have = state.receipt().map_or_else(Vec::new, |receipt| receipt.files.clone());
            let new = NewLease { task, po: order.po.clone(), is_trial: start.is_trial };
            // the canary has the pool for itself as long as it has not passed, in whatever session there is
            let isolation = if self.canary.is_some() { Isolation::None } else { isolation(state.counts()) };
            let granted = match isolation {
                Isolation::None => self.workers.lease(new),
                Isolation::Browser => self.workers.lease_alone(new, false),
                Isolation::Pool => self.workers.lease_alone(new, true),
            };
            let Some(granted) = granted else { return };
            if start.is_trial {
                self.admission.started_trial();
            }
            let worker = granted.worker;
            self.emit(now, Entry::Started { task, attempt: no, worker });
            let is_alone = isolation != Isolation::None;
            let attempt = Box::new(AttemptSpec { task, order, no, worker, have, is_alone });
            self.perform(Effect::Assign(granted.call, Assignment::Run(granted.lease, attempt)));
        }
    }

    fn fit_capacity(&mut self, now: Duration) {
        let totals = self.tasks.totals();
        let open = usize::try_from(totals.pending + totals.running).unwrap_or(usize::MAX);
        let wanting = open.saturating_add(self.workers.borrower_count());
        let (idle, has_room) = (self.workers.empty_count(), self.workers.is_any_free());
        self.capacity.fit(now, wanting, self.tasks.settled_here(), idle, has_room);
    }

    pub(super) fn worker_exited(&mut self, now: Duration, worker: WorkerId, exited: WorkerExited) {
        self.capacity.end_handover(worker);
        self.workers.exited(worker, &exited);
        let is_nobody_left = self.workers.given_up_count() >= self.capacity.most_wanted().max(self.workers.count());
        if is_nobody_left && self.lifecycle.is_running() {
            let message = exited.error.unwrap_or_else(|| "no browser could be started".to_owned());
            self.drain(now, StopReason { kind: StopKind::NoWorkers, message });
        }
    }
}
