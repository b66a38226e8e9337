//! The handle through which a running pool is steered.

use super::error::{PoolClosed, SubmitError};
use super::mailbox::Mailbox;
use super::scheduler::Request;
use super::task_handle::TaskHandle;
use crate::model::{PoTask, PriorResult, StopKind, StopReason};

/// Cloneable handle to a running pool: submit, pause, scale, drain, abort, kill. Command line, signals and callers all use
/// it.
///
/// Submissions and [`PoolControl::open_tasks`] wait for the pool's answer. The other methods return as soon as the request
/// is in the channel; none waits for work to be done. Dropping a future leaves open whether the request is carried out.
/// Dropping the handle changes nothing.
#[derive(Clone, Debug)]
pub struct PoolControl {
    mailbox: Mailbox,
}

impl PoolControl {
    pub(crate) fn new(mailbox: Mailbox) -> Self {
        Self { mailbox }
    }

    /// Accepts tasks, all or none; the handles come in the order of the tasks. When it returns, the journal holds them. An
    /// order that is open already is not admitted twice: the handle is that of its first task.
    ///
    /// # Errors
    /// [`SubmitError`]; none of the tasks was accepted.
    pub async fn submit(&self, tasks: Vec<PoTask>) -> Result<Vec<TaskHandle>, SubmitError> {
        self.submit_with_prior(tasks.into_iter().map(|task| (task, None)).collect()).await
    }

    /// [`PoolControl::submit`] with what an earlier run knows of each order. An order that is open already is left as it
    /// is.
    ///
    /// # Errors
    /// [`SubmitError`]; none of the tasks was accepted.
    #[doc(hidden)]
    pub async fn submit_with_prior(
        &self,
        orders: Vec<(PoTask, Option<PriorResult>)>,
    ) -> Result<Vec<TaskHandle>, SubmitError> {
        let tasks = self.mailbox.submit(orders).await?;
        Ok(tasks.into_iter().map(|task| TaskHandle::new(task, self.mailbox.clone())).collect())
    }

    /// Handles to all orders without an outcome, those of a resumed run included, in the order of their admission.
    ///
    /// # Errors
    /// [`PoolClosed`].
    pub async fn open_tasks(&self) -> Result<Vec<TaskHandle>, PoolClosed> {
        let tasks = self.mailbox.open_tasks().await?;
        Ok(tasks.into_iter().map(|task| TaskHandle::new(task, self.mailbox.clone())).collect())
    }

    /// Starts no more attempts, and lends no more sessions, until [`PoolControl::resume`]. Running ones go on.
    ///
    /// # Errors
    /// [`PoolClosed`].
    pub async fn pause(&self) -> Result<(), PoolClosed> {
        self.mailbox.tell(Request::Pause).await
    }

    /// Undoes [`PoolControl::pause`].
    ///
    /// # Errors
    /// [`PoolClosed`].
    pub async fn resume(&self) -> Result<(), PoolClosed> {
        self.mailbox.tell(Request::Resume).await
    }

    /// Sets the number of workers, at least 1, for good: it no longer follows the load. Surplus workers retire after their
    /// orders. While memory is short there may be fewer.
    ///
    /// # Errors
    /// [`PoolClosed`].
    pub async fn scale_to(&self, count: usize) -> Result<(), PoolClosed> {
        self.mailbox.tell(Request::ScaleTo(count.max(1))).await
    }

    /// Starts no more attempts. Running ones may go on for `shutdown_timeout`, then they are cancelled. Orders without an
    /// outcome stay open. Cannot be undone.
    ///
    /// # Errors
    /// [`PoolClosed`].
    pub async fn drain(&self) -> Result<(), PoolClosed> {
        self.drain_because(StopKind::Requested, "the run was stopped before its end").await
    }

    /// [`PoolControl::drain`] with the caller's own reason, for the report and the exit code.
    ///
    /// # Errors
    /// [`PoolClosed`].
    pub async fn drain_because(&self, kind: StopKind, message: impl Into<String>) -> Result<(), PoolClosed> {
        self.mailbox.tell(Request::Drain(StopReason { kind, message: message.into() })).await
    }

    /// Drains, and cancels running attempts; their orders stay open. Cannot be undone.
    ///
    /// # Errors
    /// [`PoolClosed`].
    pub async fn abort(&self) -> Result<(), PoolClosed> {
        self.mailbox.tell(Request::Abort).await
    }

    /// Kills the processes of every session, and aborts: for a caller that is about to leave. The processes end as soon as the
    /// journal has answered the turn under way. Never blocks.
    pub fn kill(&self) {
        self.mailbox.kill();
    }

    pub(crate) async fn close(&self) -> Result<(), PoolClosed> {
        self.mailbox.tell(Request::Close).await
    }
}
