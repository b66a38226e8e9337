//! A pool of anything that is dear to make: lent one at a time, cleaned when it comes back, replaced when it cannot be.

mod breaker;
mod builder;
mod error;
mod global;
mod guard;
mod manage;
mod options;
mod shared;
mod state;
mod status;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use self::shared::{Asked, Held, LastHandle, Shared, instant_after};

pub use breaker::CircuitState;
pub use builder::ResourcePoolBuilder;
pub use error::{BuildError, ResourcePoolError, Wait};
pub use global::{GlobalPool, GlobalPoolError};
pub use guard::ResourceGuard;
pub use manage::{Condition, Manage};
pub use status::{CloseSummary, ResourcePoolStatus};

/// Lends resources that a [`Manage`] makes, cleans and destroys. Cloneable; all clones are one pool.
///
/// At most `max_size` resources exist at a time, those that are being made, cleaned or destroyed included. Who asks first is
/// served first. A resource that comes back is cleaned at once, by a task of the pool, so that it neither waits in the state
/// of its last holder nor is lent in it; one that is on its way back is waited for before another one is made.
///
/// All three verbs run in tasks of the pool. An `acquire` that is dropped loses its place in the line and nothing else: what
/// was being made for it is for the next one.
///
/// When the last clone is dropped, the pool closes itself as [`ResourcePool::close`] does, and nobody waits for that.
pub struct ResourcePool<M: Manage> {
    handle: Arc<LastHandle<M>>,
}

impl<M: Manage> ResourcePool<M> {
    /// Begins a pool of what `manage` makes.
    pub fn builder(manage: M) -> ResourcePoolBuilder<M> {
        ResourcePoolBuilder::new(manage)
    }

    fn new(shared: Shared<M>) -> Self {
        Self { handle: Arc::new(LastHandle(Arc::new(shared))) }
    }

    /// Borrows a resource, within the pool's `acquire_timeout` (default 30 s). Dropping the future gives up the place in the
    /// line.
    ///
    /// # Errors
    /// [`ResourcePoolError::Timeout`] says which wait ran out, [`ResourcePoolError::Create`] and
    /// [`ResourcePoolError::CreatePanicked`] why none could be made, [`ResourcePoolError::CircuitOpen`] that none is tried
    /// just now, [`ResourcePoolError::Closed`] and [`ResourcePoolError::RuntimeGone`] that none will come any more.
    pub async fn acquire(&self) -> Result<ResourceGuard<M>, ResourcePoolError<M::Error>> {
        self.acquire_timeout(self.shared().options().acquire_timeout).await
    }

    /// [`ResourcePool::acquire`] within `limit`, which covers all its waits. With no time at all it lends what is idle.
    ///
    /// # Errors
    /// As there.
    pub async fn acquire_timeout(&self, limit: Duration) -> Result<ResourceGuard<M>, ResourcePoolError<M::Error>> {
        let deadline = instant_after(limit);
        let mut is_first_in_line = false;
        loop {
            let mut held = self.wait_in_line(is_first_in_line, deadline, limit).await?;
            if self.shared().is_alive(&held.resource) {
                held.is_untouched = false;
                return Ok(ResourceGuard::new(held));
            }
            // it died while it was idle; who waited for it keeps the place
            held.is_dirty = true;
            drop(held);
            is_first_in_line = true;
        }
    }

    fn shared(&self) -> &Arc<Shared<M>> {
        &self.handle.0
    }

    async fn wait_in_line(
        &self,
        is_first_in_line: bool,
        deadline: Instant,
        limit: Duration,
    ) -> Result<Held<M>, ResourcePoolError<M::Error>> {
        let (ticket, mut granted) = match self.shared().ask(is_first_in_line)? {
            Asked::Lent(held) => return Ok(held),
            Asked::InLine(ticket, granted) => (ticket, granted),
        };
        self.shared().pump();
        let grant = match timeout_at(deadline, &mut granted).await {
            Ok(grant) => grant,
            Err(_) => match ticket.leave() {
                Some(wait) => return Err(ResourcePoolError::Timeout { wait, after: limit }),
                // it was called at the last moment: the grant is there, or on its way from another thread
                None => granted.await,
            },
        };
        grant.unwrap_or(Err(ResourcePoolError::RuntimeGone))
    }

    /// What the pool holds and has done, at one moment.
    #[must_use]
    pub fn status(&self) -> ResourcePoolStatus {
        self.shared().status()
    }

    /// Ends the pool: whoever waits, and whoever comes later, gets [`ResourcePoolError::Closed`]; what is idle, being made or
    /// being cleaned is destroyed. Returns when nothing is left, or after `within`. What is still lent then is destroyed when
    /// it comes back. May be called more than once; dropping the future stops only the waiting.
    pub async fn close(&self, within: Duration) -> CloseSummary {
        self.shared().begin_close();
        self.shared().until_empty(instant_after(within)).await
    }

    /// Whether the pool has been closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared().is_closed()
    }
}

impl<M: Manage> Clone for ResourcePool<M> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone() }
    }
}

impl<M: Manage> fmt::Debug for ResourcePool<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourcePool").field("status", &self.status()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
