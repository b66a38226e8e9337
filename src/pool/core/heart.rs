//! The turn: inputs in, entries and acts out.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::words::{Act, Directive, Input, Request, Rules};
use crate::model::{
    Entry, Gate, MemoryReading, PoNumber, PoTask, PoolStatus, Receipt, Stage, Stop, StopKind, Tally, TaskId, Totals,
    WorkerId, WorkerState, WorkerView,
};
use crate::policy::{Admission, OrderPace, SiteGate, TaskQueue};
use crate::pool::lease::{Call, LeaseId};
use crate::pool::lent::LendRequest;
use crate::pool::task_handle::TaskCell;
use crate::ports::KillSwitch;

#[derive(Debug)]
pub(super) struct Record {
    pub(super) order: PoTask,
    pub(super) cell: Arc<TaskCell>,
    pub(super) tally: Tally,
    pub(super) phase: Phase,
    /// What earlier attempts left in the order's folder.
    pub(super) receipt: Option<Receipt>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Waiting { due: Duration },
    Leased,
    Concluding,
    Settled,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Holder {
    pub(super) worker: WorkerId,
    /// None when the session is lent to a caller.
    pub(super) task: Option<TaskId>,
    pub(super) is_probe: bool,
}

#[derive(Debug)]
pub(super) struct WorkerRecord {
    pub(super) view: WorkerView,
    pub(super) kill: Option<KillSwitch>,
}

pub(in crate::pool) struct Core {
    pub(super) rules: Rules,
    pub(super) heart: mpsc::UnboundedSender<Input>,
    pub(super) attempts: CancellationToken,
    pub(super) stage: Stage,
    pub(super) stop: Option<Stop>,
    pub(super) drain_until: Option<Duration>,
    pub(super) is_paused: bool,
    pub(super) is_closing: bool,
    pub(super) is_broken: bool,
    pub(super) gate: SiteGate,
    pub(super) pace: OrderPace,
    pub(super) gate_reason: String,
    pub(super) gate_wants_person: bool,
    pub(super) wanted: usize,
    pub(super) memory_cap: usize,
    pub(super) queue: TaskQueue,
    pub(super) records: Vec<Record>,
    pub(super) open: HashMap<PoNumber, TaskId>,
    pub(super) calls: VecDeque<Call>,
    pub(super) lends: VecDeque<LendRequest>,
    pub(super) leases: HashMap<LeaseId, Holder>,
    pub(super) next_lease: u64,
    pub(super) concluding: usize,
    pub(super) failed_in_a_row: u32,
    pub(super) workers: BTreeMap<WorkerId, WorkerRecord>,
    pub(super) totals: Totals,
    pub(super) memory: MemoryReading,
    pub(super) entries: Vec<Entry>,
    pub(super) acts: Vec<Act>,
}

impl Core {
    pub(in crate::pool) fn new(rules: Rules, heart: mpsc::UnboundedSender<Input>, attempts: CancellationToken) -> Self {
        Self {
            gate: SiteGate::new(rules.retry.patience),
            pace: OrderPace::new(rules.worker_count),
            gate_reason: String::new(),
            gate_wants_person: false,
            wanted: rules.worker_count,
            memory_cap: usize::MAX,
            rules,
            heart,
            attempts,
            stage: Stage::Running,
            stop: None,
            drain_until: None,
            is_paused: false,
            is_closing: false,
            is_broken: false,
            queue: TaskQueue::default(),
            records: Vec::new(),
            open: HashMap::new(),
            calls: VecDeque::new(),
            lends: VecDeque::new(),
            leases: HashMap::new(),
            next_lease: 0,
            concluding: 0,
            failed_in_a_row: 0,
            workers: BTreeMap::new(),
            totals: Totals::default(),
            memory: MemoryReading::default(),
            entries: Vec::new(),
            acts: Vec::new(),
        }
    }

    /// Takes note of one input.
    pub(in crate::pool) fn step(&mut self, now: Duration, input: Input) {
        match input {
            Input::Request(request) => self.request(now, request),
            Input::Called(call) => self.called(call),
            Input::Ended { lease, end, retry_after } => self.ended(now, lease, end, retry_after),
            Input::Concluded { task, result } => self.concluded(now, task, result),
            Input::WorkerStarting(worker) => self.worker(worker).status = WorkerState::Starting,
            Input::WorkerUp(worker, up) => {
                let record = self.workers.entry(worker).or_insert_with(WorkerRecord::starting);
                record.view.status = WorkerState::Idle;
                record.view.pid = up.pid;
                record.kill = Some(up.kill);
            }
            Input::WorkerClosing(worker) => self.worker(worker).status = WorkerState::Closing,
            Input::WorkerGone(worker, gone) => self.worker_gone(now, worker, gone),
            Input::Memory { reading, cap } => {
                for (worker, record) in &mut self.workers {
                    record.view.memory_bytes = reading.workers.get(worker).copied();
                }
                self.memory = reading;
                self.memory_cap = cap;
            }
            Input::JournalBroke { why, admitted, settled } => {
                self.take_back(admitted, &settled);
                self.journal_broke(now, why);
            }
            Input::KillAll => {
                let switches = self.workers.values_mut().filter_map(|record| record.kill.take()).collect();
                self.acts.push(Act::Kill(switches));
                self.abort(now);
            }
        }
    }

    /// Ends the turn: matches waiting callers with what may start, and hands out what is to be written and then done.
    pub(in crate::pool) fn turn(&mut self, now: Duration) -> (Vec<Entry>, Vec<Act>) {
        if self.drain_until.is_some_and(|until| now >= until) {
            self.abort(now);
        }
        self.calls.retain(|call| !call.reply.is_closed()); // its worker has ended
        self.retire_surplus();
        self.grant_loans();
        self.grant_orders(now);
        if self.is_broken {
            self.entries.clear();
        }
        (std::mem::take(&mut self.entries), std::mem::take(&mut self.acts))
    }

    /// When the next turn is due even if nothing is heard.
    pub(in crate::pool) fn next_wake(&self, now: Duration) -> Option<Duration> {
        let due = if self.stage == Stage::Running && !self.is_paused && !self.calls.is_empty() {
            match self.gate.admission(now) {
                Admission::Closed(until) => until.filter(|_| !self.queue.is_empty()),
                Admission::Open | Admission::Probe => self.queue.next_due(),
            }
        } else {
            None
        };
        due.into_iter().chain(self.drain_until.filter(|_| self.stage < Stage::Aborting)).min()
    }

    /// Whether closing was asked for and nothing is under way any more, the closing of sessions included.
    pub(in crate::pool) fn is_done(&self) -> bool {
        let is_over = |record: &WorkerRecord| record.view.status == WorkerState::Failed;
        self.is_closing && self.leases.is_empty() && self.concluding == 0 && self.workers.values().all(is_over)
    }

    pub(in crate::pool) fn directive(&self) -> Directive {
        Directive { stage: self.stage, target: self.wanted.min(self.memory_cap), wanted: self.wanted }
    }

    pub(in crate::pool) fn status(&self, now: Duration) -> PoolStatus {
        let is_live = |record: &&WorkerRecord| matches!(record.view.status, WorkerState::Idle | WorkerState::Busy);
        PoolStatus {
            pool_status: self.stage,
            gate: if self.is_paused {
                Gate::Paused
            } else if self.gate.admission(now) == Admission::Open {
                Gate::Open
            } else {
                Gate::Closed { reason: self.gate_reason.clone(), wants_person: self.gate_wants_person }
            },
            uptime_seconds: now.as_secs_f64(),
            worker_target: self.directive().target,
            slowed_to: self.pace.is_slowed().then(|| self.pace.limit()),
            worker_count: self.workers.values().filter(is_live).count(),
            workers: self.workers.iter().map(|(worker, record)| (*worker, record.view.clone())).collect(),
            tasks: self.totals,
            memory: self.memory.clone(),
            stopped_because: self.stop.clone(),
        }
    }

    fn request(&mut self, now: Duration, request: Request) {
        match request {
            Request::Submit { tasks, control, reply } => {
                let answer = self.submit(now, tasks, &control);
                self.acts.push(Act::Accept(reply, answer));
            }
            Request::SubmitWithPast { orders, control, reply } => {
                let answer = self.submit_with_past(now, orders, &control);
                self.acts.push(Act::Accept(reply, answer));
            }
            Request::OpenTasks { control, reply } => {
                let handles = self.open_handles(&control);
                self.acts.push(Act::Handles(reply, handles));
            }
            Request::Cancel { task, reply } => {
                let is_cancelled = self.cancel(now, task);
                self.acts.push(Act::Cancelled(reply, is_cancelled));
            }
            Request::Lend(request) => {
                if self.stage == Stage::Running {
                    self.lends.push_back(request);
                } // else the borrower learns it from the dropped reply
            }
            Request::Pause => self.is_paused = true,
            Request::Resume => self.is_paused = false,
            Request::ScaleTo(count) => self.wanted = count,
            Request::Drain(stop) => self.drain(now, stop),
            Request::Abort => self.abort(now),
            Request::Close => {
                self.drain(now, Stop { kind: StopKind::Requested, message: "the pool was shut down".to_owned() });
                self.is_closing = true;
            }
        }
    }
}

impl WorkerRecord {
    pub(super) fn starting() -> Self {
        let view = WorkerView {
            status: WorkerState::Starting,
            po: None,
            pid: None,
            attempt_count: 0,
            restart_count: 0,
            memory_bytes: None,
            last_error: None,
        };
        Self { view, kill: None }
    }
}

/// Admission numbers count from 1 and are never reused, so a task's record lies at its number less one.
pub(super) fn index(task: TaskId) -> usize {
    usize::try_from(task.0).unwrap_or(usize::MAX).wrapping_sub(1)
}
