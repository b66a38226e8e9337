//! Keeps as many workers alive as the directive wants; restarts with a growing delay, and gives up on those that never
//! start.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::core::{Directive, Input};
use super::worker::{Ending, LeftBecause, Worker, WorkerEnd, WorkerGone, Workshop};
use crate::model::{Stage, WorkerId};
use crate::ports::SessionError;

/// Starts in a row without a single attempt served, after which a worker is given up.
const MAX_FAILED_STARTS: u32 = 3;
/// Wait before the second start; doubles for the third.
const RESTART_DELAY: Duration = Duration::from_secs(1);

pub(super) struct Supervisor {
    shop: Arc<Workshop>,
    directive: watch::Receiver<Directive>,
    running: JoinSet<WorkerEnd>,
    names: HashMap<tokio::task::Id, WorkerId>,
    waiting: BTreeMap<WorkerId, Instant>,
    failed_starts: BTreeMap<WorkerId, u32>,
    given_up: BTreeSet<WorkerId>,
    leftovers: Vec<String>,
}

impl Supervisor {
    pub(super) fn new(shop: Arc<Workshop>) -> Self {
        Self {
            directive: shop.directive.clone(),
            shop,
            running: JoinSet::new(),
            names: HashMap::new(),
            waiting: BTreeMap::new(),
            failed_starts: BTreeMap::new(),
            given_up: BTreeSet::new(),
            leftovers: Vec::new(),
        }
    }

    /// Runs until the pool drains and the last worker has closed its session; returns what could not be removed.
    /// Dropping the future ends every worker, and with it every session.
    pub(super) async fn run(mut self) -> Vec<String> {
        loop {
            let Directive { stage, target, wanted } = *self.directive.borrow_and_update();
            if stage < Stage::Draining {
                self.fill_up(target.min(wanted.saturating_sub(self.given_up.len())));
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
            self.spawn(worker);
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
                (broke.id(), WorkerEnd { how, served: 0, leftovers: Vec::new() })
            }
        };
        let Some(worker) = self.names.remove(&task) else { return };
        for leftover in &end.leftovers {
            warn!(%worker, "left behind: {leftover}");
        }
        self.leftovers.extend(end.leftovers);
        let (why, is_hopeless) = match end.how {
            Ending::Retired => {
                self.failed_starts.remove(&worker);
                return self.note_gone(worker, LeftBecause::Retired, None);
            }
            Ending::Replace(why) => (why, false),
            Ending::NotOpened(error) => (error.to_string(), matches!(error, SessionError::Unusable(_))),
        };
        if end.served > 0 {
            self.failed_starts.remove(&worker);
            info!(%worker, "replacing the browser: {why}");
            self.waiting.insert(worker, Instant::now());
            return self.note_gone(worker, LeftBecause::Replaced, Some(why));
        }
        let failed = self.failed_starts.entry(worker).or_default();
        *failed += 1;
        if is_hopeless || *failed >= MAX_FAILED_STARTS {
            error!(%worker, starts = *failed, "giving the worker up, the pool goes on without it: {why}");
            self.given_up.insert(worker);
            return self.note_gone(worker, LeftBecause::GivenUp, Some(why));
        }
        warn!(%worker, starts = *failed, "the browser did not get to work, starting it again: {why}");
        self.waiting.insert(worker, Instant::now() + RESTART_DELAY * (1 << (*failed - 1)));
        self.note_gone(worker, LeftBecause::Replaced, Some(why));
    }

    fn note_gone(&self, worker: WorkerId, because: LeftBecause, error: Option<String>) {
        self.shop.control.note(Input::WorkerGone(worker, WorkerGone { because, error }));
    }
}
