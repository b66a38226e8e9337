//! Plays the engine around a scheduler: workers, requests, finalizations, the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use super::actions::Action;
use super::checker::Checker;
use super::workers::Worker;
use crate::backend::JournalError;
use crate::config::{Canary, PoolConfig, WorkerCount};
use crate::model::{
    AttemptEnd, Failure, FailureKind, Footprint, MemoryReading, Outcome, PoTask, Stage, TaskId, TaskState, WorkerId,
};
use crate::policy::MemoryLimit;
use crate::pool::scheduler::tasks::Place;
use crate::pool::scheduler::{
    Assignment, CallId, Effect, Input, LeaseId, Request, RequestId, ResourceSample, Response, Scheduler,
    SchedulerConfig, WorkerExit,
};

/// A scheduler with what is around it.
pub(super) struct World {
    pub(super) scheduler: Scheduler,
    pub(super) checker: Checker,
    pub(super) now: Duration,
    /// How many orders a session may have in work at a time.
    pub(super) slots: usize,
    pub(super) last_id: u64,
    pub(super) workers: BTreeMap<WorkerId, Worker>,
    pub(super) given_up: BTreeSet<WorkerId>,
    /// Requests that were not answered yet.
    pub(super) requests: BTreeMap<RequestId, Request>,
    /// Requests that were withdrawn; an answer may be under way to them.
    pub(super) withdrawn: BTreeSet<RequestId>,
    /// Calls of workers that ended while they waited, which the scheduler was not told.
    pub(super) lost: BTreeSet<CallId>,
    pub(super) leases: BTreeMap<LeaseId, (WorkerId, Option<TaskId>)>,
    pub(super) last_ended: Option<LeaseId>,
    /// The journal has just refused a turn: whoever waits for it is told something else.
    is_refusing: bool,
    /// Leases whose worker was gone: they come back untouched.
    pub(super) returned: Vec<LeaseId>,
    pub(super) finalizing: Vec<(TaskId, Outcome)>,
}

type Verdict = Result<(), String>;

pub(super) fn config(canary: Option<Canary>, slot_count: usize) -> SchedulerConfig {
    let pool = PoolConfig::builder().worker_count(3).retry_limit(2).recycle_after(5).max_cpu(0.9).build().unwrap();
    SchedulerConfig {
        retry: pool.retry,
        drain: pool.deadlines.drain,
        seed: 0,
        worker_count: WorkerCount::Exactly(std::num::NonZeroUsize::new(3).unwrap()),
        scaling: pool.scaling,
        slot_count,
        expected_count: None,
        processor_count: Some(2),
        recycle: pool.recycle,
        admission: pool.admission,
        has_site: true,
        stop_after: NonZeroU32::new(6),
        canary,
    }
}

impl World {
    /// A new run, which begins with a canary if there is one.
    pub(super) fn new(canary: Option<Canary>, slots: usize) -> Self {
        let scheduler = Scheduler::new(config(canary.clone(), slots), BTreeMap::new());
        let first = canary.iter().map(|canary| (PoTask::new(canary.po.clone()), None)).collect();
        let mut world = Self::of(scheduler, Checker::awaiting(canary, slots), slots);
        world.request(Request::Submit(first));
        world
    }

    fn of(scheduler: Scheduler, checker: Checker, slots: usize) -> Self {
        Self {
            scheduler,
            checker,
            now: Duration::ZERO,
            slots,
            last_id: 0,
            workers: BTreeMap::new(),
            given_up: BTreeSet::new(),
            requests: BTreeMap::new(),
            withdrawn: BTreeSet::new(),
            lost: BTreeSet::new(),
            leases: BTreeMap::new(),
            last_ended: None,
            is_refusing: false,
            returned: Vec::new(),
            finalizing: Vec::new(),
        }
    }

    /// Does what the action says, if there is anything to do it to.
    pub(super) fn act(&mut self, action: &Action) -> Verdict {
        match action {
            Action::Request(request) => self.request(request.clone()),
            Action::WithdrawBorrower => {
                let waiting = self.requests.iter().find(|(_, request)| **request == Request::Acquire);
                if let Some(id) = waiting.map(|(id, _)| *id) {
                    self.requests.remove(&id);
                    self.withdrawn.insert(id);
                    self.step(Input::RequestWithdrawn(id));
                }
            }
            Action::StartWorker => self.start_worker(),
            Action::Open(which) => self.open(*which),
            Action::HandOver(which) => self.hand_over(*which),
            Action::Ask(which) => self.ask(*which),
            Action::LoseFree { worker, is_told } => self.lose_free(*worker, *is_told),
            Action::EndLease { lease, end, retry_after } => self.end_lease(*lease, end.clone(), *retry_after),
            Action::Crash(which) => self.crash(*which),
            Action::EndStale(end) => {
                if let Some(lease) = self.last_ended {
                    self.step(Input::LeaseEnded { lease, end: end.clone(), retry_after: None });
                }
            }
            Action::Exit { worker, exit } => self.exit(*worker, *exit),
            Action::Finalize { task, is_ok } => self.finalize(*task, *is_ok),
            Action::Sample { level, cap, cpu, bytes } => {
                let reading = MemoryReading {
                    total_bytes: 8_000_000_000,
                    available_bytes: 8_000_000_000 - bytes,
                    workers: self.workers.keys().map(|worker| (*worker, bytes / u64::from(worker.0))).collect(),
                    cpu: Some(*cpu),
                    ..MemoryReading::default()
                };
                let limit = MemoryLimit { level: *level, cap: if *cap == 0 { usize::MAX } else { *cap } };
                let footprint = Footprint::default();
                self.step(Input::Sampled(ResourceSample { reading, limit, footprint, task_count: 0 }));
            }
            Action::KillAll => self.step(Input::KillAll),
            Action::Sleep(time) => self.now += *time,
            Action::Turn { is_written } => self.turn(*is_written)?,
        }
        Ok(())
    }

    /// Lets everything that is under way come to its end: each order must end, and the pool must close.
    pub(super) fn finish(mut self) -> Verdict {
        self.request(Request::Resume);
        let calm = ResourceSample::default();
        self.step(Input::Sampled(calm));
        self.turn(true)?;
        self.check_resumed()?; // while orders are in work
        for _ in 0..500 {
            self.advance()?;
            if self.is_running() && self.checker.states().values().all(|state| state.outcome().is_some()) {
                break;
            }
        }
        let open = self.checker.states().values().filter(|state| state.outcome().is_none()).count();
        let has_workers = self.given_up.len() < 3;
        if self.is_running() && has_workers && open > 0 {
            return Err(format!("{open} orders never ended: {:?}", self.scheduler.status(self.now)));
        }
        self.check_resumed()?;
        self.request(Request::Close);
        for _ in 0..50 {
            self.turn(true)?;
            if self.scheduler.is_done() {
                return self.nobody_waits();
            }
            self.advance()?;
        }
        Err(format!("the pool never closed: {:?}", self.scheduler.status(self.now)))
    }

    /// One round in which everything that is under way ends well, and everybody who is idle asks for work.
    fn advance(&mut self) -> Verdict {
        self.now += Duration::from_secs(90);
        while !self.leases.is_empty() {
            self.end_lease(0, AttemptEnd::Done(self.checker.all_well()), None);
        }
        while !self.finalizing.is_empty() {
            self.finalize(0, true);
        }
        self.turn(true)?;
        for _ in 0..self.workers.len() {
            self.exit(0, WorkerExit::Recycled);
            self.open(0);
        }
        for _ in 0..self.workers.len() * self.slots {
            self.ask(0);
        }
        for _ in 0..3 {
            self.start_worker();
        }
        self.turn(true)
    }

    /// A scheduler that goes on with what was written has the same tasks, and writes nothing that cannot follow.
    fn check_resumed(&self) -> Verdict {
        let states = self.checker.states().clone();
        let mut resumed = Self::of(
            Scheduler::new(config(self.checker.canary(), self.slots), states),
            Checker::resumed(&self.checker),
            self.slots,
        );
        resumed.turn(true)
    }

    fn nobody_waits(&self) -> Verdict {
        if self.requests.is_empty() { Ok(()) } else { Err(format!("never answered: {:?}", self.requests)) }
    }

    fn is_running(&self) -> bool {
        self.scheduler.desired_state().stage == Stage::Running
    }

    pub(super) fn step(&mut self, input: Input) {
        self.scheduler.step(self.now, input);
    }

    fn turn(&mut self, is_written: bool) -> Verdict {
        let before = self.scheduler.clone();
        let (entries, effects) = self.scheduler.turn(self.now);
        let mut copy = before;
        if copy.turn(self.now) != (entries.clone(), effects.clone()) {
            return Err("a copy of the scheduler decides otherwise".to_owned());
        }
        if is_written || entries.is_empty() {
            self.checker.turn(&entries, &effects)?;
            self.perform(effects)?;
        } else {
            let error = JournalError::Unusable("the disk is full".to_owned());
            self.scheduler.step(self.now, Input::AppendFailed { error, effects: effects.clone() });
            let (entries, instead) = self.scheduler.turn(self.now);
            if !entries.is_empty() {
                return Err(format!("entries after the journal broke: {entries:?}"));
            }
            self.checker.refused(&effects, &instead)?;
            self.is_refusing = true;
            self.perform(instead)?;
            self.is_refusing = false;
        }
        self.check()?;
        for lease in std::mem::take(&mut self.returned) {
            self.checker.lease_ended(lease, &AttemptEnd::Returned);
            self.step(Input::LeaseEnded { lease, end: AttemptEnd::Returned, retry_after: None });
        }
        Ok(())
    }

    /// The scheduler must agree with what was written, and with itself.
    fn check(&self) -> Verdict {
        self.checker.totals(self.scheduler.status(self.now).tasks)?;
        self.checker.workers(self.scheduler.desired_state().target)?;
        if let Some(contradiction) = self.scheduler.tasks.contradiction() {
            return Err(contradiction);
        }
        let open: BTreeMap<TaskId, &TaskState> = self.scheduler.tasks.open_tasks().collect();
        let replayed: BTreeMap<TaskId, &TaskState> = self
            .checker
            .states()
            .iter()
            .map(|(task, state)| (*task, state))
            .filter(|(_, s)| s.outcome().is_none())
            .collect();
        if open != replayed {
            return Err(format!("the open tasks are {open:?}, their replay is {replayed:?}"));
        }
        for (task, state) in open {
            let leases = self.scheduler.workers.leases().filter(|(_, lease)| lease.task == Some(task)).count();
            let is_finalizing = self.finalizing.iter().any(|(finalizing, _)| *finalizing == task);
            let is_right = match (state, self.scheduler.tasks.place_of(task)) {
                (TaskState::Ready { .. }, Some(Place::Queued { .. })) => leases == 0 && !is_finalizing,
                (TaskState::Leased { .. }, Some(Place::Leased)) => leases == 1 && !is_finalizing,
                (TaskState::Ready { .. } | TaskState::Leased { .. }, Some(Place::Finalizing)) => {
                    leases == 0 && is_finalizing
                }
                (TaskState::Leased { .. }, None) => leases == 0 && self.checker.is_broken(),
                _ => false,
            };
            if !is_right {
                let place = self.scheduler.tasks.place_of(task);
                return Err(format!("{task} is {state:?}, placed as {place:?} with {leases} leases"));
            }
        }
        Ok(())
    }

    fn perform(&mut self, effects: Vec<Effect>) -> Verdict {
        for effect in effects {
            match effect {
                Effect::Assign(call, assignment) => self.assign(call, assignment)?,
                Effect::Reply(id, _) if self.withdrawn.remove(&id) => {}
                Effect::Reply(id, response) => {
                    let request = self.requests.remove(&id).ok_or_else(|| format!("{id:?} was answered twice"))?;
                    let fits = matches!(
                        (&request, &response),
                        (Request::Submit(_), Response::Submitted(_))
                            | (Request::OpenTasks, Response::OpenTasks(_))
                            | (Request::Cancel(_), Response::Cancelled(_))
                            | (Request::Acquire, Response::NoSession)
                    );
                    if !fits {
                        return Err(format!("{response:?} answers {request:?}"));
                    }
                }
                Effect::Finalize(task, _, outcome) => self.finalizing.push((task, *outcome)),
                Effect::Kill(workers) => workers.into_iter().for_each(|id| self.kill(id)),
                Effect::Evict(id) => self.kill(id),
                Effect::Publish(..) | Effect::CancelAttempts => {}
            }
        }
        Ok(())
    }

    fn assign(&mut self, call: CallId, assignment: Assignment) -> Verdict {
        let caller = self.workers.iter().find(|(_, worker)| worker.calls.contains(&call)).map(|(id, _)| *id);
        let lease = match &assignment {
            Assignment::Run(lease, attempt) => Some((*lease, Some(attempt.task))),
            Assignment::Lend(lease, request) => {
                self.requests.remove(request).ok_or_else(|| format!("{request:?} was answered twice"))?;
                Some((*lease, None))
            }
            Assignment::RecycleAhead(_) | Assignment::Recycle(_) | Assignment::Retire => None,
        };
        let Some(id) = caller else {
            if !self.lost.remove(&call) && !self.is_refusing {
                return Err(format!("{call:?} was answered twice"));
            }
            self.returned.extend(lease.map(|(lease, _)| lease));
            return Ok(());
        };
        let is_suspect = lease.and_then(|(_, task)| task).is_some_and(|task| self.checker.is_suspect(task));
        let worker = self.worker(id);
        worker.calls.retain(|waiting| *waiting != call);
        if is_suspect && worker.attempt_count > 0 {
            return Err(format!("{lease:?} crashed two browsers and is not tried in a fresh one"));
        }
        match assignment {
            Assignment::Run(..) => worker.leases.extend(lease.map(|(lease, _)| lease)),
            Assignment::RecycleAhead(_) => worker.is_opening_next = true,
            Assignment::Lend(..) => {
                worker.leases.extend(lease.map(|(lease, _)| lease));
                worker.is_lent = true;
            }
            Assignment::Recycle(_) | Assignment::Retire => {
                worker.calls.clear();
                worker.is_retiring = assignment == Assignment::Retire;
                worker.is_leaving = true;
                worker.settle();
            }
        }
        self.leases.extend(lease.map(|(lease, task)| (lease, (id, task))));
        Ok(())
    }

    fn request(&mut self, request: Request) {
        let id = RequestId(self.next_id());
        if matches!(request, Request::Submit(_) | Request::OpenTasks | Request::Cancel(_) | Request::Acquire) {
            self.requests.insert(id, request.clone());
        }
        self.step(Input::Requested(id, request));
    }

    fn finalize(&mut self, which: usize, is_ok: bool) {
        if self.finalizing.is_empty() {
            return;
        }
        let (task, outcome) = self.finalizing.remove(which % self.finalizing.len());
        self.checker.finalized(task);
        let result = if is_ok { Ok(outcome) } else { Err(Failure::new(FailureKind::DiskFull, "no space left")) };
        self.step(Input::Finalized { task, result });
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}
