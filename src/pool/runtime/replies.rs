//! Maps the ids of the scheduler to reply channels, task cells, leases, kill switches and cancellation tokens.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::channel::{Event, Events, Lease, LeaseGuard, Work};
use crate::backend::{Attempt, InterimReceipt, KillSwitch};
use crate::model::{AttemptEnd, PoNumber, TaskId, WorkerId};
use crate::pool::mailbox::{FollowedTask, Mail, ReplyTo};
use crate::pool::scheduler::{
    Assignment, AttemptSpec, CallId, Effect, Input, LeaseId, Request, RequestId, Response, TaskUpdate, WorkRequest,
};
use crate::pool::task_status::{TaskCell, TaskStatus};

/// Handles behind the ids that the scheduler knows. Whoever still waits when it is dropped is told that the pool is
/// closed, and that open tasks were not done.
pub(crate) struct Replies {
    events: Events,
    /// Parent of the cancellation tokens of all attempts.
    attempts: CancellationToken,
    last_id: u64,
    requests: HashMap<RequestId, ReplyTo>,
    calls: HashMap<CallId, oneshot::Sender<Work>>,
    cells: HashMap<TaskId, Arc<TaskCell>>,
    /// Tasks that were settled in this turn: their cells are needed until its end.
    settled: Vec<TaskId>,
    sessions: HashMap<WorkerId, OpenSession>,
}

struct OpenSession {
    kill: KillSwitch,
    is_evicted: Arc<AtomicBool>,
}

impl Replies {
    pub(crate) fn new(events: Events) -> Self {
        Self {
            events,
            attempts: CancellationToken::new(),
            last_id: 0,
            requests: HashMap::new(),
            calls: HashMap::new(),
            cells: HashMap::new(),
            settled: Vec::new(),
            sessions: HashMap::new(),
        }
    }

    /// Keeps the reply channel of a request. None when its sender no longer waits for a session.
    pub(crate) fn mail(&mut self, mail: Mail) -> Option<Input> {
        let Mail { request, reply } = mail;
        let id = RequestId(self.next_id());
        match reply {
            ReplyTo::Nobody => {}
            ReplyTo::Acquire(reply) if reply.is_closed() => return None,
            reply => _ = self.requests.insert(id, reply),
        }
        if let Request::Submit(orders) = &request {
            self.cells.reserve(orders.len());
        }
        Some(Input::Requested(id, request))
    }

    /// Keeps the handles of an event.
    pub(crate) fn event(&mut self, event: Event) -> Input {
        match event {
            Event::Input(input) => {
                if let Input::WorkerExited(worker, _) = &input {
                    self.sessions.remove(worker);
                }
                input
            }
            Event::WorkRequested { worker, attempt_count, median_page_time, reply } => {
                let call = CallId(self.next_id());
                self.calls.insert(call, reply);
                Input::WorkRequested(WorkRequest { call, worker, attempt_count, median_page_time })
            }
            Event::SessionOpened { worker, opened, kill, is_evicted } => {
                self.sessions.insert(worker, OpenSession { kill, is_evicted });
                Input::SessionOpened(worker, opened)
            }
        }
    }

    /// Workers and borrowers that have gone since the last turn. One that goes later is noticed when it is answered.
    pub(crate) fn withdrawn(&mut self) -> Vec<Input> {
        let calls = self.calls.extract_if(|_, reply| reply.is_closed()).map(|(call, _)| Input::WorkWithdrawn(call));
        let is_gone = |reply: &ReplyTo| matches!(reply, ReplyTo::Acquire(reply) if reply.is_closed());
        let borrowers = self.requests.extract_if(|_, reply| is_gone(reply));
        calls.chain(borrowers.map(|(id, _)| Input::RequestWithdrawn(id))).collect()
    }

    /// Performs one effect. The dispatcher itself performs [`Effect::Finalize`].
    pub(crate) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Assign(call, assignment) => self.assign(call, assignment),
            Effect::Reply(id, response) => self.reply(id, response),
            Effect::Publish(task, update) => self.publish(task, update),
            Effect::CancelAttempts => self.attempts.cancel(),
            Effect::Kill(workers) => {
                let sessions = workers.iter().filter_map(|worker| self.sessions.get(worker));
                sessions.for_each(|session| session.kill.kill());
            }
            Effect::Evict(worker) => {
                if let Some(session) = self.sessions.get(&worker) {
                    session.is_evicted.store(true, Ordering::Release); // before: its worker sees the end at once
                    warn!(%worker, "memory is critical: ending the largest browser");
                    session.kill.kill();
                }
            }
            Effect::Finalize(..) => {}
        }
    }

    /// The turn is over: the cells of settled tasks are no longer needed.
    pub(crate) fn end_turn(&mut self) {
        for task in self.settled.drain(..) {
            self.cells.remove(&task);
        }
    }

    fn assign(&mut self, call: CallId, assignment: Assignment) {
        let Some(reply) = self.calls.remove(&call) else { return };
        let interim = InterimReceipt::default();
        let guard = |lease: LeaseId| LeaseGuard::new(lease, self.events.clone(), interim.clone());
        let work = match assignment {
            Assignment::Run(lease, attempt) => {
                let AttemptSpec { task, order, no, worker, have } = *attempt;
                let cancel = self.attempts.child_token();
                let (begun, guard) = (Instant::now(), guard(lease));
                Work::Run(Lease::new(Attempt { task, order, no, worker, have, cancel, begun, interim }, guard))
            }
            Assignment::Lend(lease, request) => match self.requests.remove(&request) {
                Some(ReplyTo::Acquire(borrower)) => Work::Lend(borrower, guard(lease)),
                _ => return guard(lease).end(AttemptEnd::Returned, None),
            },
            Assignment::RecycleAhead(reason) => Work::RecycleAhead(reason),
            Assignment::Recycle(reason) => Work::Recycle(reason),
            Assignment::Retire => Work::Retire,
        };
        // nobody touched the order or the session
        match reply.send(work) {
            Err(Work::Run(lease)) => lease.end(AttemptEnd::Returned, None),
            Err(Work::Lend(_, guard)) => guard.end(AttemptEnd::Returned, None),
            Ok(()) | Err(_) => {}
        }
    }

    fn reply(&mut self, id: RequestId, response: Response) {
        let Some(reply) = self.requests.remove(&id) else { return };
        // a sender that has gone needs no answer
        match (reply, response) {
            (ReplyTo::Submit(reply), Response::Submitted(result)) => {
                drop(reply.send(result.map(|tasks| self.follow(tasks))));
            }
            (ReplyTo::OpenTasks(reply), Response::OpenTasks(tasks)) => drop(reply.send(self.follow(tasks))),
            (ReplyTo::Cancel(reply), Response::Cancelled(is_cancelled)) => drop(reply.send(is_cancelled)),
            (ReplyTo::Acquire(_), Response::NoSession) => {} // dropping the channel says so
            (reply, response) => debug!(?reply, ?response, "an answer that does not fit its request"),
        }
    }

    fn follow(&mut self, tasks: Vec<(TaskId, PoNumber)>) -> Vec<FollowedTask> {
        tasks.into_iter().map(|(task, po)| FollowedTask { task, po, cell: Arc::clone(self.cell(task)) }).collect()
    }

    fn publish(&mut self, task: TaskId, update: TaskUpdate) {
        let status = match update {
            TaskUpdate::Waiting => TaskStatus::Pending,
            TaskUpdate::Running(worker) => TaskStatus::Running(worker),
            TaskUpdate::Settled(outcome) => {
                self.settled.push(task);
                TaskStatus::Settled(Arc::from(outcome))
            }
        };
        self.cell(task).set(status);
    }

    fn cell(&mut self, task: TaskId) -> &Arc<TaskCell> {
        self.cells.entry(task).or_insert_with(TaskCell::new)
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

/// However the engine ends, also with a pool that is dropped: a task without an outcome is shown as not done, or
/// whoever waits for it would wait for ever.
impl Drop for Replies {
    fn drop(&mut self) {
        for cell in self.cells.values() {
            if !matches!(cell.status(), TaskStatus::Settled(_)) {
                cell.set(TaskStatus::NotDone);
            }
        }
    }
}
