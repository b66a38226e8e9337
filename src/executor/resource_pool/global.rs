//! One pool for a whole program.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thiserror::Error;

use super::ResourcePool;
use super::manage::Manage;
use super::status::CloseSummary;

/// A place for the one pool of a program, made to stand in a `static`.
///
/// It is started and closed by whoever owns the program's life, and used from everywhere in between. After
/// [`GlobalPool::close`] another pool may be started.
pub struct GlobalPool<M: Manage>(Mutex<GlobalState<M>>);

enum GlobalState<M: Manage> {
    NotStarted,
    Running(ResourcePool<M>),
    Closed,
}

/// Why there is no pool, or why there is one already.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum GlobalPoolError {
    /// `init` has not been called.
    #[error("the process-wide pool has not been started: call init before it is used")]
    NotStarted,
    /// `init` was called before.
    #[error("the process-wide pool has been started already: close it before another one is started")]
    AlreadyStarted,
    /// `close` was called before.
    #[error("the process-wide pool has already been closed: use it before it is closed, or start another one")]
    AlreadyClosed,
}

impl<M: Manage> GlobalPool<M> {
    /// A place without a pool.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(GlobalState::NotStarted))
    }

    /// Puts `pool` in its place.
    ///
    /// # Errors
    /// [`GlobalPoolError::AlreadyStarted`].
    pub fn init(&self, pool: ResourcePool<M>) -> Result<(), GlobalPoolError> {
        let mut state = self.lock();
        if let GlobalState::Running(_) = *state {
            drop(state); // before `pool`, whose end runs code
            return Err(GlobalPoolError::AlreadyStarted);
        }
        *state = GlobalState::Running(pool);
        Ok(())
    }

    /// The pool.
    ///
    /// # Errors
    /// [`GlobalPoolError::NotStarted`], [`GlobalPoolError::AlreadyClosed`].
    pub fn get(&self) -> Result<ResourcePool<M>, GlobalPoolError> {
        match &*self.lock() {
            GlobalState::Running(pool) => Ok(pool.clone()),
            GlobalState::NotStarted => Err(GlobalPoolError::NotStarted),
            GlobalState::Closed => Err(GlobalPoolError::AlreadyClosed),
        }
    }

    /// Closes the pool, as [`ResourcePool::close`] does.
    ///
    /// # Errors
    /// [`GlobalPoolError::NotStarted`], [`GlobalPoolError::AlreadyClosed`].
    pub async fn close(&self, within: Duration) -> Result<CloseSummary, GlobalPoolError> {
        let pool = {
            let mut state = self.lock();
            match std::mem::replace(&mut *state, GlobalState::Closed) {
                GlobalState::Running(pool) => pool,
                GlobalState::Closed => return Err(GlobalPoolError::AlreadyClosed),
                GlobalState::NotStarted => {
                    *state = GlobalState::NotStarted;
                    return Err(GlobalPoolError::NotStarted);
                }
            }
        };
        Ok(pool.close(within).await)
    }

    fn lock(&self) -> MutexGuard<'_, GlobalState<M>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Manage> Default for GlobalPool<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Manage> fmt::Debug for GlobalPool<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self.lock() {
            GlobalState::NotStarted => "GlobalPool(not started)",
            GlobalState::Running(_) => "GlobalPool(running)",
            GlobalState::Closed => "GlobalPool(closed)",
        })
    }
}
