//! Workers, their requests for work, and the leases that they hold.
//!
//! A worker asks once for each order that it could take on beside those in work. What concerns its whole session (to close
//! it, to lend it, to give it an order that must be alone) waits until no order is in work there: meanwhile the session is
//! held back, which means that it gets no further order. Which ones are held back is decided anew in each turn.

mod choice;
mod record;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use self::record::{FreePlace, SessionState, WorkerRecord};
use super::messages::{CallId, LeaseId, RequestId, SessionOpened, WorkRequest, WorkerExit, WorkerExited};
use crate::model::{MemoryReading, PoNumber, TaskId, WorkerId, WorkerState, WorkerStatus};

/// Workers with their sessions, the requests of free ones, borrowers that wait for a session, and leases.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkerTable {
    records: BTreeMap<WorkerId, WorkerRecord>,
    /// Workers that could take an order on: those with the fewest orders in work first, and then those that have waited
    /// longest.
    free: BTreeSet<FreePlace>,
    /// Workers that get no further order in this turn.
    held_back: BTreeSet<WorkerId>,
    /// Whether one of them is held back for an order that must be alone in its session.
    is_emptying: bool,
    /// Requests for work so far.
    last_call: u64,
    /// Requests for a session, the oldest first.
    borrowers: VecDeque<RequestId>,
    leases: HashMap<LeaseId, ActiveLease>,
    last_lease: u64,
    lent_count: usize,
}

/// A lease that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ActiveLease {
    pub(crate) worker: WorkerId,
    /// None when the session is lent.
    pub(crate) task: Option<TaskId>,
    po: Option<PoNumber>,
    /// Its order was started to try whether the site is back.
    pub(crate) is_trial: bool,
    /// Its browser was ended to free memory: this attempt is not counted.
    pub(crate) is_evicted: bool,
    /// Other orders were in work in the same session.
    pub(crate) had_company: bool,
}

/// An order for a worker.
#[derive(Clone, Debug)]
pub(crate) struct NewLease {
    pub(crate) task: TaskId,
    pub(crate) po: PoNumber,
    pub(crate) is_trial: bool,
}

/// A lease that was just given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) call: CallId,
    pub(crate) lease: LeaseId,
    pub(crate) worker: WorkerId,
}

impl WorkerTable {
    pub(crate) fn starting(&mut self, worker: WorkerId) {
        self.change(worker, |record| record.status.status = WorkerState::Starting);
    }

    pub(crate) fn opened(&mut self, now: Duration, worker: WorkerId, opened: SessionOpened) {
        self.change(worker, |record| {
            if opened.is_handover {
                // idle or busy: that does not change
                record.status.recycle_count += 1;
            } else {
                record.status.status = WorkerState::Idle;
            }
            record.status.pid = opened.pid;
            record.status.memory_bytes = None;
            record.session = SessionState::Live;
            record.opened_at = now;
            // a request that waits was made for the session before
            (record.attempt_count, record.median_page_time) = (0, None);
            record.has_page_time = false;
            record.is_opening_next = false;
        });
    }

    pub(crate) fn closing(&mut self, worker: WorkerId) {
        if self.records.contains_key(&worker) {
            self.change(worker, |record| record.status.status = WorkerState::Closing);
        }
    }

    pub(crate) fn exited(&mut self, worker: WorkerId, exited: &WorkerExited) {
        if !self.records.contains_key(&worker) {
            return;
        }
        self.change(worker, |record| record.exited(exited));
        if exited.exit == WorkerExit::Retired {
            self.records.remove(&worker); // it waits for nothing any more
        }
    }

    /// A worker could take another order on. Returns how long the first pages of its new session took, once per session.
    pub(crate) fn requested(&mut self, call: WorkRequest) -> Option<Duration> {
        self.last_call += 1;
        let number = self.last_call;
        self.change(call.worker, |record| {
            if record.leases.is_empty() {
                record.status.status = WorkerState::Idle;
            }
            record.attempt_count = record.attempt_count.max(call.attempt_count);
            record.median_page_time = call.median_page_time;
            record.calls.push_back((number, call.call));
            let news = call.median_page_time.filter(|_| !record.has_page_time);
            record.has_page_time |= news.is_some();
            news
        })
    }

    /// Forgets a request for work whose worker has ended.
    pub(crate) fn withdraw_call(&mut self, call: CallId) {
        let asked = |record: &WorkerRecord| record.calls.iter().any(|(_, waiting)| *waiting == call);
        if let Some(worker) = self.records.iter().find(|(_, record)| asked(record)).map(|(worker, _)| *worker) {
            self.change(worker, |record| record.calls.retain(|(_, waiting)| *waiting != call));
        }
    }

    /// Somebody waits for a session to borrow.
    pub(crate) fn borrow(&mut self, request: RequestId) {
        self.borrowers.push_back(request);
    }

    pub(crate) fn withdraw_borrower(&mut self, request: RequestId) {
        self.borrowers.retain(|waiting| *waiting != request);
    }

    /// Forgets all who wait for a session.
    pub(crate) fn dismiss_borrowers(&mut self) -> Vec<RequestId> {
        self.borrowers.drain(..).collect()
    }

    /// Lends the session of the worker that has waited longest to the borrower that has waited longest.
    pub(crate) fn lend(&mut self) -> Option<(Granted, RequestId)> {
        let worker = self.first_empty()?;
        let request = self.borrowers.pop_front()?;
        Some((self.grant(worker, None, true)?, request))
    }

    /// Leases a task to the worker with the fewest orders in work.
    pub(crate) fn lease(&mut self, order: NewLease) -> Option<Granted> {
        let worker = self.first_free()?;
        self.grant(worker, Some(order), false)
    }

    /// Leases a task to a worker that has nothing in work, and gets nothing else until the lease has ended. With `is_fresh`
    /// its session must have done nothing yet.
    pub(crate) fn lease_alone(&mut self, order: NewLease, is_fresh: bool) -> Option<Granted> {
        let worker = if is_fresh { self.first_fresh()? } else { self.first_empty()? };
        self.grant(worker, Some(order), true)
    }

    fn grant(&mut self, worker: WorkerId, order: Option<NewLease>, is_alone: bool) -> Option<Granted> {
        self.last_lease += 1;
        let lease = LeaseId(self.last_lease);
        let po = order.as_ref().map(|order| order.po.clone());
        let (call, neighbours) = self.change(worker, |record| {
            let (_, call) = record.calls.pop_front()?;
            let neighbours = record.leases.clone();
            record.leases.push(lease);
            record.is_isolated = is_alone;
            record.status.status = WorkerState::Busy;
            record.status.po.extend(po.clone());
            Some((call, neighbours))
        })?;
        for neighbour in &neighbours {
            if let Some(neighbour) = self.leases.get_mut(neighbour) {
                neighbour.had_company = true;
            }
        }
        let active = ActiveLease {
            worker,
            task: order.as_ref().map(|order| order.task),
            po,
            is_trial: order.is_some_and(|order| order.is_trial),
            is_evicted: false,
            had_company: !neighbours.is_empty(),
        };
        self.lent_count += usize::from(active.task.is_none());
        self.leases.insert(lease, active);
        Some(Granted { call, lease, worker })
    }

    /// Ends a lease; none if it has ended already. `is_attempt` tells whether it counts as an attempt of the worker.
    pub(crate) fn end_lease(&mut self, lease: LeaseId, is_attempt: bool) -> Option<ActiveLease> {
        let ended = self.leases.remove(&lease)?;
        self.lent_count -= usize::from(ended.task.is_none());
        if self.records.contains_key(&ended.worker) {
            self.change(ended.worker, |record| {
                record.leases.retain(|held| *held != lease);
                record.is_isolated &= !record.leases.is_empty();
                record.status.po.retain(|po| Some(po) != ended.po.as_ref());
                record.status.attempt_count += u64::from(is_attempt);
                record.attempt_count += u32::from(is_attempt);
            });
        }
        Some(ended)
    }

    /// Requests of all workers that have nothing in work, who are told to retire. The others are told when they have.
    pub(crate) fn retire_empty(&mut self) -> Vec<CallId> {
        let is_empty = |record: &WorkerRecord| record.leases.is_empty() && !record.calls.is_empty();
        let empty: Vec<_> =
            self.records.iter().filter(|(_, record)| is_empty(record)).map(|(worker, _)| *worker).collect();
        empty.into_iter().filter_map(|worker| self.dismiss(worker)).collect()
    }

    /// Takes the request of a worker whose session is to be recycled. With `is_ahead` its next session is opened first, and
    /// it goes on with its orders.
    pub(crate) fn recycle(&mut self, worker: WorkerId, is_ahead: bool) -> Option<CallId> {
        if !is_ahead {
            return self.dismiss(worker);
        }
        self.records.get(&worker)?;
        self.change(worker, |record| {
            let (_, call) = record.calls.pop_front()?;
            record.is_opening_next = true;
            Some(call)
        })
    }

    /// Takes the requests of a worker whose session is to close, and returns the one to be answered: with the answer the
    /// worker asks for nothing any more.
    fn dismiss(&mut self, worker: WorkerId) -> Option<CallId> {
        self.records.get(&worker)?;
        self.change(worker, |record| {
            let (_, call) = record.calls.pop_front()?;
            record.calls.clear();
            record.status.status = WorkerState::Closing;
            record.session = SessionState::Leaving;
            Some(call)
        })
    }

    /// Ends the session of a worker at once. Returns the leases that it holds, to be marked with
    /// [`WorkerTable::mark_evicted`] if their attempts are free of cost.
    pub(crate) fn evict(&mut self, worker: WorkerId) -> Vec<(LeaseId, TaskId)> {
        if !self.records.contains_key(&worker) {
            return Vec::new();
        }
        let leases = self.change(worker, |record| {
            record.session = SessionState::Leaving;
            record.leases.clone()
        });
        leases.into_iter().filter_map(|lease| Some((lease, self.leases.get(&lease)?.task?))).collect()
    }

    pub(crate) fn mark_evicted(&mut self, lease: LeaseId) {
        if let Some(lease) = self.leases.get_mut(&lease) {
            lease.is_evicted = true;
        }
    }

    /// Every worker whose session has not ended; from now on none of them counts as live.
    pub(crate) fn kill_all(&mut self) -> Vec<WorkerId> {
        let is_open = |record: &WorkerRecord| record.session != SessionState::None;
        let open: Vec<_> =
            self.records.iter().filter(|(_, record)| is_open(record)).map(|(worker, _)| *worker).collect();
        for worker in &open {
            self.change(*worker, |record| record.session = SessionState::Leaving);
        }
        open
    }

    pub(crate) fn sampled(&mut self, reading: &MemoryReading) {
        for (worker, record) in &mut self.records {
            record.status.memory_bytes = reading.workers.get(worker).copied();
        }
    }

    /// How many borrow a session or wait for one.
    pub(crate) fn borrower_count(&self) -> usize {
        self.borrowers.len() + self.lent_count
    }

    /// How many orders are in work.
    pub(crate) fn in_work(&self) -> usize {
        self.leases.len() - self.lent_count
    }

    pub(crate) fn live_count(&self) -> usize {
        self.records.values().filter(|record| record.is_live()).count()
    }

    /// How many have a session that is ready or busy.
    pub(crate) fn ready_count(&self) -> usize {
        let is_ready = |record: &&WorkerRecord| matches!(record.status.status, WorkerState::Idle | WorkerState::Busy);
        self.records.values().filter(is_ready).count()
    }

    pub(crate) fn given_up_count(&self) -> usize {
        self.records.values().filter(|record| record.status.status == WorkerState::Failed).count()
    }

    pub(crate) fn count(&self) -> usize {
        self.records.len()
    }

    /// Whether no lease is out and no session is open or being opened.
    pub(crate) fn is_over(&self) -> bool {
        self.leases.is_empty() && self.given_up_count() == self.records.len()
    }

    pub(crate) fn statuses(&self) -> BTreeMap<WorkerId, WorkerStatus> {
        self.records.iter().map(|(worker, record)| (*worker, record.status.clone())).collect()
    }

    #[cfg(test)]
    pub(crate) fn leases(&self) -> impl Iterator<Item = (LeaseId, &ActiveLease)> {
        self.leases.iter().map(|(id, lease)| (*id, lease))
    }

    /// Changes the record of a worker, which is known from here on, and keeps its place among the free ones as it says.
    fn change<T>(&mut self, worker: WorkerId, change: impl FnOnce(&mut WorkerRecord) -> T) -> T {
        let record = self.records.entry(worker).or_insert_with(WorkerRecord::starting);
        if let Some(place) = record.free_place(worker) {
            self.free.remove(&place);
        }
        let result = change(record);
        self.free.extend(record.free_place(worker));
        result
    }
}
