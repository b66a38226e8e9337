//! The pure core of the pool: it decides everything and does nothing. No await, no I/O, no clock, no channel.
//!
//! [`Scheduler::step`] takes note of one [`Input`]. [`Scheduler::turn`] ends a turn and returns what is to be journaled
//! and then done. Each table owns its fields; [`Scheduler`] composes the tables, and alone emits entries and effects.
//! `attempts` decides what becomes of an order, `sessions` who gets what to do and which sessions go.

mod admission;
mod attempts;
mod canary;
mod capacity;
mod messages;
mod sessions;
mod stage;
mod suspects;
mod tasks;
#[cfg(test)]
mod tests;
mod workers;

use std::collections::BTreeMap;
use std::time::Duration;

use self::admission::Admission;
use self::capacity::Capacity;
use self::stage::Lifecycle;
use self::tasks::TaskTable;
use self::workers::WorkerTable;
use super::error::SubmitError;
use crate::backend::JournalError;
use crate::config::Canary;
use crate::model::{
    Entry, Failure, FailureKind, IllegalTransition, PoNumber, PoTask, PoolStatus, PriorResult, StopReason, TaskId,
    TaskState,
};
use crate::policy::has_passed;

pub(crate) use self::messages::{
    Assignment, AttemptSpec, CallId, DesiredState, Effect, Input, LeaseId, Request, RequestId, ResourceSample,
    Response, SchedulerConfig, SessionOpened, TaskUpdate, WorkRequest, WorkerExit, WorkerExited,
};

/// Decides what happens next. Plain data: a copy of it, given the same inputs, decides the same.
#[derive(Clone, Debug)]
pub(crate) struct Scheduler {
    config: SchedulerConfig,
    tasks: TaskTable,
    workers: WorkerTable,
    admission: Admission,
    capacity: Capacity,
    lifecycle: Lifecycle,
    /// The order that must pass before any other one is started; none once it has.
    canary: Option<Canary>,
    entries: Vec<Entry>,
    effects: Vec<Effect>,
    /// An entry of this turn that cannot follow the ones before it: a bug. Nothing of the turn is written or done.
    illegal: Option<IllegalTransition>,
    /// The last turn can no longer be undone once the next one begins.
    is_turn_over: bool,
}

impl Scheduler {
    /// A scheduler that goes on with the tasks of an unfinished run, none for a new one. Tasks that were in work when that
    /// run ended are repeated at no cost.
    pub(crate) fn new(mut config: SchedulerConfig, states: BTreeMap<TaskId, TaskState>) -> Self {
        config.canary.take_if(|canary| states.values().any(|state| has_passed(canary, state)));
        let (tasks, interrupted) = TaskTable::restore(states);
        let mut scheduler = Self {
            tasks,
            workers: WorkerTable::default(),
            admission: Admission::new(&config),
            capacity: Capacity::new(&config),
            lifecycle: Lifecycle::new(config.drain),
            canary: config.canary.clone(),
            config,
            entries: Vec::new(),
            effects: Vec::new(),
            illegal: None,
            is_turn_over: false,
        };
        for task in interrupted {
            let failure = Failure::new(FailureKind::Interrupted, "the program ended during the attempt");
            scheduler.emit(Duration::ZERO, Entry::Postponed { task, failure, counted: false, receipt: None });
        }
        scheduler
    }

    /// Takes note of one input at `now`, the time since the pool's start.
    pub(crate) fn step(&mut self, now: Duration, input: Input) {
        if !matches!(input, Input::AppendFailed { .. }) {
            self.begin_turn();
        }
        match input {
            Input::Requested(id, request) => self.requested(now, id, request),
            Input::RequestWithdrawn(id) => self.workers.withdraw_borrower(id),
            Input::WorkRequested(call) => {
                if let Some(time) = self.workers.requested(call) {
                    self.capacity.note_fresh_page_time(time);
                }
            }
            Input::WorkWithdrawn(call) => self.workers.withdraw_call(call),
            Input::LeaseEnded { lease, end, retry_after } => self.lease_ended(now, lease, end, retry_after),
            Input::Finalized { task, result } => self.finalized(now, task, result),
            Input::WorkerStarting(worker) => self.workers.starting(worker),
            Input::SessionOpened(worker, opened) => {
                self.capacity.end_handover(worker);
                self.workers.opened(now, worker, opened);
            }
            Input::WorkerClosing(worker) => self.workers.closing(worker),
            Input::WorkerExited(worker, exited) => self.worker_exited(now, worker, exited),
            Input::Sampled(sample) => {
                self.workers.sampled(&sample.reading);
                self.admission.sampled(&sample);
                self.capacity.sampled(sample);
            }
            Input::KillAll => {
                let workers = self.workers.kill_all();
                self.perform(Effect::Kill(workers));
                self.abort(now);
            }
            Input::AppendFailed { error, effects } => self.refuse(now, &error, effects),
        }
    }

    /// Ends the turn at `now`: gives free workers what may start, and returns what is to be written and then done. If the
    /// entries cannot be written, nothing may be done, and [`Input::AppendFailed`] follows.
    pub(crate) fn turn(&mut self, now: Duration) -> (Vec<Entry>, Vec<Effect>) {
        self.begin_turn();
        if self.lifecycle.abort_at().is_some_and(|at| now >= at) {
            self.abort(now);
        }
        self.assign(now);
        if let Some(illegal) = self.illegal.take() {
            let effects = std::mem::take(&mut self.effects);
            self.entries.clear();
            self.refuse(now, &illegal.into(), effects);
            self.assign(now);
        }
        self.is_turn_over = true;
        (std::mem::take(&mut self.entries), std::mem::take(&mut self.effects))
    }

    fn begin_turn(&mut self) {
        if std::mem::take(&mut self.is_turn_over) {
            self.tasks.commit();
        }
    }

    /// When the next turn is due if nothing happens until then.
    pub(crate) fn next_wake(&self, now: Duration) -> Option<Duration> {
        let may_start = self.lifecycle.is_running() && self.workers.is_any_free();
        let start = may_start.then(|| self.admission.wake(now, self.workers.in_work(), self.next_due()));
        start.flatten().into_iter().chain(self.lifecycle.abort_at()).min()
    }

    /// Whether closing was asked for and nothing is under way any more, the closing of sessions included.
    pub(crate) fn is_done(&self) -> bool {
        self.lifecycle.is_closing() && self.workers.is_over() && self.tasks.placement().finalizing_count() == 0
    }

    /// The engine has ended.
    pub(crate) fn end(&mut self) {
        self.lifecycle.end();
    }

    pub(crate) fn desired_state(&self) -> DesiredState {
        let target = self.capacity.target(self.workers.given_up_count());
        DesiredState { stage: self.lifecycle.stage(), target, most: self.capacity.most_wanted() }
    }

    pub(crate) fn status(&self, now: Duration) -> PoolStatus {
        PoolStatus {
            pool_status: self.lifecycle.stage(),
            dispatch: self.admission.state(now),
            uptime_seconds: now.as_secs_f64(),
            worker_target: self.desired_state().target,
            worker_wanted: self.capacity.wanted(),
            slowed_to: self.admission.concurrency_limit(),
            worker_count: self.workers.ready_count(),
            workers: self.workers.statuses(),
            tasks: self.tasks.totals(),
            memory: self.capacity.reading().clone(),
            memory_level: self.capacity.memory_level(),
            held_back: self.admission.blocked_by().map(ToOwned::to_owned),
            task_count: self.capacity.task_count(),
            footprint: self.capacity.footprint().clone(),
            stopped_because: self.lifecycle.stop().cloned(),
        }
    }

    fn requested(&mut self, now: Duration, id: RequestId, request: Request) {
        let response = match request {
            Request::Submit(orders) => Response::Submitted(self.submit(now, orders)),
            Request::OpenTasks => Response::OpenTasks(self.open_tasks()),
            Request::Cancel(task) => Response::Cancelled(self.cancel(now, task)),
            Request::Acquire if self.lifecycle.is_running() => return self.workers.borrow(id),
            Request::Acquire => Response::NoSession,
            Request::Pause => return self.admission.pause(),
            Request::Resume => return self.admission.resume(),
            Request::ScaleTo(count) => return self.capacity.scale_to(count),
            Request::Drain(stop) => return self.lifecycle.drain(now, stop),
            Request::Abort => return self.abort(now),
            Request::Close => return self.lifecycle.close(now),
        };
        self.perform(Effect::Reply(id, response));
    }

    fn submit(
        &mut self,
        now: Duration,
        orders: Vec<(PoTask, Option<PriorResult>)>,
    ) -> Result<Vec<(TaskId, PoNumber)>, SubmitError> {
        if !self.config.has_site {
            return Err(SubmitError::NoSite);
        }
        if !self.lifecycle.is_running() {
            return Err(SubmitError::Closed { stop: self.lifecycle.stop().cloned() });
        }
        self.tasks.reserve(orders.len());
        Ok(orders.into_iter().map(|(order, prior)| self.admit(now, order, prior)).collect())
    }

    /// An order that is open already is left as it is.
    fn admit(&mut self, now: Duration, order: PoTask, prior: Option<PriorResult>) -> (TaskId, PoNumber) {
        if let Some((task, po)) = self.tasks.by_po(&order.po) {
            return (task, po.clone());
        }
        let (task, po) = (self.tasks.next_id(), order.po.clone());
        // what an earlier run brought shows nothing of the portal of today
        let (receipt, ended) = match prior.filter(|_| !self.is_canary(&po)) {
            None => (None, None),
            Some(PriorResult::Begun(receipt)) => (Some(receipt), None),
            Some(PriorResult::Ended(outcome, from)) => (None, Some((outcome, from))),
        };
        self.emit(now, Entry::Admitted { task, order, receipt });
        if let Some((outcome, from)) = ended {
            self.emit(now, Entry::Reused { task, outcome, from });
        }
        (task, po)
    }

    fn open_tasks(&self) -> Vec<(TaskId, PoNumber)> {
        self.tasks.open_tasks().map(|(task, state)| (task, state.order().po.clone())).collect()
    }

    /// Applies an entry to its task, and has it written. A task that waits again is due at `due`.
    fn emit(&mut self, due: Duration, entry: Entry) {
        let update = match self.tasks.apply(&entry, due) {
            Ok(Some(outcome)) => Some(TaskUpdate::Settled(Box::new(outcome))),
            Ok(None) => match &entry {
                Entry::Started { worker, .. } => Some(TaskUpdate::Running(*worker)),
                Entry::Postponed { .. } | Entry::Returned { .. } => Some(TaskUpdate::Waiting),
                Entry::Admitted { .. } | Entry::Reused { .. } | Entry::Settled { .. } => None,
            },
            Err(illegal) => {
                self.illegal.get_or_insert(illegal);
                return;
            }
        };
        if let Some(update) = update {
            self.perform(Effect::Publish(entry.task(), update));
        }
        self.entries.push(entry);
    }

    /// Has an effect performed once the entries of this turn are written.
    fn perform(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    fn drain(&mut self, now: Duration, stop: StopReason) {
        self.lifecycle.drain(now, stop);
    }

    fn abort(&mut self, now: Duration) {
        if self.lifecycle.abort(now) {
            self.perform(Effect::CancelAttempts);
        }
    }

    /// Nothing of the last turn was written: undoes it, and ends the run. Of its effects remain those that only end
    /// something; whoever waits for an answer is told.
    fn refuse(&mut self, now: Duration, error: &JournalError, effects: Vec<Effect>) {
        self.is_turn_over = false;
        self.tasks.undo(now);
        self.lifecycle.break_journal(now, error.to_string());
        for effect in effects {
            match effect {
                Effect::Assign(call, assignment) => {
                    match assignment {
                        Assignment::Run(lease, _) => _ = self.workers.end_lease(lease, false),
                        Assignment::Lend(lease, request) => {
                            self.workers.end_lease(lease, false);
                            self.perform(Effect::Reply(request, Response::NoSession));
                        }
                        Assignment::RecycleAhead(_) | Assignment::Recycle(_) | Assignment::Retire => {}
                    }
                    self.perform(Effect::Assign(call, Assignment::Retire));
                }
                Effect::Reply(id, response) => {
                    let response = match response {
                        Response::Submitted(Ok(_)) => Response::Submitted(Err(error.clone().into())),
                        Response::OpenTasks(_) => Response::OpenTasks(self.open_tasks()),
                        Response::Cancelled(_) => Response::Cancelled(false),
                        unchanged @ (Response::Submitted(Err(_)) | Response::NoSession) => unchanged,
                    };
                    self.perform(Effect::Reply(id, response));
                }
                Effect::Finalize(task, ..) => self.tasks.abandon(task, now),
                Effect::Publish(..) => {}
                ending @ (Effect::CancelAttempts | Effect::Kill(_) | Effect::Evict(_)) => self.perform(ending),
            }
        }
        self.abort(now);
    }
}
