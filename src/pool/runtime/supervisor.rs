//! Keeps as many workers alive as the directive wants; replaces what breaks with a growing delay, and gives up on those
//! that break too often.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::worker::{ExitCause, Worker, WorkerContext, WorkerEnd, WorkerExit, WorkerExited};
use crate::backend::SessionError;
use crate::config::RestartConfig;
use crate::model::{Stage, WorkerId};
use crate::policy::{FailureStage, RestartDecision, RestartTracker};
use crate::pool::scheduler::{DesiredState, Input};

pub(crate) struct Supervisor {
    shop: Arc<WorkerContext>,
    directive: watch::Receiver<DesiredState>,
    running: JoinSet<WorkerEnd>,
    names: HashMap<tokio::task::Id, WorkerId>,
    waiting: BTreeMap<WorkerId, Instant>,
    config: RestartConfig,
    restarts: BTreeMap<WorkerId, RestartTracker>,
    started: Instant,
    given_up: BTreeSet<WorkerId>,
    leftovers: Vec<String>,
}

impl Supervisor {
    pub(crate) fn new(shop: Arc<WorkerContext>, config: RestartConfig) -> Self {
        Self {
            directive: shop.directive.clone(),
            shop,
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
            let DesiredState { stage, target, most } = *self.directive.borrow_and_update();
            if stage < Stage::Draining {
                // the heart may not have heard yet of the one that was given up last
                self.fill_up(target.min(most.saturating_sub(self.given_up.len())));
            } else {
                for worker in std::mem::take(&mut self.waiting).into_keys() {
                    self.note_gone(worker, WorkerExit::Retired, None);
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
                changed = self.directive.changed() => if changed.is_err() {
                    error!("the dispatcher is gone: ending all browsers");
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
                self.note_gone(worker, WorkerExit::Retired, None); // nobody wants it any more
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
        let task = self.running.spawn(Worker::new(worker, Arc::clone(&self.shop)).run());
        self.names.insert(task.id(), worker);
    }

    fn ended(&mut self, ended: Result<(tokio::task::Id, WorkerEnd), JoinError>) {
        let (task, end) = match ended {
            Ok((task, end)) => (task, end),
            Err(broke) => {
                let how = ExitCause::Replace(format!("the worker broke off: {broke}"));
                (broke.id(), WorkerEnd { how, came_to: FailureStage::Waiting, leftovers: Vec::new() })
            }
        };
        let Some(worker) = self.names.remove(&task) else { return };
        for leftover in &end.leftovers {
            warn!(%worker, "left behind: {leftover}");
        }
        self.leftovers.extend(end.leftovers);
        let (why, is_hopeless) = match end.how {
            ExitCause::Retired => {
                self.restarts.remove(&worker);
                return self.note_gone(worker, WorkerExit::Retired, None);
            }
            ExitCause::Recycle(worn) => {
                info!(%worker, "replacing the browser: {worn}");
                self.waiting.insert(worker, Instant::now());
                return self.note_gone(worker, WorkerExit::Recycled, None);
            }
            ExitCause::Replace(why) => (why, false),
            ExitCause::NotOpened(error) => (error.to_string(), matches!(error, SessionError::Unusable(_))),
        };
        let restarts = self.restarts.entry(worker).or_default();
        let was_at_work = end.came_to == FailureStage::AtWork;
        match restarts.on_failure(self.started.elapsed(), end.came_to, &self.config) {
            RestartDecision::After(delay) if !is_hopeless => {
                let shown = humantime::format_duration(delay);
                match (was_at_work, delay.is_zero()) {
                    (true, true) => info!(%worker, "replacing the browser: {why}"),
                    (true, false) => warn!(%worker, "replacing the browser in {shown}, it breaks often: {why}"),
                    (false, _) => warn!(%worker, "the browser did not get to work, another one in {shown}: {why}"),
                }
                self.waiting.insert(worker, Instant::now() + delay);
                self.note_gone(worker, WorkerExit::Replaced, Some(why));
            }
            RestartDecision::After(_) | RestartDecision::GiveUp => {
                let breaks = restarts.count();
                error!(%worker, breaks, "giving the worker up, the pool goes on without it: {why}");
                self.given_up.insert(worker);
                self.note_gone(worker, WorkerExit::TripCause, Some(why));
            }
        }
    }

    fn note_gone(&self, worker: WorkerId, because: WorkerExit, error: Option<String>) {
        self.shop.control.note(Input::WorkerExited(worker, WorkerExited { because, error }));
    }
}
