//! The control handle: every wish goes through it, from whomever it comes.

use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::task_handle::TaskHandle;
use crate::model::{PoTask, PriorResult, StopKind, StopReason, TaskId};
use crate::pool::pooled_session::PooledSession;
use crate::pool::scheduler::{Input, Request};

/// The one cloneable handle to a running pool. Its methods wait until the dispatcher has taken note (for submissions:
/// until the journal has), never for work to be done. Dropping their futures leaves open whether the wish was noted.
#[derive(Clone, Debug)]
pub struct PoolControl {
    requests: mpsc::Sender<Request>,
    engine: mpsc::UnboundedSender<Input>,
}

/// The pool is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the pool is closed")]
pub struct PoolClosed;

/// Tasks were not accepted; none of the batch was.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The pool drains or is closed.
    #[error("the pool takes no more orders: {0}")]
    Closed(String),
    /// The pool was started without a portal.
    #[error("this pool has no portal: set base_url to submit orders")]
    NoSite,
    /// The journal could not be written.
    #[error("the orders could not be written to the journal: {0}")]
    Journal(String),
}

impl PoolControl {
    pub(crate) fn new(requests: mpsc::Sender<Request>, engine: mpsc::UnboundedSender<Input>) -> Self {
        Self { requests, engine }
    }

    /// Accepts tasks, all or none. An order that is open already is not admitted twice: its handle is handed out again.
    ///
    /// # Errors
    /// [`SubmitError`]; nothing of the batch was accepted.
    pub async fn submit(&self, tasks: Vec<PoTask>) -> Result<Vec<TaskHandle>, SubmitError> {
        let control = self.clone();
        self.ask(|reply| Request::Submit { tasks, control, reply })
            .await
            .unwrap_or_else(|PoolClosed| Err(SubmitError::Closed("it is closed".to_owned())))
    }

    /// Handles to all orders that have no outcome yet, those of a run that is being resumed included.
    ///
    /// # Errors
    /// [`PoolClosed`].
    pub async fn open_tasks(&self) -> Result<Vec<TaskHandle>, PoolClosed> {
        let control = self.clone();
        self.ask(|reply| Request::OpenTasks { control, reply }).await
    }

    /// Starts no new attempts until [`PoolControl::resume`]; running ones go on.
    ///
    /// # Errors
    /// [`PoolClosed`].
    pub async fn pause(&self) -> Result<(), PoolClosed> {
        self.tell(Request::Pause).await
    }

    /// Undoes [`PoolControl::pause`].
    ///
    /// # Errors
    /// [`PoolClosed`].
    pub async fn resume(&self) -> Result<(), PoolClosed> {
        self.tell(Request::Resume).await
    }

    /// Wants `count` workers, at least 1. Fewer: the next ones that are free retire. Memory pressure may keep it lower.
    ///
    /// # Errors
    /// [`PoolClosed`].
    pub async fn scale_to(&self, count: usize) -> Result<(), PoolClosed> {
        self.tell(Request::ScaleTo(count.max(1))).await
    }

    /// Starts no new attempts for good; running ones may go on for the shutdown timeout. Cannot be undone.
    ///
    /// # Errors
    /// [`PoolClosed`].
    pub async fn drain(&self) -> Result<(), PoolClosed> {
        self.drain_because(StopKind::Requested, "the run was stopped before its end").await
    }

    /// [`PoolControl::drain`] with a reason of the caller's own, for the report and the exit code.
    ///
    /// # Errors
    /// [`PoolClosed`].
    pub async fn drain_because(&self, kind: StopKind, message: impl Into<String>) -> Result<(), PoolClosed> {
        self.tell(Request::Drain(StopReason { kind, message: message.into() })).await
    }

    /// [`PoolControl::submit`] with what an earlier run knows, see `PriorResult`. One that is open already is left to its worker.
    ///
    /// # Errors
    /// [`SubmitError`]; nothing of the batch was accepted.
    pub async fn submit_with_past(
        &self,
        orders: Vec<(PoTask, Option<PriorResult>)>,
    ) -> Result<Vec<TaskHandle>, SubmitError> {
        let control = self.clone();
        self.ask(|reply| Request::SubmitWithPast { orders, control, reply })
            .await
            .unwrap_or_else(|PoolClosed| Err(SubmitError::Closed("it is closed".to_owned())))
    }

    /// Drains, and cancels running attempts; their orders stay open. Cannot be undone.
    ///
    /// # Errors
    /// [`PoolClosed`].
    pub async fn abort(&self) -> Result<(), PoolClosed> {
        self.tell(Request::Abort).await
    }

    /// Ends the processes of every session at once, for a caller that is about to leave. Never blocks.
    pub fn kill(&self) {
        self.note(Input::KillAll);
    }

    pub(crate) async fn cancel(&self, task: TaskId) -> Result<bool, PoolClosed> {
        self.ask(|reply| Request::Cancel { task, reply }).await
    }

    pub(crate) async fn lend(&self, reply: oneshot::Sender<PooledSession>) -> Result<(), PoolClosed> {
        self.tell(Request::Lend(crate::pool::pooled_session::AcquireRequest { reply })).await
    }

    pub(crate) async fn close(&self) -> Result<(), PoolClosed> {
        self.tell(Request::Close).await
    }

    /// A word from the engine's own parts.
    pub(crate) fn note(&self, input: Input) {
        let _ = self.engine.send(input); // a dispatcher that is gone needs no more words
    }

    async fn tell(&self, request: Request) -> Result<(), PoolClosed> {
        self.requests.send(request).await.map_err(|_| PoolClosed)
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, PoolClosed> {
        let (reply, answer) = oneshot::channel();
        self.tell(request(reply)).await?;
        answer.await.map_err(|_| PoolClosed)
    }
}
