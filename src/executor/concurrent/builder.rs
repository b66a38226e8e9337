//! How an executor is built.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::ConcurrentExecutor;
use super::counters::Counters;
use super::run::Shared;
use crate::backend::MemoryReader;
use crate::executor::admission::{Admission, AdmissionLimits};

/// Builds a [`ConcurrentExecutor`].
#[must_use = "nothing is built before `build`"]
pub struct ConcurrentExecutorBuilder {
    max_concurrent: usize,
    timeout: Option<Duration>,
    admission: Option<Admission>,
}

impl Default for ConcurrentExecutorBuilder {
    fn default() -> Self {
        Self { max_concurrent: 10, timeout: Some(Duration::from_secs(300)), admission: None }
    }
}

impl ConcurrentExecutorBuilder {
    /// How many jobs may run at a time; default 10, at least 1. See [`crate::executor::optimal_concurrency`].
    pub fn max_concurrent(mut self, max_concurrent: usize) -> Self {
        self.max_concurrent = max_concurrent.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// How long a job may run that does not say so itself; default 5 minutes.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Lets jobs run for as long as they like.
    pub fn without_timeout(mut self) -> Self {
        self.timeout = None;
        self
    }

    /// Starts jobs only while the machine, as `reader` reads it, has room; default: always. A job is checked when its turn has
    /// come, so that a batch does not pass on one reading.
    pub fn admission(mut self, reader: Box<dyn MemoryReader>, limits: AdmissionLimits) -> Self {
        self.admission = Some(Admission::new(reader, limits));
        self
    }

    /// The executor.
    #[must_use]
    pub fn build(self) -> ConcurrentExecutor {
        let Self { max_concurrent, timeout, admission } = self;
        let (permits, counters) = (Arc::new(Semaphore::new(max_concurrent)), Arc::new(Counters::default()));
        let closing = CancellationToken::new();
        let shared = Shared { max_concurrent, timeout, permits, admission, counters, closing };
        ConcurrentExecutor { shared: Arc::new(shared) }
    }
}

impl fmt::Debug for ConcurrentExecutorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let debug = &mut f.debug_struct("ConcurrentExecutorBuilder");
        debug.field("max_concurrent", &self.max_concurrent).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
