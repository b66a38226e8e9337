//! Replaces a worker's session without a pause: the next one opens while the old one works, and the old one closes while
//! the next one works.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::backend::{CloseReport, Session, SessionError, SessionFactory};
use crate::model::{Stage, WorkerId};
use crate::policy::RecycleReason;
use crate::pool::scheduler::DesiredState;

/// Sessions beside a worker's own: the next one and old ones. Dropping it kills them.
#[derive(Default)]
pub(crate) struct Handover {
    opening: JoinSet<OpenResult>,
    /// Why the worker's own session is to go.
    reason: Option<RecycleReason>,
    closing: JoinSet<CloseReport>,
}

type OpenResult = Result<Box<dyn Session>, SessionError>;

/// The next session is open, or could not be opened.
pub(crate) struct HandoverReady {
    pub(crate) opened: OpenResult,
    /// Why the worker's own session is to go.
    pub(crate) reason: RecycleReason,
}

impl Handover {
    /// Starts opening the next session.
    pub(crate) fn begin(
        &mut self,
        sessions: Arc<dyn SessionFactory>,
        worker: WorkerId,
        reason: RecycleReason,
        timeout: Duration,
    ) {
        self.reason = Some(reason);
        self.opening.spawn(async move {
            let opened = tokio::time::timeout(timeout, sessions.open(worker)).await;
            opened.unwrap_or_else(|_| {
                let timeout = humantime::format_duration(timeout);
                Err(SessionError::NotStarted(format!("it was not ready within {timeout} (startup_timeout)")))
            })
        });
    }

    /// The next session, if opening it was begun and has ended.
    pub(crate) fn try_next(&mut self) -> Option<HandoverReady> {
        let opened = unfold(self.opening.try_join_next()?);
        Some(HandoverReady { opened, reason: self.reason? })
    }

    /// Waits for the next session, forever if none is being opened. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> HandoverReady {
        if let Some(reason) = self.reason
            && let Some(opened) = self.opening.join_next().await
        {
            return HandoverReady { opened: unfold(opened), reason };
        }
        std::future::pending().await
    }

    /// Closes a session whose successor has taken over.
    pub(crate) fn close(&mut self, session: Box<dyn Session>) {
        self.closing.spawn(session.close());
    }

    /// Closes everything, and says what could not be removed. Unless the pool aborts, it waits for a session that is being
    /// opened: killing one while it starts is the surest way to leave something behind.
    pub(crate) async fn end(mut self, desired: &mut watch::Receiver<DesiredState>) -> Vec<String> {
        let mut leftovers = Vec::new();
        while !self.opening.is_empty() {
            tokio::select! {
                Some(opened) = self.opening.join_next() => {
                    if let Ok(session) = unfold(opened) {
                        leftovers.extend(session.close().await.leftovers);
                    }
                }
                () = aborted(desired) => self.opening.shutdown().await,
            }
        }
        while let Some(closed) = self.closing.join_next().await {
            match closed {
                Ok(report) => leftovers.extend(report.leftovers),
                Err(broke) => leftovers.push(format!("closing an old browser failed: {broke}")),
            }
        }
        leftovers
    }
}

async fn aborted(desired: &mut watch::Receiver<DesiredState>) {
    // an error means that the dispatcher is gone, which is an abort too
    let _ = desired.wait_for(|desired| desired.stage >= Stage::Aborting).await;
}

fn unfold(opened: Result<OpenResult, JoinError>) -> OpenResult {
    opened.unwrap_or_else(|broke| Err(SessionError::NotStarted(format!("internal error: {broke}"))))
}
