//! Keeps as many workers alive as the directive wants; replaces what breaks with a growing delay, and gives up on those
//! that break too often.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::worker::{Ending, LeftBecause, Worker, WorkerEnd, WorkerGone, Workshop};
use crate::backend::SessionError;
use crate::config::RestartConfig;
use crate::model::{Stage, WorkerId};
use crate::policy::{Broke, Restart, Restarts};
use crate::pool::scheduler::{Directive, Input};

pub(crate) struct Supervisor {
    shop: Arc<Workshop>,
    directive: watch::Receiver<Directive>,
    running: JoinSet<WorkerEnd>,
    names: HashMap<tokio::task::Id, WorkerId>,
    waiting: BTreeMap<WorkerId, Instant>,
    config: RestartConfig,
    restarts: BTreeMap<WorkerId, Restarts>,
    started: Instant,
    given_up: BTreeSet<WorkerId>,
    leftovers: Vec<String>,
}

impl Supervisor {
    pub(crate) fn new(shop: Arc<Workshop>, config: RestartConfig) -> Self {
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
            let Directive { stage, target, most } = *self.directive.borrow_and_update();
            if stage < Stage::Draining {
                // the heart may not have heard yet of the one that was given up last
                self.fill_up(target.min(most.saturating_sub(self.given_up.len())));
            } else {
                for worker in std::mem::take(&mut self.waiting).into_keys() {
                    self.note_gone(worker, LeftBecause::Retired, None);
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
                self.note_gone(worker, LeftBecause::Retired, None); // nobody wants it any more
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
                let how = Ending::Replace(format!("the worker broke off: {broke}"));
                (broke.id(), WorkerEnd { how, came_to: Broke::Waiting, leftovers: Vec::new() })
            }
        };
        let Some(worker) = self.names.remove(&task) else { return };
        for leftover in &end.leftovers {
            warn!(%worker, "left behind: {leftover}");
        }
        self.leftovers.extend(end.leftovers);
        let (why, is_hopeless) = match end.how {
            Ending::Retired => {
                self.restarts.remove(&worker);
                return self.note_gone(worker, LeftBecause::Retired, None);
            }
            Ending::Recycle(worn) => {
                info!(%worker, "replacing the browser: {worn}");
                self.waiting.insert(worker, Instant::now());
                return self.note_gone(worker, LeftBecause::Recycled, None);
            }
            Ending::Replace(why) => (why, false),
            Ending::NotOpened(error) => (error.to_string(), matches!(error, SessionError::Unusable(_))),
        };
        let restarts = self.restarts.entry(worker).or_default();
        let was_at_work = end.came_to == Broke::AtWork;
        match restarts.broke(self.started.elapsed(), end.came_to, &self.config) {
            Restart::After(delay) if !is_hopeless => {
                let shown = humantime::format_duration(delay);
                match (was_at_work, delay.is_zero()) {
                    (true, true) => info!(%worker, "replacing the browser: {why}"),
                    (true, false) => warn!(%worker, "replacing the browser in {shown}, it breaks often: {why}"),
                    (false, _) => warn!(%worker, "the browser did not get to work, another one in {shown}: {why}"),
                }
                self.waiting.insert(worker, Instant::now() + delay);
                self.note_gone(worker, LeftBecause::Replaced, Some(why));
            }
            Restart::After(_) | Restart::GiveUp => {
                let breaks = restarts.count();
                error!(%worker, breaks, "giving the worker up, the pool goes on without it: {why}");
                self.given_up.insert(worker);
                self.note_gone(worker, LeftBecause::GivenUp, Some(why));
            }
        }
    }

    fn note_gone(&self, worker: WorkerId, because: LeftBecause, error: Option<String>) {
        self.shop.control.note(Input::WorkerGone(worker, WorkerGone { because, error }));
    }
}
