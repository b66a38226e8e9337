//! The synchronous heart: `(now, Input) -> Effects`. It decides everything and does nothing: no await, no I/O, no clock.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::control::{Control, SubmitError};
use super::lease::{Call, Grant, Lease, LeaseGuard, LeaseId};
use super::lent::LendRequest;
use super::task_handle::{TaskCell, TaskHandle, TaskStatus};
use super::worker::{LeftBecause, WorkerGone, WorkerUp};
use crate::config::RetryConfig;
use crate::model::{
    AttemptEnd, AttemptNo, Entry, Failure, FailureKind, Fault, Gate, MemoryReading, OrderStatus, Outcome, PoNumber,
    PoTask, PoolStatus, Receipt, Stage, Stop, StopKind, TaskId, Totals, WorkerId, WorkerState, WorkerView,
};
use crate::policy::{Admission, GivenUp, SiteGate, TaskQueue, Verdict, retry_delay, verdict};
use crate::ports::{Attempt, AttemptError, KillSwitch};

/// What somebody outside the engine wants.
#[derive(Debug)]
pub(super) enum Request {
    Submit { tasks: Vec<PoTask>, control: Control, reply: oneshot::Sender<Result<Vec<TaskHandle>, SubmitError>> },
    Cancel { task: TaskId, reply: oneshot::Sender<bool> },
    Lend(LendRequest),
    Pause,
    Resume,
    ScaleTo(usize),
    Drain(Stop),
    Abort,
    Close,
}

/// Everything that the heart can be told.
#[derive(Debug)]
pub(super) enum Input {
    Request(Request),
    Called(Call),
    Ended {
        lease: LeaseId,
        end: AttemptEnd,
        retry_after: Option<Duration>,
    },
    Concluded {
        task: TaskId,
        result: Result<Outcome, AttemptError>,
    },
    WorkerStarting(WorkerId),
    WorkerUp(WorkerId, WorkerUp),
    WorkerClosing(WorkerId),
    WorkerGone(WorkerId, WorkerGone),
    Memory {
        reading: MemoryReading,
        cap: usize,
    },
    /// The journal did not take the last turn: so many admissions and these outcomes were not written.
    JournalBroke {
        why: String,
        admitted: u64,
        settled: Vec<Arc<Outcome>>,
    },
    KillAll,
}

/// What is to be done, once the entries of the same turn are written.
#[derive(Debug)]
pub(super) enum Act {
    /// Answer a call; a grant that finds its caller gone comes back through its lease.
    Grant(Call, Grant),
    /// Let the task's handles see where it stands.
    Tell(Arc<TaskCell>, TaskStatus),
    /// Answer a submission.
    Accept(oneshot::Sender<Result<Vec<TaskHandle>, SubmitError>>, Result<Vec<TaskHandle>, SubmitError>),
    /// Answer a cancellation.
    Cancelled(oneshot::Sender<bool>, bool),
    /// Give the order's folder its final name, then report back.
    Conclude(TaskId, PoTask, Outcome),
    /// Cancel all attempts.
    CancelAttempts,
    /// End the processes of these sessions.
    Kill(Vec<KillSwitch>),
}

/// The directive that workers and the supervisor obey; written by the heart alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Directive {
    pub(super) stage: Stage,
    pub(super) target: usize,
}

/// Limits that the heart goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) retry: RetryConfig,
    pub(super) drain: Duration,
    pub(super) seed: u64,
    pub(super) worker_count: usize,
    pub(super) has_site: bool,
}

#[derive(Debug)]
struct Record {
    order: PoTask,
    cell: Arc<TaskCell>,
    spent: u32,
    started: u32,
    phase: Phase,
    /// What earlier attempts left in the order's folder.
    receipt: Option<Receipt>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Waiting { due: Duration },
    Leased,
    Concluding,
    Settled,
}

#[derive(Clone, Copy, Debug)]
struct Holder {
    worker: WorkerId,
    /// None when the session is lent to a caller.
    task: Option<TaskId>,
    is_probe: bool,
}

#[derive(Debug)]
struct WorkerRecord {
    view: WorkerView,
    kill: Option<KillSwitch>,
}

pub(super) struct Core {
    rules: Rules,
    heart: mpsc::UnboundedSender<Input>,
    attempts: CancellationToken,
    stage: Stage,
    stop: Option<Stop>,
    drain_until: Option<Duration>,
    is_paused: bool,
    is_closing: bool,
    is_broken: bool,
    gate: SiteGate,
    gate_reason: String,
    wanted: usize,
    memory_cap: usize,
    queue: TaskQueue,
    records: Vec<Record>,
    open: HashMap<PoNumber, TaskId>,
    calls: VecDeque<Call>,
    lends: VecDeque<LendRequest>,
    leases: HashMap<LeaseId, Holder>,
    next_lease: u64,
    concluding: usize,
    workers: BTreeMap<WorkerId, WorkerRecord>,
    totals: Totals,
    memory: MemoryReading,
    entries: Vec<Entry>,
    acts: Vec<Act>,
}

impl Core {
    pub(super) fn new(rules: Rules, heart: mpsc::UnboundedSender<Input>, attempts: CancellationToken) -> Self {
        Self {
            gate: SiteGate::new(rules.retry.patience),
            gate_reason: String::new(),
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
            workers: BTreeMap::new(),
            totals: Totals::default(),
            memory: MemoryReading::default(),
            entries: Vec::new(),
            acts: Vec::new(),
        }
    }

    /// Takes note of one input.
    pub(super) fn step(&mut self, now: Duration, input: Input) {
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
    pub(super) fn turn(&mut self, now: Duration) -> (Vec<Entry>, Vec<Act>) {
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
    pub(super) fn next_wake(&self, now: Duration) -> Option<Duration> {
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
    pub(super) fn is_done(&self) -> bool {
        let is_over = |record: &WorkerRecord| record.view.status == WorkerState::Failed;
        self.is_closing && self.leases.is_empty() && self.concluding == 0 && self.workers.values().all(is_over)
    }

    /// The last act: every task that was not told its outcome is told that it was not done.
    pub(super) fn close(&mut self) {
        self.stage = Stage::Closed;
        for record in &self.records {
            record.cell.give_up();
        }
    }

    pub(super) fn directive(&self) -> Directive {
        Directive { stage: self.stage, target: self.wanted.min(self.memory_cap) }
    }

    pub(super) fn status(&self, now: Duration) -> PoolStatus {
        let is_live = |record: &&WorkerRecord| matches!(record.view.status, WorkerState::Idle | WorkerState::Busy);
        PoolStatus {
            pool_status: self.stage,
            gate: if self.is_paused {
                Gate::Paused
            } else if self.gate.admission(now) == Admission::Open {
                Gate::Open
            } else {
                Gate::Closed { reason: self.gate_reason.clone() }
            },
            uptime_seconds: now.as_secs_f64(),
            worker_target: self.directive().target,
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
            Request::Cancel { task, reply } => {
                let is_cancelled = self.cancel(task);
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

    fn submit(&mut self, now: Duration, tasks: Vec<PoTask>, control: &Control) -> Result<Vec<TaskHandle>, SubmitError> {
        if !self.rules.has_site {
            return Err(SubmitError::NoSite);
        }
        if self.stage != Stage::Running {
            let why = self.stop.as_ref().map_or_else(|| "it is shutting down".to_owned(), ToString::to_string);
            return Err(SubmitError::Closed(why));
        }
        self.records.reserve(tasks.len());
        Ok(tasks.into_iter().map(|order| self.admit(now, order, control)).collect())
    }

    fn admit(&mut self, now: Duration, order: PoTask, control: &Control) -> TaskHandle {
        // two tasks for one open order would put two workers into one folder
        let known = self.open.get(&order.po).and_then(|task| Some((*task, self.records.get(index(*task))?)));
        if let Some((task, record)) = known {
            return TaskHandle::new(task, record.order.po.clone(), Arc::clone(&record.cell), control.clone());
        }
        let task = TaskId(self.records.len() as u64 + 1);
        let cell = TaskCell::new();
        self.entries.push(Entry::Admitted { task, order: order.clone() });
        self.queue.push(task, order.priority, now);
        self.open.insert(order.po.clone(), task);
        self.totals.admitted += 1;
        self.totals.pending += 1;
        let handle = TaskHandle::new(task, order.po.clone(), Arc::clone(&cell), control.clone());
        let phase = Phase::Waiting { due: now };
        self.records.push(Record { order, cell, spent: 0, started: 0, phase, receipt: None });
        handle
    }

    fn cancel(&mut self, task: TaskId) -> bool {
        let Some(record) = self.records.get(index(task)) else { return false };
        let Phase::Waiting { due } = record.phase else { return false };
        self.queue.remove(task, record.order.priority, due);
        let cancelled = Failure::new(FailureKind::Interrupted, "cancelled before a worker took it");
        self.totals.pending -= 1;
        self.totals.running += 1;
        self.conclude(task, Outcome::Skipped(cancelled));
        true
    }

    fn called(&mut self, call: Call) {
        let view = self.worker(call.worker);
        view.status = WorkerState::Idle;
        view.po = None;
        self.calls.push_back(call);
    }

    fn retire_surplus(&mut self) {
        if self.stage >= Stage::Draining {
            for call in self.calls.drain(..) {
                self.acts.push(Act::Grant(call, Grant::Retire));
            }
            self.lends.clear();
            return;
        }
        let live = self.workers.values().filter(|record| record.kill.is_some()).count();
        let mut surplus = live.saturating_sub(self.directive().target);
        while surplus > 0 {
            let Some(call) = self.calls.pop_back() else { return };
            self.worker(call.worker).status = WorkerState::Closing;
            if let Some(record) = self.workers.get_mut(&call.worker) {
                record.kill = None;
            }
            self.acts.push(Act::Grant(call, Grant::Retire));
            surplus -= 1;
        }
    }

    fn grant_loans(&mut self) {
        while !self.is_paused && !self.calls.is_empty() {
            let Some(request) = self.lends.pop_front() else { return };
            if request.reply.is_closed() {
                continue; // the borrower did not want to wait so long
            }
            let Some(call) = self.calls.pop_front() else { return };
            let guard = self.lease(call.worker, None, false);
            self.acts.push(Act::Grant(call, Grant::Lend(request, guard)));
        }
    }

    fn grant_orders(&mut self, now: Duration) {
        while self.stage == Stage::Running && !self.is_paused && !self.calls.is_empty() {
            let is_probe = match self.gate.admission(now) {
                Admission::Open => false,
                Admission::Probe => true,
                Admission::Closed(_) => return,
            };
            let Some(task) = self.queue.pop(now) else { return };
            let Some(call) = self.calls.pop_front() else { return };
            if is_probe {
                self.gate.probe_started();
            }
            let worker = call.worker;
            let guard = self.lease(worker, Some(task), is_probe);
            let Some(record) = self.records.get_mut(index(task)) else { continue };
            record.phase = Phase::Leased;
            record.started += 1;
            let no = AttemptNo(record.started);
            let (order, cell) = (record.order.clone(), Arc::clone(&record.cell));
            self.totals.pending -= 1;
            self.totals.running += 1;
            self.worker(worker).po = Some(order.po.clone());
            self.entries.push(Entry::Started { task, attempt: no, worker });
            self.acts.push(Act::Tell(cell, TaskStatus::Running(worker)));
            let attempt = Attempt { task, order, no, worker, cancel: self.attempts.child_token() };
            self.acts.push(Act::Grant(call, Grant::Run(Lease::new(attempt, guard))));
        }
    }

    fn lease(&mut self, worker: WorkerId, task: Option<TaskId>, is_probe: bool) -> LeaseGuard {
        self.next_lease += 1;
        let lease = LeaseId(self.next_lease);
        self.leases.insert(lease, Holder { worker, task, is_probe });
        self.worker(worker).status = WorkerState::Busy;
        LeaseGuard::new(lease, self.heart.clone())
    }

    fn ended(&mut self, now: Duration, lease: LeaseId, end: AttemptEnd, retry_after: Option<Duration>) {
        let Some(holder) = self.leases.remove(&lease) else { return }; // fenced off
        let view = self.worker(holder.worker);
        view.po = None;
        view.attempt_count += u64::from(end != AttemptEnd::Returned);
        let Some(task) = holder.task else { return };
        match end {
            AttemptEnd::Done(receipt) => {
                self.gate.answered();
                let is_empty = receipt.listed_count == 0 && receipt.files.is_empty();
                let outcome = if is_empty { Outcome::NoAttachments(receipt) } else { Outcome::Completed(receipt) };
                self.conclude(task, outcome);
            }
            AttemptEnd::Returned => {
                if holder.is_probe {
                    self.gate.probe_lost();
                }
                if let Some(record) = self.records.get_mut(index(task)) {
                    record.started -= 1;
                }
                self.entries.push(Entry::Returned { task });
                self.requeue(task, now);
            }
            AttemptEnd::Failed(failure, receipt) => self.failed(now, task, holder, failure, receipt, retry_after),
        }
    }

    fn failed(
        &mut self,
        now: Duration,
        task: TaskId,
        holder: Holder,
        failure: Failure,
        receipt: Option<Receipt>,
        retry_after: Option<Duration>,
    ) {
        let given_up = match failure.kind.fault() {
            Fault::Site => self.gate.fault(now, failure.kind, retry_after, holder.is_probe),
            Fault::Task => {
                self.gate.answered();
                None
            }
            Fault::Session | Fault::Host | Fault::Nobody => {
                if holder.is_probe {
                    self.gate.probe_lost();
                }
                None
            }
        };
        if self.gate.admission(now) != Admission::Open {
            self.gate_reason.clone_from(&failure.message);
        }
        if let Some(given_up) = given_up {
            self.drain(now, stop_for(given_up, &failure));
        }
        let limit = self.rules.retry.limit;
        let Some(record) = self.records.get_mut(index(task)) else { return };
        if receipt.is_some() {
            record.receipt = receipt;
        }
        let verdict = verdict(failure.kind, record.spent, limit, record.started);
        let (is_counted, delay) = match verdict {
            Verdict::Settle => {
                let outcome = self.final_outcome(task, failure);
                return self.conclude(task, outcome);
            }
            Verdict::RetryNow => (true, Duration::ZERO),
            Verdict::RetryLater => {
                let delay = retry_delay(&self.rules.retry, task, record.spent + 1, self.rules.seed);
                (true, retry_after.map_or(delay, |asked| asked.max(delay)))
            }
            Verdict::AwaitSite | Verdict::LeaveOpen => (false, Duration::ZERO),
            Verdict::StopRun => {
                let kind = match failure.kind {
                    FailureKind::LoginRefused => StopKind::LoginRefused,
                    _ => StopKind::DiskFull,
                };
                self.drain(now, Stop { kind, message: failure.message.clone() });
                (false, Duration::ZERO)
            }
        };
        if let Some(record) = self.records.get_mut(index(task)) {
            record.spent += u32::from(is_counted);
        }
        self.entries.push(Entry::Postponed { task, failure, counted: is_counted });
        self.requeue(task, now + delay);
    }

    /// How an order ends whose tries are used up.
    fn final_outcome(&mut self, task: TaskId, failure: Failure) -> Outcome {
        let receipt = self.records.get_mut(index(task)).and_then(|record| record.receipt.take());
        match (failure.kind, receipt) {
            (FailureKind::OrderMissing, _) => Outcome::NotFound(failure),
            (_, Some(receipt)) if !receipt.files.is_empty() => Outcome::Partial(receipt, failure),
            _ => Outcome::Failed(failure),
        }
    }

    fn requeue(&mut self, task: TaskId, due: Duration) {
        let Some(record) = self.records.get_mut(index(task)) else { return };
        record.phase = Phase::Waiting { due };
        self.queue.push(task, record.order.priority, due);
        self.totals.running -= 1;
        self.totals.pending += 1;
        self.acts.push(Act::Tell(Arc::clone(&record.cell), TaskStatus::Pending));
    }

    fn conclude(&mut self, task: TaskId, outcome: Outcome) {
        let Some(record) = self.records.get_mut(index(task)) else { return };
        record.phase = Phase::Concluding;
        let order = record.order.clone();
        self.concluding += 1;
        self.acts.push(Act::Conclude(task, order, outcome));
    }

    fn concluded(&mut self, now: Duration, task: TaskId, result: Result<Outcome, AttemptError>) {
        self.concluding -= 1;
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(error) => {
                let Some(record) = self.records.get(index(task)) else { return };
                // a cancelled task was never started: it stays as it was
                if record.started > 0 {
                    self.entries.push(Entry::Postponed { task, failure: error.to_failure(), counted: false });
                }
                self.drain(now, Stop { kind: StopKind::DiskFull, message: error.to_string() });
                return self.requeue(task, now);
            }
        };
        let Some(record) = self.records.get_mut(index(task)) else { return };
        record.phase = Phase::Settled;
        self.open.remove(&record.order.po);
        self.totals.running -= 1;
        self.totals.files += outcome.files().len() as u64;
        self.totals.bytes += outcome.files().iter().map(|file| file.size).sum::<u64>();
        *counter(&mut self.totals, outcome.status()) += 1;
        self.entries.push(Entry::Settled { task, outcome: outcome.clone() });
        self.acts.push(Act::Tell(Arc::clone(&record.cell), TaskStatus::Settled(Arc::new(outcome))));
    }

    fn worker(&mut self, worker: WorkerId) -> &mut WorkerView {
        &mut self.workers.entry(worker).or_insert_with(WorkerRecord::starting).view
    }

    fn worker_gone(&mut self, now: Duration, worker: WorkerId, gone: WorkerGone) {
        let Some(record) = self.workers.get_mut(&worker) else { return };
        record.kill = None;
        record.view.pid = None;
        record.view.po = None;
        record.view.memory_bytes = None;
        if gone.error.is_some() {
            record.view.last_error.clone_from(&gone.error);
        }
        match gone.because {
            LeftBecause::Retired => {
                self.workers.remove(&worker);
            }
            LeftBecause::Replaced => {
                record.view.status = WorkerState::Starting;
                record.view.restart_count += 1;
            }
            LeftBecause::GivenUp => {
                record.view.status = WorkerState::Failed;
                let all_failed = self.workers.values().all(|record| record.view.status == WorkerState::Failed);
                if all_failed && self.stage == Stage::Running {
                    let message = gone.error.unwrap_or_else(|| "no browser could be started".to_owned());
                    self.drain(now, Stop { kind: StopKind::NoWorkers, message });
                }
            }
        }
    }

    fn drain(&mut self, now: Duration, stop: Stop) {
        if self.stage == Stage::Running {
            self.stage = Stage::Draining;
            self.stop = Some(stop);
            self.drain_until = Some(now + self.rules.drain);
        }
    }

    fn abort(&mut self, now: Duration) {
        self.drain(now, Stop { kind: StopKind::Requested, message: "the run was aborted".to_owned() });
        if self.stage == Stage::Draining {
            self.stage = Stage::Aborting;
            self.acts.push(Act::CancelAttempts);
        }
    }

    /// Nothing that was not written is ever told, so the totals must not tell it either.
    fn take_back(&mut self, admitted: u64, settled: &[Arc<Outcome>]) {
        self.totals.admitted -= admitted;
        self.totals.pending -= admitted;
        for outcome in settled {
            *counter(&mut self.totals, outcome.status()) -= 1;
            self.totals.pending += 1;
            self.totals.files -= outcome.files().len() as u64;
            self.totals.bytes -= outcome.files().iter().map(|file| file.size).sum::<u64>();
        }
    }

    fn journal_broke(&mut self, now: Duration, why: String) {
        self.is_broken = true;
        self.stage = self.stage.max(Stage::Draining);
        self.stop = Some(Stop { kind: StopKind::JournalUnusable, message: why });
        self.drain_until = Some(now + self.rules.drain);
        self.abort(now);
    }
}

impl WorkerRecord {
    fn starting() -> Self {
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
fn index(task: TaskId) -> usize {
    usize::try_from(task.0).unwrap_or(usize::MAX).wrapping_sub(1)
}

fn counter(totals: &mut Totals, status: OrderStatus) -> &mut u64 {
    match status {
        OrderStatus::Completed => &mut totals.completed,
        OrderStatus::NoAttachments => &mut totals.no_attachments,
        OrderStatus::Partial => &mut totals.partial,
        OrderStatus::PoNotFound => &mut totals.not_found,
        OrderStatus::Failed | OrderStatus::PrNotAccessible => &mut totals.failed,
        OrderStatus::Skipped | OrderStatus::NotDone => &mut totals.skipped,
    }
}

fn stop_for(given_up: GivenUp, failure: &Failure) -> Stop {
    match given_up {
        GivenUp::NeverReached => Stop { kind: StopKind::NeverReached, message: failure.message.clone() },
        GivenUp::OutOfPatience => Stop {
            kind: StopKind::SiteDown,
            message: format!("the portal did not recover within the patience; the last word was: {}", failure.message),
        },
        GivenUp::Drifted => Stop {
            kind: StopKind::PagesChanged,
            message: format!(
                "the pages of ten orders in a row fit nothing that the site recipe knows, so the rest was not tried; \
                 check the address and the recipe; the last word was: {}",
                failure.message
            ),
        },
    }
}
