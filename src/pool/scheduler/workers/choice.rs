//! Which worker is chosen: for an order, to be lent, to be recycled, to retire, to be emptied.

use std::cmp::Reverse;
use std::time::Duration;

use super::super::messages::CallId;
use super::record::{WorkerRecord, usage};
use super::{FreePlace, WorkerTable};
use crate::model::WorkerId;
use crate::policy::SessionUsage;

/// A worker that could take an order on, with what its session has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FreeWorker {
    pub(crate) worker: WorkerId,
    pub(crate) usage: SessionUsage,
    /// Nothing is in work in its session.
    pub(crate) is_empty: bool,
}

impl WorkerTable {
    /// A turn begins: nobody is held back any more.
    pub(crate) fn release_held(&mut self) {
        self.held_back.clear();
        self.is_emptying = false;
    }

    /// Holds a worker back: it gets no further order in this turn.
    pub(crate) fn hold_back(&mut self, worker: WorkerId) {
        self.held_back.insert(worker);
    }

    /// Has a session emptied for an order that must be alone in one: the worker with the fewest orders in work gets no
    /// further ones. One at a time: the other sessions go on.
    pub(crate) fn empty_one(&mut self) {
        if !self.is_emptying
            && let Some(worker) = self.first_free()
        {
            self.hold_back(worker);
            self.is_emptying = true;
        }
    }

    /// Holds as many workers back as borrow sessions, those with the fewest orders in work.
    pub(crate) fn hold_for_borrowers(&mut self) {
        for _ in 0..self.borrowers.len() {
            let Some(worker) = self.first_free() else { return };
            self.hold_back(worker);
        }
    }

    /// Requests of up to `surplus` workers, who are told to retire: first those that retire next, then those that hold most
    /// memory. Of workers with orders in work as many are held back. `is_only_marked` spares those that do not retire next.
    pub(crate) fn retire(&mut self, surplus: usize, is_only_marked: bool) -> Vec<CallId> {
        if surplus == 0 {
            return Vec::new();
        }
        let mut leaving: Vec<_> = self
            .free()
            .filter_map(|(leases, number, worker)| {
                let record = self.records.get(&worker)?;
                let order = (Reverse(leases), record.retires_next, record.status.memory_bytes, number);
                (record.retires_next || !is_only_marked).then_some((order, worker))
            })
            .collect();
        leaving.sort_unstable_by(|one, other| other.cmp(one));
        let mut calls = Vec::new();
        for ((Reverse(leases), ..), worker) in leaving.into_iter().take(surplus) {
            if leases == 0 {
                calls.extend(self.dismiss(worker));
            } else {
                self.hold_back(worker);
            }
        }
        calls
    }

    /// Lets the `count` workers that hold most memory retire after their orders, and no others. Those that were chosen
    /// before are chosen first.
    pub(crate) fn mark_largest(&mut self, count: usize) {
        if count == 0 {
            self.records.values_mut().for_each(|record| record.retires_next = false);
            return;
        }
        let mut live: Vec<_> = self.records.values_mut().filter(|record| record.is_live()).collect();
        live.sort_by_key(|record| Reverse((record.retires_next, record.status.memory_bytes)));
        for (place, record) in live.into_iter().enumerate() {
            record.retires_next = place < count;
        }
    }

    /// The live session that holds most memory among those for which `may_go`, given its usage.
    pub(crate) fn largest(&self, now: Duration, may_go: impl Fn(&SessionUsage) -> bool) -> Option<WorkerId> {
        let live = self.records.iter().filter(|(_, record)| record.is_live());
        let candidates = live.filter(|(_, record)| may_go(&usage(now, record)));
        candidates.max_by_key(|(_, record)| record.status.memory_bytes).map(|(worker, _)| *worker)
    }

    /// Workers that could take an order on, but for those whose next session is being opened.
    pub(crate) fn free_workers(&self, now: Duration) -> Vec<FreeWorker> {
        let known = self.free().filter_map(|(leases, _, worker)| Some((leases, worker, self.records.get(&worker)?)));
        known
            .filter(|(_, _, record)| !record.is_opening_next)
            .map(|(leases, worker, record)| FreeWorker { worker, usage: usage(now, record), is_empty: leases == 0 })
            .collect()
    }

    /// Whether the worker waits for work and has nothing in work.
    pub(crate) fn is_empty(&self, worker: WorkerId) -> bool {
        self.empty().any(|empty| empty == worker)
    }

    /// Whether a worker could take an order on beside those that it has in work.
    pub(crate) fn is_any_free(&self) -> bool {
        self.first_free().is_some()
    }

    /// Whether a worker could take an order on that must be alone in its session.
    pub(crate) fn is_any_empty(&self) -> bool {
        self.first_empty().is_some()
    }

    /// Whether a worker without an order has a session that has done nothing yet.
    pub(crate) fn has_fresh(&self) -> bool {
        self.first_fresh().is_some()
    }

    /// How many workers wait for work and have nothing in work.
    pub(crate) fn empty_count(&self) -> usize {
        self.empty().count()
    }

    /// Whether every worker has nothing in work, apart from those whose session is lent.
    pub(crate) fn are_all_empty(&self) -> bool {
        self.empty_count() + self.lent_count + self.given_up_count() == self.records.len()
    }

    /// The worker with the fewest orders in work, and of these the one that has waited longest.
    pub(super) fn first_free(&self) -> Option<WorkerId> {
        self.free().map(|(.., worker)| worker).next()
    }

    /// The worker without orders in work that has waited longest.
    pub(crate) fn first_empty(&self) -> Option<WorkerId> {
        self.empty().next()
    }

    /// The worker that has waited longest among those whose session has done nothing yet.
    pub(super) fn first_fresh(&self) -> Option<WorkerId> {
        self.empty().find(|worker| self.records.get(worker).is_some_and(WorkerRecord::is_fresh))
    }

    fn empty(&self) -> impl Iterator<Item = WorkerId> {
        self.free().take_while(|(leases, ..)| *leases == 0).map(|(.., worker)| worker)
    }

    fn free(&self) -> impl Iterator<Item = FreePlace> {
        self.free.iter().copied().filter(|(.., worker)| !self.held_back.contains(worker))
    }
}
