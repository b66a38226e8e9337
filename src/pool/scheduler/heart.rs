//! The turn: inputs in, entries and acts out.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::backend::KillSwitch;
use crate::model::{
    AttemptCounts, DispatchState, Entry, PoNumber, PoTask, PoolStatus, Receipt, Stage, StopKind, StopReason, TaskId,
    Totals, WorkerId, WorkerState, WorkerStatus,
};
use crate::policy::{AdaptiveLimit, Autoscaler, CircuitBreaker, LoadSample, Permit, TaskQueue};
use crate::pool::pooled_session::AcquireRequest;
use crate::pool::runtime::lease::{LeaseId, WorkRequest};
use crate::pool::scheduler::messages::{DesiredState, Effect, Input, Request, ResourceSample, SchedulerConfig};
use crate::pool::task_handle::TaskCell;

#[derive(Debug)]
pub(crate) struct TaskRecord {
    pub(crate) order: PoTask,
    pub(crate) cell: Arc<TaskCell>,
    pub(crate) tally: AttemptCounts,
    pub(crate) phase: Phase,
    /// What earlier attempts left in the order's folder.
    pub(crate) receipt: Option<Receipt>,
    /// How often its browser was taken away for want of memory.
    pub(crate) evicted_count: u32,
    pub(crate) is_cancelled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Waiting { due: Duration },
    Leased,
    Concluding,
    Settled,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ActiveLease {
    pub(crate) worker: WorkerId,
    /// None when the session is lent to a caller.
    pub(crate) task: Option<TaskId>,
    pub(crate) is_probe: bool,
    /// Its browser was taken away for want of memory: however it ends, that costs the order nothing.
    pub(crate) is_evicted: bool,
}

#[derive(Debug)]
pub(crate) struct WorkerRecord {
    pub(crate) view: WorkerStatus,
    pub(crate) kill: Option<KillSwitch>,
    /// Set before its browser is ended for want of memory.
    pub(crate) is_evicted: Arc<AtomicBool>,
    /// When its session was opened.
    pub(crate) opened_at: Duration,
    /// How long the session's pages took while it was new has been taken note of.
    pub(crate) has_told_pace: bool,
    /// Its next session is being opened while this one works.
    pub(crate) is_renewing: bool,
    /// It retires when its order is done.
    pub(crate) is_marked: bool,
}

pub(crate) struct Scheduler {
    pub(crate) rules: SchedulerConfig,
    pub(crate) heart: mpsc::UnboundedSender<Input>,
    pub(crate) attempts: CancellationToken,
    pub(crate) stage: Stage,
    pub(crate) stop: Option<StopReason>,
    pub(crate) drain_until: Option<Duration>,
    pub(crate) is_paused: bool,
    pub(crate) is_closing: bool,
    pub(crate) is_broken: bool,
    pub(crate) gate: CircuitBreaker,
    pub(crate) pace: AdaptiveLimit,
    pub(crate) gate_reason: String,
    pub(crate) gate_wants_person: bool,
    pub(crate) sizing: Autoscaler,
    /// The most workers that were ever wanted: of these, those that were given up are lost for good.
    pub(crate) most_wanted: usize,
    pub(crate) memory_cap: usize,
    /// The newest reading was critical, and nothing was done about it yet.
    pub(crate) must_evict: bool,
    /// How long the pages of the session took that was opened last, while it was new.
    pub(crate) fresh_page_time: Option<Duration>,
    /// One at a time opens its next session before it closes the old one.
    pub(crate) renewing: Option<WorkerId>,
    pub(crate) queue: TaskQueue,
    pub(crate) records: Vec<TaskRecord>,
    pub(crate) open: HashMap<PoNumber, TaskId>,
    pub(crate) calls: VecDeque<WorkRequest>,
    pub(crate) lends: VecDeque<AcquireRequest>,
    pub(crate) leases: HashMap<LeaseId, ActiveLease>,
    pub(crate) next_lease: u64,
    pub(crate) concluding: usize,
    pub(crate) failed_in_a_row: u32,
    pub(crate) workers: BTreeMap<WorkerId, WorkerRecord>,
    pub(crate) totals: Totals,
    /// Orders that this pool has brought to their end, others than those that were taken over with theirs.
    pub(crate) worked_count: u64,
    pub(crate) sample: ResourceSample,
    pub(crate) held_back: Option<String>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) acts: Vec<Effect>,
}

impl Scheduler {
    pub(crate) fn new(
        rules: SchedulerConfig,
        heart: mpsc::UnboundedSender<Input>,
        attempts: CancellationToken,
    ) -> Self {
        let sizing = Autoscaler::new(rules.worker_count, rules.scaling, rules.expected_count, rules.processor_count);
        Self {
            gate: CircuitBreaker::new(&rules.retry),
            pace: AdaptiveLimit::new(rules.scaling.max.get()),
            gate_reason: String::new(),
            gate_wants_person: false,
            most_wanted: sizing.target(),
            sizing,
            memory_cap: usize::MAX,
            must_evict: false,
            fresh_page_time: None,
            renewing: None,
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
            worked_count: 0,
            sample: ResourceSample::default(),
            held_back: None,
            entries: Vec::new(),
            acts: Vec::new(),
        }
    }

    /// Takes note of one input.
    pub(crate) fn step(&mut self, now: Duration, input: Input) {
        match input {
            Input::Request(request) => self.request(now, request),
            Input::Called(call) => self.called(call),
            Input::Ended { lease, end, retry_after } => self.ended(now, lease, end, retry_after),
            Input::Concluded { task, result } => self.concluded(now, task, result),
            Input::WorkerStarting(worker) => self.worker(worker).status = WorkerState::Starting,
            Input::SessionOpened(worker, up) => self.worker_up(now, worker, up),
            Input::WorkerClosing(worker) => self.worker(worker).status = WorkerState::Closing,
            Input::WorkerExited(worker, gone) => self.worker_gone(now, worker, gone),
            Input::Sampled(sample) => self.sampled(sample),
            Input::JournalBroke { why, admitted, settled } => {
                self.take_back(admitted, &settled);
                self.journal_broke(now, why);
            }
            Input::KillAll => {
                let switches = self.workers.values_mut().filter_map(|record| record.kill.take()).collect();
                self.acts.push(Effect::Kill(switches));
                self.abort(now);
            }
        }
    }

    /// Ends the turn: matches waiting callers with what may start, and hands out what is to be written and then done.
    pub(crate) fn turn(&mut self, now: Duration) -> (Vec<Entry>, Vec<Effect>) {
        if self.drain_until.is_some_and(|until| now >= until) {
            self.abort(now);
        }
        self.calls.retain(|call| !call.reply.is_closed()); // its worker has ended
        self.retire_surplus();
        self.evict(now);
        self.renew_worn(now);
        self.grant_loans();
        self.grant_orders(now);
        self.weigh(now);
        self.most_wanted = self.most_wanted.max(self.sizing.target());
        if self.is_broken {
            self.entries.clear();
        }
        (std::mem::take(&mut self.entries), std::mem::take(&mut self.acts))
    }

    /// When the next turn is due even if nothing is heard.
    pub(crate) fn next_wake(&self, now: Duration) -> Option<Duration> {
        let due = if self.stage == Stage::Running && !self.is_paused && !self.calls.is_empty() {
            match self.gate.permit(now) {
                Permit::Denied(until) => until.filter(|_| !self.queue.is_empty()),
                // or the turns would chase each other: an order that is due and may not start is always due now
                Permit::Allowed | Permit::Trial if self.is_held_up() => None,
                Permit::Allowed | Permit::Trial => self.queue.next_due(),
            }
        } else {
            None
        };
        due.into_iter().chain(self.drain_until.filter(|_| self.stage < Stage::Aborting)).min()
    }

    /// Whether closing was asked for and nothing is under way any more, the closing of sessions included.
    pub(crate) fn is_done(&self) -> bool {
        let is_over = |record: &WorkerRecord| record.view.status == WorkerState::Failed;
        self.is_closing && self.leases.is_empty() && self.concluding == 0 && self.workers.values().all(is_over)
    }

    pub(crate) fn directive(&self) -> DesiredState {
        let left = self.most_wanted.saturating_sub(self.given_up_count());
        let target = self.sizing.target().min(self.memory_cap).min(left);
        DesiredState { stage: self.stage, target, most: self.most_wanted }
    }

    pub(crate) fn given_up_count(&self) -> usize {
        self.workers.values().filter(|record| record.view.status == WorkerState::Failed).count()
    }

    pub(crate) fn status(&self, now: Duration) -> PoolStatus {
        let is_live = |record: &&WorkerRecord| matches!(record.view.status, WorkerState::Idle | WorkerState::Busy);
        PoolStatus {
            pool_status: self.stage,
            dispatch: if self.is_paused {
                DispatchState::Paused
            } else if self.gate.permit(now) == Permit::Allowed {
                DispatchState::Running
            } else {
                DispatchState::Suspended { reason: self.gate_reason.clone(), needs_person: self.gate_wants_person }
            },
            uptime_seconds: now.as_secs_f64(),
            worker_target: self.directive().target,
            worker_wanted: self.sizing.target(),
            slowed_to: self.pace.is_reduced().then(|| self.pace.limit()),
            worker_count: self.workers.values().filter(is_live).count(),
            workers: self.workers.iter().map(|(worker, record)| (*worker, record.view.clone())).collect(),
            tasks: self.totals,
            memory: self.sample.reading.clone(),
            memory_level: self.sample.room.level,
            held_back: self.held_back.clone(),
            task_count: self.sample.task_count,
            footprint: self.sample.footprint.clone(),
            stopped_because: self.stop.clone(),
        }
    }

    /// What the number of workers goes by.
    fn weigh(&mut self, now: Duration) {
        if self.stage >= Stage::Draining {
            return;
        }
        let borrowers = self.lends.len() + self.leases.values().filter(|holder| holder.task.is_none()).count();
        let open = usize::try_from(self.totals.pending + self.totals.running).unwrap_or(usize::MAX);
        let load = LoadSample {
            open: open.saturating_add(borrowers),
            settled: self.worked_count,
            idle: self.calls.len(),
            level: self.sample.room.level,
            total_bytes: self.sample.reading.total_bytes,
            cpu: self.sample.reading.cpu,
        };
        self.sizing.observe(now, &load);
    }

    fn request(&mut self, now: Duration, request: Request) {
        match request {
            Request::Submit { tasks, control, reply } => {
                let answer = self.submit(now, tasks, &control);
                self.acts.push(Effect::Accept(reply, answer));
            }
            Request::SubmitWithPast { orders, control, reply } => {
                let answer = self.submit_with_past(now, orders, &control);
                self.acts.push(Effect::Accept(reply, answer));
            }
            Request::OpenTasks { control, reply } => {
                let handles = self.open_handles(&control);
                self.acts.push(Effect::Handles(reply, handles));
            }
            Request::Cancel { task, reply } => {
                let is_cancelled = self.cancel(now, task);
                self.acts.push(Effect::Cancelled(reply, is_cancelled));
            }
            Request::Lend(request) => {
                if self.stage == Stage::Running {
                    self.lends.push_back(request);
                } // else the borrower learns it from the dropped reply
            }
            Request::Pause => self.is_paused = true,
            Request::Resume => self.is_paused = false,
            Request::ScaleTo(count) => self.sizing.set(count),
            Request::Drain(stop) => self.drain(now, stop),
            Request::Abort => self.abort(now),
            Request::Close => {
                self.drain(now, StopReason { kind: StopKind::Requested, message: "the pool was shut down".to_owned() });
                self.is_closing = true;
            }
        }
    }
}

impl WorkerRecord {
    pub(crate) fn starting() -> Self {
        let view = WorkerStatus {
            status: WorkerState::Starting,
            po: None,
            pid: None,
            attempt_count: 0,
            restart_count: 0,
            recycle_count: 0,
            memory_bytes: None,
            last_error: None,
        };
        let is_evicted = Arc::default();
        Self {
            view,
            kill: None,
            is_evicted,
            opened_at: Duration::ZERO,
            has_told_pace: false,
            is_renewing: false,
            is_marked: false,
        }
    }
}

/// Admission numbers count from 1 and are never reused, so a task's record lies at its number less one.
pub(crate) fn index(task: TaskId) -> usize {
    usize::try_from(task.0).unwrap_or(usize::MAX).wrapping_sub(1)
}
