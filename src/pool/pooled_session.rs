//! Sessions lent to a caller's own code.

use std::time::Duration;

use thiserror::Error;
use tokio::sync::oneshot;

use crate::backend::{Page, Session};
use crate::model::WorkerId;

/// A caller waits for a session.
#[derive(Debug)]
pub(crate) struct AcquireRequest {
    pub(crate) reply: oneshot::Sender<PooledSession>,
}

/// A browser session on loan from the pool: nobody else touches it until it is dropped, which gives it back.
///
/// A loan lasts at most the pool's `task_timeout`; then the session's processes are ended and its verbs fail. A command
/// whose future is dropped midway makes the session unusable; the pool replaces it when it comes back.
pub struct PooledSession {
    worker: WorkerId,
    session: Option<Box<dyn Session>>,
    back: Option<oneshot::Sender<Box<dyn Session>>>,
}

impl PooledSession {
    /// The loan, and where the session comes back to.
    pub(crate) fn new(worker: WorkerId, session: Box<dyn Session>) -> (Self, oneshot::Receiver<Box<dyn Session>>) {
        let (back, returned) = oneshot::channel();
        (Self { worker, session: Some(session), back: Some(back) }, returned)
    }

    /// Whose session it is.
    #[must_use]
    pub fn worker(&self) -> WorkerId {
        self.worker
    }

    /// The verbs. A session that keeps its tab, cookies and cache between loans is the point of the pool: leave it as
    /// you would want to find it.
    ///
    /// # Errors
    /// [`AcquireError::Gone`] when the session is not usable any more.
    pub fn page(&mut self) -> Result<&mut dyn Page, AcquireError> {
        match &mut self.session {
            Some(session) if session.is_usable() => Ok(session.page()),
            Some(_) | None => Err(AcquireError::Gone),
        }
    }

    /// Takes the session out for good: used when the borrower was gone before the loan reached it.
    pub(crate) fn into_session(mut self) -> Option<Box<dyn Session>> {
        self.session.take()
    }
}

impl std::fmt::Debug for PooledSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LentSession").field("worker", &self.worker).finish_non_exhaustive()
    }
}

impl Drop for PooledSession {
    fn drop(&mut self) {
        if let (Some(back), Some(session)) = (self.back.take(), self.session.take()) {
            // when the worker has given the loan up, the session comes back here and its own drop ends it
            drop(back.send(session));
        }
    }
}

/// A session could not be lent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AcquireError {
    /// The pool drains or is closed.
    #[error("the pool lends no more sessions: it is shutting down")]
    Closed,
    /// None was free in time.
    #[error("no session was free within {0:?}")]
    Busy(Duration),
    /// The loan ran out or the browser is gone.
    #[error("the session is gone: the loan ran out, or the browser ended")]
    Gone,
}
