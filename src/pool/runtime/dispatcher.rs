//! The loop around the scheduler: gather every input that is ready, step, append all entries in one transaction, and only
//! then publish and perform.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::channel::{Event, Events};
use super::replies::Replies;
use crate::backend::{Journal, Site};
use crate::model::{Failure, FailureKind, Outcome, PoTask, PoolStatus, TaskId};
use crate::pool::mailbox::Mail;
use crate::pool::scheduler::{DesiredState, Effect, Input, Scheduler};

/// Most inputs of one turn: bounds the size of a transaction, and how long a signal may wait.
const MAX_INPUTS: usize = 4096;

pub(crate) struct Dispatcher {
    pub(crate) scheduler: Scheduler,
    pub(crate) replies: Replies,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) site: Option<Arc<dyn Site>>,
    pub(crate) requests: mpsc::Receiver<Mail>,
    pub(crate) inbox: async_channel::Receiver<Event>,
    pub(crate) events: Events,
    pub(crate) desired: watch::Sender<DesiredState>,
    pub(crate) status: watch::Sender<Arc<PoolStatus>>,
    pub(crate) finalizations: TaskTracker,
    /// How long giving a folder its final name may take: a network drive can hang.
    pub(crate) finalize_timeout: Duration,
    pub(crate) started: Instant,
}

impl Dispatcher {
    /// Runs until the pool was asked to close and nothing is under way any more. Dropping the future tells everybody who
    /// waits that the pool is closed.
    pub(crate) async fn run(mut self) {
        while !self.scheduler.is_done() {
            let first = self.next_input().await;
            let now = self.started.elapsed();
            if let Some(input) = first {
                self.scheduler.step(now, input);
            }
            for _ in 1..MAX_INPUTS {
                let Some(input) = self.ready_input() else { break };
                self.scheduler.step(now, input);
            }
            for input in self.replies.withdrawn() {
                self.scheduler.step(now, input);
            }
            self.turn(now).await;
        }
        self.scheduler.end();
        self.publish(self.started.elapsed());
    }

    /// Waits for the next input; `None` when a turn is due without one.
    async fn next_input(&mut self) -> Option<Input> {
        let now = self.started.elapsed();
        let wake = self.scheduler.next_wake(now).map(|due| self.started + due);
        let timer = async {
            match wake {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Ok(event) = self.inbox.recv() => Some(self.replies.event(event)),
            Some(mail) = self.requests.recv() => self.replies.mail(mail),
            () = timer => None,
        }
    }

    fn ready_input(&mut self) -> Option<Input> {
        if let Ok(event) = self.inbox.try_recv() {
            return Some(self.replies.event(event));
        }
        while let Ok(mail) = self.requests.try_recv() {
            if let Some(input) = self.replies.mail(mail) {
                return Some(input);
            }
        }
        None
    }

    async fn turn(&mut self, now: Duration) {
        let (entries, mut effects) = self.scheduler.turn(now);
        if !entries.is_empty()
            && let Err(error) = self.journal.append(entries).await
        {
            self.scheduler.step(now, Input::AppendFailed { error, effects });
            (_, effects) = self.scheduler.turn(now);
        }
        // the desired state first: a worker that is told to retire must find the reason there
        self.desired.send_if_modified(|desired| {
            let next = self.scheduler.desired_state();
            std::mem::replace(desired, next) != next
        });
        // and the status before the replies: whoever is answered finds the pool as the answer says
        self.publish(now);
        for effect in effects {
            match effect {
                Effect::Finalize(task, order, outcome) => self.finalize(task, order, *outcome),
                effect => self.replies.perform(effect),
            }
        }
        self.replies.end_turn();
    }

    fn publish(&self, now: Duration) {
        self.status.send_replace(Arc::new(self.scheduler.status(now)));
    }

    /// Has the site give the order's folder its final name, beside everything else.
    fn finalize(&self, task: TaskId, order: PoTask, outcome: Outcome) {
        let (events, site, timeout) = (self.events.clone(), self.site.clone(), self.finalize_timeout);
        self.finalizations.spawn(async move {
            let result = match site {
                None => Ok(outcome),
                Some(site) => finalize(site.as_ref(), &order, outcome, timeout).await,
            };
            events.input(Input::Finalized { task, result });
        });
    }
}

/// A result in any case: a hang or a panic must not leave the order without an end.
async fn finalize(site: &dyn Site, order: &PoTask, outcome: Outcome, timeout: Duration) -> Result<Outcome, Failure> {
    let failed = |message| Failure::new(FailureKind::DiskFull, message);
    let finalizing = AssertUnwindSafe(site.finalize(order, outcome)).catch_unwind();
    match tokio::time::timeout(timeout, finalizing).await {
        Ok(Ok(result)) => result.map_err(|error| error.to_failure()),
        Ok(Err(_panic)) => {
            Err(failed(format!("the folder of {} could not be given its final name: internal error", order.po)))
        }
        Err(_elapsed) => {
            let timeout = humantime::format_duration(timeout);
            Err(failed(format!("the output folder did not respond within {timeout} (page_timeout)")))
        }
    }
}
