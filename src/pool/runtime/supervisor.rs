//! Keeps as many workers as are wanted: replaces broken sessions with a growing delay, and gives workers up whose sessions
//! break too often.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::worker::{ExitCause, Worker, WorkerContext, WorkerReport};
use crate::backend::SessionError;
use crate::config::RestartConfig;
use crate::model::{Stage, WorkerId};
use crate::policy::{FailureStage, RestartDecision, RestartTracker};
use crate::pool::scheduler::{DesiredState, Input, WorkerExit, WorkerExited};

/// Starts workers and takes note of their ends. Dropping it kills every session.
pub(crate) struct Supervisor {
    context: Arc<WorkerContext>,
    desired: watch::Receiver<DesiredState>,
    running: JoinSet<WorkerReport>,
    names: HashMap<tokio::task::Id, WorkerId>,
    waiting: BTreeMap<WorkerId, Instant>,
    config: RestartConfig,
    restarts: BTreeMap<WorkerId, RestartTracker>,
    started: Instant,
    given_up: BTreeSet<WorkerId>,
    leftovers: Vec<String>,
}

impl Supervisor {
    pub(crate) fn new(context: Arc<WorkerContext>, config: RestartConfig) -> Self {
        Self {
            desired: context.desired.clone(),
            context,
            running: JoinSet::new(),
            names: HashMap::new(),
            waiting: BTreeMap::new(),
            config,
            restarts: BTreeMap::new(),
            started: Instant::now(),
            given_up: BTreeSet::new(),
            leftovers: Vec::new(),
        }
    }

    /// Runs until the pool drains and the last worker has closed its session; returns what could not be removed.
    /// Dropping the future ends every worker, and with it every session.
    pub(crate) async fn run(mut self) -> Vec<String> {
        loop {
            let DesiredState { stage, target, most } = *self.desired.borrow_and_update();
            if stage < Stage::Draining {
                // the scheduler may not know yet of the worker that was given up last
                self.fill_up(target.min(most.saturating_sub(self.given_up.len())));
            } else {
                for worker in std::mem::take(&mut self.waiting).into_keys() {
                    self.report_exit(worker, WorkerExit::Retired, None);
                }
                if self.running.is_empty() {
                    return self.leftovers;
                }
            }
            let restart = self.waiting.values().min().copied();
            let timer = async {
                match restart {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.desired.changed() => if changed.is_err() {
                    error!("internal error: the dispatcher ended; killing all browsers");
                    self.running.shutdown().await;
                    return self.leftovers;
                },
                Some(ended) = self.running.join_next_with_id() => self.ended(ended),
                () = timer => {}
            }
        }
    }

    fn fill_up(&mut self, target: usize) {
        let now = Instant::now();
        let due: Vec<_> = self.waiting.iter().filter(|(_, at)| **at <= now).map(|(worker, _)| *worker).collect();
        for worker in due {
            self.waiting.remove(&worker);
            if self.running.len() < target {
                self.spawn(worker);
            } else {
                self.report_exit(worker, WorkerExit::Retired, None); // it is not needed any more
            }
        }
        while self.running.len() + self.waiting.len() < target {
            let is_free = |worker: &WorkerId| {
                !self.names.values().any(|name| name == worker)
                    && !self.waiting.contains_key(worker)
                    && !self.given_up.contains(worker)
            };
            let Some(worker) = (1..=u16::MAX).map(WorkerId).find(is_free) else { return };
            self.spawn(worker);
        }
    }

    fn spawn(&mut self, worker: WorkerId) {
        let task = self.running.spawn(Worker::new(worker, Arc::clone(&self.context)).run());
        self.names.insert(task.id(), worker);
    }

    fn ended(&mut self, ended: Result<(tokio::task::Id, WorkerReport), JoinError>) {
        let (task, end) = match ended {
            Ok((task, end)) => (task, end),
            Err(broke) => {
                let cause = ExitCause::Replace(format!("the worker failed: {broke}"));
                (broke.id(), WorkerReport { cause, stage: FailureStage::Waiting, leftovers: Vec::new() })
            }
        };
        let Some(worker) = self.names.remove(&task) else { return };
        for leftover in &end.leftovers {
            warn!(%worker, "left behind: {leftover}");
        }
        self.leftovers.extend(end.leftovers);
        let (why, is_hopeless) = match end.cause {
            ExitCause::Retired => {
                self.restarts.remove(&worker);
                return self.report_exit(worker, WorkerExit::Retired, None);
            }
            ExitCause::Recycle(reason) => {
                info!(%worker, "recycling the browser: {reason}");
                self.waiting.insert(worker, Instant::now());
                return self.report_exit(worker, WorkerExit::Recycled, None);
            }
            ExitCause::Replace(why) => (why, false),
            ExitCause::NotOpened(error) => (error.to_string(), matches!(error, SessionError::Unusable(_))),
        };
        let restarts = self.restarts.entry(worker).or_default();
        match restarts.on_failure(self.started.elapsed(), end.stage, &self.config) {
            RestartDecision::After(delay) if !is_hopeless => {
                let shown = humantime::format_duration(delay);
                match (end.stage, delay.is_zero()) {
                    (FailureStage::AtWork, true) => info!(%worker, "replacing the browser: {why}"),
                    (FailureStage::AtWork, false) => {
                        warn!(%worker, "browsers break often: replacing this one in {shown}: {why}");
                    }
                    (FailureStage::Waiting, _) => {
                        warn!(%worker, "the browser broke before its first order, replacing it in {shown}: {why}");
                    }
                    (FailureStage::Starting, _) => {
                        warn!(%worker, "the browser failed to start, retrying in {shown}: {why}");
                    }
                }
                self.waiting.insert(worker, Instant::now() + delay);
                self.report_exit(worker, WorkerExit::Replaced, Some(why));
            }
            RestartDecision::After(_) | RestartDecision::GiveUp => {
                let breaks = restarts.count();
                error!(%worker, breaks, "worker stopped for good, the others continue: {why}");
                self.given_up.insert(worker);
                self.report_exit(worker, WorkerExit::GivenUp, Some(why));
            }
        }
    }

    fn report_exit(&self, worker: WorkerId, exit: WorkerExit, error: Option<String>) {
        self.context.events.input(Input::WorkerExited(worker, WorkerExited { exit, error }));
    }
}
