//! A session that a caller borrows.

use tokio::sync::oneshot;

use super::error::AcquireError;
use crate::backend::{Page, Session};
use crate::model::WorkerId;

/// A browser session that the caller has borrowed: nobody else touches it. Dropping it gives it back.
///
/// It may be kept for at most `task_timeout`. Then its processes are killed, and its page fails. A command whose future is
/// dropped midway makes the session unusable; the pool replaces it when it comes back.
pub struct PooledSession {
    worker: WorkerId,
    session: Option<Box<dyn Session>>,
    back: Option<oneshot::Sender<Box<dyn Session>>>,
}

impl PooledSession {
    /// The borrowed session, and the channel through which it comes back.
    pub(crate) fn new(worker: WorkerId, session: Box<dyn Session>) -> (Self, oneshot::Receiver<Box<dyn Session>>) {
        let (back, returned) = oneshot::channel();
        (Self { worker, session: Some(session), back: Some(back) }, returned)
    }

    /// The worker whose session it is.
    #[must_use]
    pub fn worker(&self) -> WorkerId {
        self.worker
    }

    /// The page, with all that can be done on it. The next borrower, and the next order, find tab, cookies and cache as they
    /// are left.
    ///
    /// # Errors
    /// [`AcquireError::Gone`] when its time was up, or its browser ended.
    pub fn page(&mut self) -> Result<&mut dyn Page, AcquireError> {
        match &mut self.session {
            Some(session) if session.is_usable() => Ok(session.page()),
            Some(_) | None => Err(AcquireError::Gone),
        }
    }

    /// Takes the session back from a borrower that was gone before it got it.
    pub(crate) fn into_session(mut self) -> Option<Box<dyn Session>> {
        self.session.take()
    }
}

impl std::fmt::Debug for PooledSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PooledSession").field("worker", &self.worker).finish_non_exhaustive()
    }
}

impl Drop for PooledSession {
    fn drop(&mut self) {
        if let (Some(back), Some(session)) = (self.back.take(), self.session.take()) {
            // a worker that no longer waits lets it drop, which ends it
            drop(back.send(session));
        }
    }
}
