//! Puts a pool together from its parts.

use std::sync::Arc;

use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::control::PoolControl;
use super::handle::{Parts, PersistentWorkerPool};
use super::monitor::MemoryMonitor;
use crate::backend::{History, Journal, MemoryReader, SessionError, SessionFactory, Site};
use crate::config::PoolConfig;
use crate::policy::MemoryScaler;
use crate::pool::runtime::dispatcher::Dispatcher;
use crate::pool::runtime::supervisor::Supervisor;
use crate::pool::runtime::worker::WorkerContext;
use crate::pool::scheduler::{Scheduler, SchedulerConfig};

/// Wishes that may wait for the dispatcher before whoever sends the next one waits too.
const MAILBOX: usize = 256;

/// A pool could not be started. Nothing was left running.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A part is missing; only possible when the pool is put together by hand.
    #[error("the pool was given no {0}")]
    Incomplete(&'static str),
    /// No browser can be used.
    #[error(transparent)]
    Browser(#[from] SessionError),
    /// The site recipe cannot be used.
    #[error(transparent)]
    Recipe(Box<dyn std::error::Error + Send + Sync>),
    /// The output folder cannot be written, or another program works in it.
    #[error(transparent)]
    Output(Box<dyn std::error::Error + Send + Sync>),
    /// The portal's address cannot be opened: the port is closed to browsers, the host is unknown, or it refuses.
    #[error("the portal cannot be reached: {0}")]
    Portal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Puts a pool together from parts that implement the seams of [`crate::backend`]. Most programs use
/// [`PersistentWorkerPool::start`], which picks them.
#[must_use]
pub struct PoolBuilder {
    config: PoolConfig,
    sessions: Option<Arc<dyn SessionFactory>>,
    site: Option<Arc<dyn Site>>,
    journal: Option<Arc<dyn Journal>>,
    gauge: Option<Box<dyn MemoryReader>>,
    history: History,
    expected_count: Option<usize>,
    processor_count: Option<usize>,
    seed: u64,
}

impl PoolBuilder {
    /// A builder without parts.
    pub fn new(config: PoolConfig) -> Self {
        Self {
            config,
            sessions: None,
            site: None,
            journal: None,
            gauge: None,
            history: History::default(),
            expected_count: None,
            processor_count: std::thread::available_parallelism().ok().map(std::num::NonZero::get),
            seed: 0,
        }
    }

    /// What starts browser sessions; required.
    pub fn sessions(mut self, sessions: Arc<dyn SessionFactory>) -> Self {
        self.sessions = Some(sessions);
        self
    }

    /// The portal; without one the pool lends sessions and takes no orders.
    pub fn site(mut self, site: Arc<dyn Site>) -> Self {
        self.site = Some(site);
        self
    }

    /// The record of the run; required.
    pub fn journal(mut self, journal: Arc<dyn Journal>) -> Self {
        self.journal = Some(journal);
        self
    }

    /// What reads memory; without one the number of workers does not depend on it.
    pub fn gauge(mut self, gauge: Box<dyn MemoryReader>) -> Self {
        self.gauge = Some(gauge);
        self
    }

    /// Goes on with an unfinished run: `history` is what the journal holds of it. Its settled tasks stay as they are, its
    /// open ones wait for a worker, and those that were in work are repeated at no cost.
    pub fn resume(mut self, history: History) -> Self {
        self.history = history;
        self
    }

    /// How many orders there will be, for a pool that finds its number of workers itself: it begins with what they make
    /// sense of, and not with four.
    pub fn expect_orders(mut self, count: usize) -> Self {
        self.expected_count = Some(count);
        self
    }

    /// How many processors a pool that finds its number of workers itself may count on; what the system says unless given.
    pub fn processor_count(mut self, count: usize) -> Self {
        self.processor_count = Some(count);
        self
    }

    /// Seed of the jitter between tries; 0 unless given.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Starts the workers side by side and returns at once; the first that is ready takes the first task. Needs a tokio
    /// runtime with timers.
    ///
    /// # Errors
    /// [`StartError::Incomplete`] when a required part is missing.
    pub fn start(self) -> Result<PersistentWorkerPool, StartError> {
        let sessions = self.sessions.ok_or(StartError::Incomplete("session factory"))?;
        let journal = self.journal.ok_or(StartError::Incomplete("journal"))?;
        let config = self.config;
        let (requests, request_inbox) = mpsc::channel(MAILBOX);
        // unbounded, yet never long: a worker or a conclusion has at most one word under way
        let (heart, engine_inbox) = mpsc::unbounded_channel();
        // a call waits in the heart, not here; the room is for those that arrive in the same turn
        let (calls, call_inbox) = async_channel::bounded(config.scaling.max.get().max(64));
        let attempts = CancellationToken::new();
        let started = Instant::now();
        let rules = SchedulerConfig {
            retry: config.retry,
            drain: config.deadlines.drain,
            seed: self.seed,
            worker_count: config.worker_count,
            scaling: config.scaling,
            expected_count: self.expected_count,
            processor_count: self.processor_count,
            recycle: config.recycle,
            hold: config.hold,
            has_site: self.site.is_some(),
            stop_after: config.retry.stop_after,
        };
        let mut core = Scheduler::new(rules, heart.clone(), attempts.clone());
        core.restore(self.history);
        let (directive, directives) = watch::channel(core.directive());
        let (snapshot, snapshots) = watch::channel(Arc::new(core.status(std::time::Duration::ZERO)));
        let control = PoolControl::new(requests, heart.clone());
        let conclusions = TaskTracker::new();
        let shop = Arc::new(WorkerContext {
            sessions: Arc::clone(&sessions),
            site: self.site.clone(),
            calls,
            control: control.clone(),
            directive: directives,
            deadlines: config.deadlines,
        });
        let dispatcher = Dispatcher {
            core,
            journal: Arc::clone(&journal),
            site: self.site,
            requests: request_inbox,
            engine: engine_inbox,
            calls: call_inbox,
            heart,
            directive,
            snapshot,
            attempts,
            conclusions: conclusions.clone(),
            conclude_deadline: config.deadlines.page,
            started,
        };
        let monitor = self.gauge.map(|gauge| MemoryMonitor {
            config: config.memory,
            scale: MemoryScaler::new(config.memory, config.scaling.min.get()),
            gauge,
            sessions,
            control: control.clone(),
            snapshot: snapshots.clone(),
        });
        Ok(PersistentWorkerPool::new(Parts {
            deadlines: config.deadlines,
            journal,
            control,
            started,
            snapshots,
            conclusions,
            dispatcher: tokio::spawn(dispatcher.run()),
            supervisor: tokio::spawn(Supervisor::new(shop, config.restart).run()),
            monitor: monitor.map(|monitor| tokio::spawn(monitor.run())),
        }))
    }
}
