//! The loop around the heart: gather every input that is ready, step, append all entries in one transaction, and only
//! then act and publish.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::lease::{Assignment, WorkRequest};
use crate::backend::{AttemptError, Journal, KillSwitch, Site};
use crate::model::{AttemptEnd, Entry, FailureKind, Outcome, PoTask, PoolStatus, WorkerId};
use crate::pool::control::SubmitError;
use crate::pool::scheduler::{DesiredState, Effect, Input, Request, Scheduler};
use crate::pool::task_handle::TaskStatus;

/// Most inputs of one turn: bounds the size of a transaction and the time between two looks at the signals.
const TURN: usize = 4096;

pub(crate) struct Dispatcher {
    pub(crate) core: Scheduler,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) site: Option<Arc<dyn Site>>,
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) engine: mpsc::UnboundedReceiver<Input>,
    pub(crate) calls: async_channel::Receiver<WorkRequest>,
    pub(crate) heart: mpsc::UnboundedSender<Input>,
    pub(crate) directive: watch::Sender<DesiredState>,
    pub(crate) snapshot: watch::Sender<Arc<PoolStatus>>,
    pub(crate) attempts: CancellationToken,
    pub(crate) conclusions: TaskTracker,
    /// How long giving a folder its final name may take: a network drive can hang.
    pub(crate) conclude_deadline: Duration,
    pub(crate) started: Instant,
}

impl Dispatcher {
    pub(crate) async fn run(mut self) {
        while !self.core.is_done() {
            let first = self.next_input().await;
            let now = self.started.elapsed();
            for input in
                first.into_iter().chain(std::iter::from_fn(|| self.ready_input())).take(TURN).collect::<Vec<_>>()
            {
                self.core.step(now, input);
            }
            self.turn(now).await;
        }
        self.core.close();
        self.publish(self.started.elapsed());
    }

    /// Waits for the next input; `None` when a time has come instead.
    async fn next_input(&mut self) -> Option<Input> {
        let now = self.started.elapsed();
        let wake = self.core.next_wake(now).map(|due| self.started + due);
        let timer = async {
            match wake {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // the order matters not for the result, only for whose word is heard first
            Some(input) = self.engine.recv() => Some(input),
            Some(request) = self.requests.recv() => Some(Input::Request(request)),
            Ok(call) = self.calls.recv() => Some(Input::Called(call)),
            () = timer => None,
        }
    }

    fn ready_input(&mut self) -> Option<Input> {
        self.engine
            .try_recv()
            .ok()
            .or_else(|| self.requests.try_recv().ok().map(Input::Request))
            .or_else(|| self.calls.try_recv().ok().map(Input::Called))
    }

    async fn turn(&mut self, now: Duration) {
        let (entries, acts) = self.core.turn(now);
        let admitted = entries.iter().filter(|entry| matches!(entry, Entry::Admitted { .. })).count() as u64;
        if !entries.is_empty()
            && let Err(error) = self.journal.append(entries).await
        {
            let why = error.to_string();
            let settled = self.refuse(acts, &why);
            self.core.step(now, Input::JournalBroke { why, admitted, settled });
            let (_, acts) = self.core.turn(now);
            return self.finish_turn(now, acts);
        }
        self.finish_turn(now, acts);
    }

    fn finish_turn(&mut self, now: Duration, acts: Vec<Effect>) {
        // the directive first: a worker that is told to retire must find the reason there
        self.directive.send_if_modified(|directive| {
            let next = self.core.directive();
            std::mem::replace(directive, next) != next
        });
        // and the snapshot before the answers: whoever is answered finds the pool as the answer says
        self.publish(now);
        for act in acts {
            self.act(act);
        }
    }

    fn publish(&self, now: Duration) {
        self.snapshot.send_replace(Arc::new(self.core.status(now)));
    }

    fn act(&mut self, act: Effect) {
        match act {
            Effect::Assignment(call, grant) => {
                if let Err(Assignment::Run(lease)) = call.reply.send(grant) {
                    lease.end(AttemptEnd::Returned, None); // nobody touched it, so it costs nothing
                }
            }
            Effect::Tell(cell, status) => cell.tell(status),
            // the one who asked may have gone: then nobody needs the answer
            Effect::Accept(reply, answer) => drop(reply.send(answer)),
            Effect::Handles(reply, handles) => drop(reply.send(handles)),
            Effect::Cancelled(reply, is_cancelled) => drop(reply.send(is_cancelled)),
            Effect::Conclude(task, order, outcome) => {
                let (heart, site, deadline) = (self.heart.clone(), self.site.clone(), self.conclude_deadline);
                self.conclusions.spawn(async move {
                    let result = match site {
                        None => Ok(outcome),
                        Some(site) => finalize(site.as_ref(), &order, outcome, deadline).await,
                    };
                    let _ = heart.send(Input::Concluded { task, result }); // only gone when the pool was dropped
                });
            }
            Effect::CancelAttempts => self.attempts.cancel(),
            Effect::Kill(switches) => switches.iter().for_each(KillSwitch::kill),
            Effect::Evict(worker, kill, is_evicted) => evict(worker, &kill, &is_evicted),
        }
    }

    /// What becomes of a turn whose entries could not be written: nothing of it is done, and whoever waits is told.
    /// Returns the outcomes that were not written.
    fn refuse(&self, acts: Vec<Effect>, why: &str) -> Vec<Arc<Outcome>> {
        let mut unwritten = Vec::new();
        for act in acts {
            match act {
                Effect::Accept(reply, Ok(_)) => drop(reply.send(Err(SubmitError::Journal(why.to_owned())))),
                Effect::Accept(reply, answer) => drop(reply.send(answer)),
                Effect::Handles(reply, handles) => drop(reply.send(handles)),
                Effect::Cancelled(reply, _) => drop(reply.send(false)),
                Effect::Assignment(call, _) => drop(call.reply.send(Assignment::Retire)),
                Effect::CancelAttempts => self.attempts.cancel(),
                Effect::Kill(switches) => switches.iter().for_each(KillSwitch::kill),
                Effect::Evict(worker, kill, is_evicted) => evict(worker, &kill, &is_evicted),
                Effect::Conclude(task, ..) => {
                    let result = Err(AttemptError::new(FailureKind::DiskFull, why));
                    let _ = self.heart.send(Input::Concluded { task, result }); // received by this very loop
                }
                Effect::Tell(_, TaskStatus::Settled(outcome)) => unwritten.push(outcome),
                Effect::Tell(..) => {}
            }
        }
        unwritten
    }
}

fn evict(worker: WorkerId, kill: &KillSwitch, is_evicted: &AtomicBool) {
    is_evicted.store(true, Ordering::Release);
    tracing::warn!(%worker, "memory is critical: ending the browser that holds most of it");
    kill.kill();
}

/// The site's conclusion, whatever becomes of it: a hang or a panic must not leave the order without an end.
async fn finalize(
    site: &dyn Site,
    order: &PoTask,
    outcome: Outcome,
    deadline: Duration,
) -> Result<Outcome, AttemptError> {
    let failed = |why| AttemptError::new(FailureKind::DiskFull, why);
    let concluding = AssertUnwindSafe(site.finalize(order, outcome)).catch_unwind();
    match tokio::time::timeout(deadline, concluding).await {
        Ok(Ok(result)) => result,
        Ok(Err(_panic)) => Err(failed(format!("naming the folder of {} broke off", order.po))),
        Err(_elapsed) => Err(failed(format!("the output folder did not answer within {deadline:?}"))),
    }
}
