//! Workers, their requests for work, and the leases that they hold.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use super::messages::{CallId, LeaseId, RequestId, SessionOpened, WorkRequest, WorkerExit, WorkerExited};
use crate::model::{MemoryReading, PoNumber, TaskId, WorkerId, WorkerState, WorkerStatus};
use crate::policy::SessionUsage;

/// Workers with their sessions, the requests of free ones, borrowers that wait for a session, and leases.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkerTable {
    records: BTreeMap<WorkerId, WorkerRecord>,
    /// Requests for work, the oldest first.
    calls: VecDeque<WorkRequest>,
    /// Requests for a session, the oldest first.
    borrowers: VecDeque<RequestId>,
    leases: HashMap<LeaseId, ActiveLease>,
    last_lease: u64,
}

#[derive(Clone, Debug)]
struct WorkerRecord {
    status: WorkerStatus,
    session: SessionState,
    opened_at: Duration,
    /// The page time of its new session is known.
    has_page_time: bool,
    /// Its next session is being opened while this one works.
    is_opening_next: bool,
    /// It retires after its order.
    retires_next: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SessionState {
    /// None is open yet, or it has ended.
    None,
    Live,
    /// It was told to close, or killed.
    Leaving,
}

/// A lease that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ActiveLease {
    pub(crate) worker: WorkerId,
    /// None when the session is lent.
    pub(crate) task: Option<TaskId>,
    /// Its order was started to try whether the site is back.
    pub(crate) is_trial: bool,
    /// Its browser was ended to free memory: what the attempt says, it says of that.
    pub(crate) is_evicted: bool,
    /// And the attempt is repeated at no cost.
    pub(crate) is_free: bool,
}

/// A lease that was just given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) call: CallId,
    pub(crate) lease: LeaseId,
    pub(crate) worker: WorkerId,
}

impl WorkerRecord {
    fn starting() -> Self {
        let status = WorkerStatus {
            status: WorkerState::Starting,
            po: None,
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
            has_page_time: false,
            is_opening_next: false,
            retires_next: false,
        }
    }

    fn is_live(&self) -> bool {
        self.session == SessionState::Live
    }
}

impl WorkerTable {
    pub(crate) fn starting(&mut self, worker: WorkerId) {
        self.record(worker).status.status = WorkerState::Starting;
    }

    pub(crate) fn opened(&mut self, now: Duration, worker: WorkerId, opened: SessionOpened) {
        if opened.is_handover {
            // a request that waits was made for the session before
            for call in self.calls.iter_mut().filter(|call| call.worker == worker) {
                (call.attempt_count, call.median_page_time) = (0, None);
            }
        }
        let record = self.record(worker);
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
        record.has_page_time = false;
        record.is_opening_next = false;
    }

    pub(crate) fn closing(&mut self, worker: WorkerId) {
        if let Some(record) = self.records.get_mut(&worker) {
            record.status.status = WorkerState::Closing;
        }
    }

    pub(crate) fn exited(&mut self, worker: WorkerId, exited: &WorkerExited) {
        self.calls.retain(|call| call.worker != worker); // or an order would be given to nobody
        let Some(record) = self.records.get_mut(&worker) else { return };
        record.session = SessionState::None;
        record.is_opening_next = false;
        record.retires_next = false;
        let status = &mut record.status;
        (status.pid, status.po, status.memory_bytes) = (None, None, None);
        if exited.error.is_some() {
            status.last_error.clone_from(&exited.error);
        }
        match exited.exit {
            WorkerExit::Retired => _ = self.records.remove(&worker),
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

    /// A worker is free. Returns how long the first pages of its new session took, once per session.
    pub(crate) fn requested(&mut self, call: WorkRequest) -> Option<Duration> {
        let record = self.record(call.worker);
        record.status.status = WorkerState::Idle;
        record.status.po = None;
        let news = call.median_page_time.filter(|_| !record.has_page_time);
        record.has_page_time |= news.is_some();
        self.calls.push_back(call);
        news
    }

    /// Forgets a request for work whose worker has ended.
    pub(crate) fn withdraw_call(&mut self, call: CallId) {
        self.calls.retain(|waiting| waiting.call != call);
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
        if self.calls.is_empty() {
            return None;
        }
        let request = self.borrowers.pop_front()?;
        Some((self.grant(0, None, None, false)?, request))
    }

    /// Leases a task to the worker that has waited longest. With `is_fresh` its session must have done nothing yet.
    pub(crate) fn lease(&mut self, task: TaskId, po: PoNumber, is_trial: bool, is_fresh: bool) -> Option<Granted> {
        let place = self.calls.iter().position(|call| !is_fresh || call.attempt_count == 0)?;
        self.grant(place, Some(task), Some(po), is_trial)
    }

    fn grant(&mut self, place: usize, task: Option<TaskId>, po: Option<PoNumber>, is_trial: bool) -> Option<Granted> {
        let WorkRequest { call, worker, .. } = self.calls.remove(place)?;
        self.last_lease += 1;
        let lease = LeaseId(self.last_lease);
        self.leases.insert(lease, ActiveLease { worker, task, is_trial, is_evicted: false, is_free: false });
        let record = self.record(worker);
        record.status.status = WorkerState::Busy;
        record.status.po = po;
        Some(Granted { call, lease, worker })
    }

    /// Ends a lease; none if it has ended already. `is_attempt` tells whether it counts as an attempt of the worker.
    pub(crate) fn end_lease(&mut self, lease: LeaseId, is_attempt: bool) -> Option<ActiveLease> {
        let ended = self.leases.remove(&lease)?;
        if let Some(record) = self.records.get_mut(&ended.worker) {
            record.status.po = None;
            record.status.attempt_count += u64::from(is_attempt);
        }
        Some(ended)
    }

    /// Requests of all free workers, who are told to retire.
    pub(crate) fn retire_all(&mut self) -> Vec<CallId> {
        self.calls.drain(..).map(|call| call.call).collect()
    }

    /// Requests of up to `surplus` free workers, who are told to retire: first those that retire next, then those that
    /// hold most memory. `is_only_marked` spares the others.
    pub(crate) fn retire(&mut self, surplus: usize, is_only_marked: bool) -> Vec<CallId> {
        let mut retired = Vec::new();
        while retired.len() < surplus {
            let leaving = self.calls.iter().enumerate().filter_map(|(place, call)| {
                let record = self.records.get(&call.worker)?;
                let may_go = record.retires_next || !is_only_marked;
                may_go.then_some((record.retires_next, record.status.memory_bytes, place))
            });
            let Some((.., place)) = leaving.max() else { break };
            let Some(call) = self.calls.remove(place) else { break };
            let record = self.record(call.worker);
            record.status.status = WorkerState::Closing;
            record.session = SessionState::Leaving;
            retired.push(call.call);
        }
        retired
    }

    /// Lets the `count` workers that hold most memory retire after their orders, and no others. Those that were chosen
    /// before are chosen first.
    pub(crate) fn mark_largest(&mut self, count: usize) {
        let mut live: Vec<_> = self.records.values_mut().filter(|record| record.is_live()).collect();
        live.sort_by_key(|record| Reverse((record.retires_next, record.status.memory_bytes)));
        for (place, record) in live.into_iter().enumerate() {
            record.retires_next = place < count;
        }
    }

    /// Takes the request of a free worker whose session is to be recycled. With `is_ahead` its next session is opened
    /// first.
    pub(crate) fn recycle(&mut self, call: CallId, is_ahead: bool) {
        let Some(place) = self.calls.iter().position(|waiting| waiting.call == call) else { return };
        let Some(call) = self.calls.remove(place) else { return };
        let record = self.record(call.worker);
        if is_ahead {
            record.is_opening_next = true;
        } else {
            record.status.status = WorkerState::Closing;
            record.session = SessionState::Leaving;
        }
    }

    /// The live session that holds most memory among those for which `may_go`, given its usage.
    pub(crate) fn largest(&self, now: Duration, may_go: impl Fn(&SessionUsage) -> bool) -> Option<WorkerId> {
        let live = self.records.iter().filter(|(_, record)| record.is_live());
        let candidates = live.filter(|(_, record)| may_go(&usage(now, record, 0, None)));
        candidates.max_by_key(|(_, record)| record.status.memory_bytes).map(|(worker, _)| *worker)
    }

    /// Ends the session of a worker at once. Returns the lease that it holds, to be marked with
    /// [`WorkerTable::mark_evicted`].
    pub(crate) fn evict(&mut self, worker: WorkerId) -> Option<(LeaseId, TaskId)> {
        if let Some(record) = self.records.get_mut(&worker) {
            record.session = SessionState::Leaving;
        }
        self.leases.iter().find_map(|(id, lease)| (lease.worker == worker).then_some((*id, lease.task?)))
    }

    pub(crate) fn mark_evicted(&mut self, lease: LeaseId, is_free: bool) {
        if let Some(lease) = self.leases.get_mut(&lease) {
            (lease.is_evicted, lease.is_free) = (true, is_free);
        }
    }

    /// Every worker whose session has not ended; from now on none of them counts as live.
    pub(crate) fn kill_all(&mut self) -> Vec<WorkerId> {
        let open = self.records.iter_mut().filter(|(_, record)| record.session != SessionState::None);
        open.map(|(worker, record)| {
            record.session = SessionState::Leaving;
            *worker
        })
        .collect()
    }

    pub(crate) fn sampled(&mut self, reading: &MemoryReading) {
        for (worker, record) in &mut self.records {
            record.status.memory_bytes = reading.workers.get(worker).copied();
        }
    }

    /// The usage of the sessions of free workers, but for those whose next session is being opened.
    pub(crate) fn usage_of_free(&self, now: Duration) -> Vec<(CallId, WorkerId, SessionUsage)> {
        let known = self.calls.iter().filter_map(|call| Some((call, self.records.get(&call.worker)?)));
        known
            .filter(|(_, record)| !record.is_opening_next)
            .map(|(call, record)| {
                (call.call, call.worker, usage(now, record, call.attempt_count, call.median_page_time))
            })
            .collect()
    }

    /// The request of a worker, if it is free.
    pub(crate) fn call_of(&self, worker: WorkerId) -> Option<CallId> {
        self.calls.iter().find(|call| call.worker == worker).map(|call| call.call)
    }

    pub(crate) fn free_count(&self) -> usize {
        self.calls.len()
    }

    /// The free worker that has waited longest.
    pub(crate) fn first_free(&self) -> Option<(CallId, WorkerId)> {
        self.calls.front().map(|call| (call.call, call.worker))
    }

    /// Whether a free worker has a session that has done nothing yet.
    pub(crate) fn has_fresh(&self) -> bool {
        self.calls.iter().any(|call| call.attempt_count == 0)
    }

    /// Whether every worker is free, apart from those whose session is lent.
    pub(crate) fn are_all_free(&self) -> bool {
        self.calls.len() + self.lent_count() + self.given_up_count() == self.records.len()
    }

    /// How many borrow a session or wait for one.
    pub(crate) fn borrower_count(&self) -> usize {
        self.borrowers.len() + self.lent_count()
    }

    fn lent_count(&self) -> usize {
        self.leases.values().filter(|lease| lease.task.is_none()).count()
    }

    /// How many orders are in work.
    pub(crate) fn in_work(&self) -> usize {
        self.leases.values().filter(|lease| lease.task.is_some()).count()
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

    /// The record of a worker, which is known from here on.
    fn record(&mut self, worker: WorkerId) -> &mut WorkerRecord {
        self.records.entry(worker).or_insert_with(WorkerRecord::starting)
    }
}

fn usage(now: Duration, record: &WorkerRecord, attempts: u32, median_page_time: Option<Duration>) -> SessionUsage {
    SessionUsage {
        attempts,
        age: now.saturating_sub(record.opened_at),
        memory_bytes: record.status.memory_bytes,
        median_page_time,
    }
}
