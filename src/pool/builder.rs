//! Assembles a pool from its parts.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::control::PoolControl;
use super::handle::{Parts, PersistentWorkerPool};
use super::mailbox::Mailbox;
use super::runtime::channel::Events;
use super::runtime::dispatcher::Dispatcher;
use super::runtime::replies::Replies;
use super::runtime::sampler::MemorySampler;
use super::runtime::supervisor::Supervisor;
use super::runtime::worker::WorkerContext;
use super::scheduler::{Scheduler, SchedulerConfig};
use crate::backend::{History, Journal, MemoryReader, SessionError, SessionFactory, Site};
use crate::config::{Canary, PoolConfig};
use crate::policy::MemoryScaler;

/// A pool could not be started. Nothing is left running.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A required part is missing; only possible with a [`PoolBuilder`].
    #[error("the pool was given no {0}")]
    Incomplete(&'static str),
    /// No browser can be used.
    #[error(transparent)]
    Browser(#[from] SessionError),
    /// The site recipe cannot be used.
    #[error(transparent)]
    Recipe(Box<dyn std::error::Error + Send + Sync>),
    /// The output folder cannot be written, or another program uses it.
    #[error(transparent)]
    Output(Box<dyn std::error::Error + Send + Sync>),
    /// The portal's address cannot be opened: the port is closed to browsers, the host is unknown, or it refuses.
    #[error("the portal cannot be reached: {0}")]
    Portal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Assembles a pool from parts that implement the traits of [`crate::backend`]. Most programs use
/// [`PersistentWorkerPool::start`], which picks the parts. Nothing starts before [`PoolBuilder::start`].
#[must_use]
pub struct PoolBuilder {
    config: PoolConfig,
    sessions: Option<Arc<dyn SessionFactory>>,
    site: Option<Arc<dyn Site>>,
    journal: Option<Arc<dyn Journal>>,
    memory: Option<Box<dyn MemoryReader>>,
    history: History,
    expected_count: Option<usize>,
    processor_count: Option<usize>,
    canary: Option<Canary>,
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
            memory: None,
            history: History::default(),
            expected_count: None,
            processor_count: std::thread::available_parallelism().ok().map(std::num::NonZero::get),
            canary: None,
            seed: 0,
        }
    }

    /// What starts browser sessions; required.
    pub fn sessions(mut self, sessions: Arc<dyn SessionFactory>) -> Self {
        self.sessions = Some(sessions);
        self
    }

    /// The portal. Default: none; the pool lends sessions and accepts no orders.
    pub fn site(mut self, site: Arc<dyn Site>) -> Self {
        self.site = Some(site);
        self
    }

    /// The journal of the run; required.
    pub fn journal(mut self, journal: Arc<dyn Journal>) -> Self {
        self.journal = Some(journal);
        self
    }

    /// What reads memory and processors. Default: nothing; the number of workers does not depend on them.
    pub fn memory(mut self, reader: Box<dyn MemoryReader>) -> Self {
        self.memory = Some(reader);
        self
    }

    /// Continues an unfinished run, of which the journal holds `history`. Its settled tasks stay as they are, its open ones
    /// wait for a worker, and those that were in work are repeated at no cost. Default: a new run.
    pub fn resume(mut self, history: History) -> Self {
        self.history = history;
        self
    }

    /// Expected order count: with `worker_count = auto` the pool starts with as many workers as fit it. Default: unknown.
    pub fn expect_orders(mut self, count: usize) -> Self {
        self.expected_count = Some(count);
        self
    }

    /// Number of processors, from which `worker_count = auto` follows. Default: what the system says.
    pub fn processor_count(mut self, count: usize) -> Self {
        self.processor_count = Some(count);
        self
    }

    /// An order that one worker fetches before any other order is started. If it does not pass, it stays open and the pool
    /// stops. It must be submitted, unless it has passed in the run that is continued. Default: none.
    pub(crate) fn canary(mut self, canary: Option<Canary>) -> Self {
        self.canary = canary;
        self
    }

    /// Seed of the jitter between tries. Default: 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Starts all workers at once and returns; the first one that is ready takes the first task. Needs a tokio runtime with
    /// timers.
    ///
    /// # Errors
    /// [`StartError::Incomplete`] when a required part is missing.
    pub fn start(self) -> Result<PersistentWorkerPool, StartError> {
        let sessions = self.sessions.ok_or(StartError::Incomplete("session factory"))?;
        let journal = self.journal.ok_or(StartError::Incomplete("journal"))?;
        let config = self.config;
        let max_slots = self.site.as_ref().map_or(1, |site| site.max_slots());
        let slot_count = config.orders_per_session.limit(max_slots);
        let scheduler_config = SchedulerConfig {
            retry: config.retry,
            drain: config.deadlines.drain,
            seed: self.seed,
            worker_count: config.worker_count,
            scaling: config.scaling,
            slot_count,
            expected_count: self.expected_count,
            processor_count: self.processor_count,
            recycle: config.recycle,
            admission: config.admission,
            has_site: self.site.is_some(),
            stop_after: config.retry.stop_after,
            canary: self.canary,
        };
        let scheduler = Scheduler::new(scheduler_config, self.history.tasks);
        let (events, inbox) = Events::channel();
        let (mailbox, requests) = Mailbox::channel(events.clone());
        let (desired, desired_states) = watch::channel(scheduler.desired_state());
        let (status, statuses) = watch::channel(Arc::new(scheduler.status(Duration::ZERO)));
        let (started, finalizations) = (Instant::now(), TaskTracker::new());
        let context = Arc::new(WorkerContext {
            sessions: Arc::clone(&sessions),
            site: self.site.clone(),
            events: events.clone(),
            desired: desired_states,
            timeouts: config.deadlines,
            slot_count,
        });
        let sampler = self.memory.map(|reader| MemorySampler {
            config: config.memory,
            scaler: MemoryScaler::new(config.memory, config.scaling.min.get()),
            reader,
            sessions,
            events: events.clone(),
            status: statuses.clone(),
        });
        let dispatcher = Dispatcher {
            scheduler,
            replies: Replies::new(events.clone()),
            journal: Arc::clone(&journal),
            site: self.site,
            requests,
            inbox,
            events,
            desired,
            status,
            finalizations: finalizations.clone(),
            finalize_timeout: config.deadlines.page,
            started,
        };
        Ok(PersistentWorkerPool::new(Parts {
            timeouts: config.deadlines,
            journal,
            control: PoolControl::new(mailbox.clone()),
            mailbox,
            started,
            statuses,
            finalizations,
            dispatcher: tokio::spawn(dispatcher.run()),
            supervisor: tokio::spawn(Supervisor::new(context, config.restart).run()),
            sampler: sampler.map(|sampler| tokio::spawn(sampler.run())),
        }))
    }
}

impl PersistentWorkerPool {
    /// Assembles a pool from parts of the caller's own.
    pub fn builder(config: PoolConfig) -> PoolBuilder {
        PoolBuilder::new(config)
    }
}
