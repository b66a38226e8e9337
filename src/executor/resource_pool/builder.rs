//! How a pool is built.

use std::time::Duration;

use tokio::runtime::Handle;

use super::ResourcePool;
use super::breaker::BreakerOptions;
use super::error::BuildError;
use super::manage::Manage;
use super::options::Options;
use super::shared::Shared;

/// Builds a [`ResourcePool`].
#[derive(Debug)]
#[must_use = "nothing is built before `build`"]
pub struct ResourcePoolBuilder<M: Manage> {
    manage: M,
    options: Options,
}

impl<M: Manage> ResourcePoolBuilder<M> {
    pub(super) fn new(manage: M) -> Self {
        Self { manage, options: Options::default() }
    }

    /// How many resources may exist at a time; default 10.
    pub fn max_size(mut self, max_size: usize) -> Self {
        self.options.max_size = max_size;
        self
    }

    /// How long `acquire` waits, all in all; default 30 s.
    pub fn acquire_timeout(mut self, limit: Duration) -> Self {
        self.options.acquire_timeout = limit;
        self
    }

    /// How long a resource may take to be made; default 60 s.
    pub fn create_timeout(mut self, limit: Duration) -> Self {
        self.options.create_timeout = limit;
        self
    }

    /// How long a returned resource may take to be checked and cleaned; default 10 s.
    pub fn recycle_timeout(mut self, limit: Duration) -> Self {
        self.options.recycle_timeout = limit;
        self
    }

    /// How long a resource may take to end; default 10 s.
    pub fn destroy_timeout(mut self, limit: Duration) -> Self {
        self.options.destroy_timeout = limit;
        self
    }

    /// After how many failures in a row no resource is made for a while, and the first and the longest pause; default 3, 1 s
    /// and 60 s. A pause doubles with each failed trial.
    pub fn circuit_breaker(mut self, threshold: u32, first_pause: Duration, longest_pause: Duration) -> Self {
        let threshold = threshold.max(1);
        self.options.breaker = BreakerOptions { threshold, first_pause, longest_pause };
        self
    }

    /// The pool. It has no resource until one is acquired.
    ///
    /// # Errors
    /// [`BuildError::NoRuntime`] outside of a tokio runtime, [`BuildError::ZeroSize`].
    pub fn build(self) -> Result<ResourcePool<M>, BuildError> {
        let runtime = Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        if self.options.max_size == 0 {
            return Err(BuildError::ZeroSize);
        }
        Ok(ResourcePool::new(Shared::new(self.manage, self.options, runtime)))
    }
}
