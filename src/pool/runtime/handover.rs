//! A worker's next session, opened while the one before still works, and the old one, closed while the next works.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::backend::{CloseReport, Session, SessionError, SessionFactory};
use crate::model::{Stage, WorkerId};
use crate::policy::RecycleReason;
use crate::pool::scheduler::DesiredState;

/// What stands beside a worker's session. Dropping it ends both.
#[derive(Default)]
pub(crate) struct Handover {
    opening: JoinSet<Opened>,
    /// Why the one before is to go.
    worn: Option<RecycleReason>,
    closing: JoinSet<CloseReport>,
}

type Opened = Result<Box<dyn Session>, SessionError>;

/// A session that is to take over, or why there is none.
pub(crate) struct Next {
    pub(crate) opened: Opened,
    pub(crate) worn: RecycleReason,
}

impl Handover {
    /// Starts opening the next session.
    pub(crate) fn begin(
        &mut self,
        sessions: Arc<dyn SessionFactory>,
        worker: WorkerId,
        worn: RecycleReason,
        deadline: Duration,
    ) {
        self.worn = Some(worn);
        self.opening.spawn(async move {
            let opened = tokio::time::timeout(deadline, sessions.open(worker)).await;
            opened.unwrap_or_else(|_| Err(SessionError::NotStarted(format!("it was not ready within {deadline:?}"))))
        });
    }

    /// The next session, if it was begun and has come up, or failed to, by now.
    pub(crate) fn try_next(&mut self) -> Option<Next> {
        let opened = unfold(self.opening.try_join_next()?);
        Some(Next { opened, worn: self.worn? })
    }

    /// Waits for the next session; for ever if none was begun. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Next {
        if let Some(worn) = self.worn
            && let Some(opened) = self.opening.join_next().await
        {
            return Next { opened: unfold(opened), worn };
        }
        std::future::pending().await
    }

    /// Closes a session that another one has taken over from.
    pub(crate) fn close(&mut self, session: Box<dyn Session>) {
        self.closing.spawn(session.close());
    }

    /// Closes everything, and says what it left. A session that is still being opened is waited for, since killing one in
    /// the middle of its start is the surest way to leave something behind; unless the pool aborts.
    pub(crate) async fn end(mut self, directive: &mut watch::Receiver<DesiredState>) -> Vec<String> {
        let mut leftovers = Vec::new();
        while !self.opening.is_empty() {
            tokio::select! {
                Some(opened) = self.opening.join_next() => {
                    if let Ok(session) = unfold(opened) {
                        leftovers.extend(session.close().await.leftovers);
                    }
                }
                () = aborted(directive) => self.opening.shutdown().await,
            }
        }
        while let Some(closed) = self.closing.join_next().await {
            match closed {
                Ok(report) => leftovers.extend(report.leftovers),
                Err(broke) => leftovers.push(format!("closing an old browser broke off: {broke}")),
            }
        }
        leftovers
    }
}

async fn aborted(directive: &mut watch::Receiver<DesiredState>) {
    // an error means that the dispatcher is gone, which is an abort too
    let _ = directive.wait_for(|directive| directive.stage >= Stage::Aborting).await;
}

fn unfold(opened: Result<Opened, JoinError>) -> Opened {
    opened.unwrap_or_else(|broke| Err(SessionError::NotStarted(format!("opening it broke off: {broke}"))))
}
