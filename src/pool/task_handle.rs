//! What a caller keeps of a task.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use super::error::{PoolClosed, WaitError};
use super::mailbox::{FollowedTask, Mailbox};
use super::task_status::TaskStatus;
use crate::backend::BoxFuture;
use crate::model::{Outcome, PoNumber, TaskId};

/// Follows one task. Awaiting the handle, or a reference to it, waits for the task's outcome without a time limit, as
/// [`TaskHandle::wait`] does.
///
/// Cheap to clone. Dropping it changes nothing for the task, which continues; [`TaskHandle::cancel`] cancels it.
///
/// ```no_run
/// # use coupa_batch::{PersistentWorkerPool, PoTask};
/// # async fn example(pool: PersistentWorkerPool) -> Result<(), Box<dyn std::error::Error>> {
/// let handles = pool.submit_tasks([PoTask::new("PO15262984".parse()?)]).await?;
/// for handle in handles {
///     let outcome = handle.await?;
///     println!("{}", outcome.status());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TaskHandle {
    task: FollowedTask,
    mailbox: Mailbox,
}

impl TaskHandle {
    pub(crate) fn new(task: FollowedTask, mailbox: Mailbox) -> Self {
        Self { task, mailbox }
    }

    /// The number of its admission, which counts from 1 within a run.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.task.task
    }

    /// Its order, as it was first written.
    #[must_use]
    pub fn po(&self) -> &PoNumber {
        &self.task.po
    }

    /// The current status of the task. Never blocks.
    #[must_use]
    pub fn status(&self) -> TaskStatus {
        self.task.cell.status()
    }

    /// The outcome, if the task has one. Never blocks.
    #[must_use]
    pub fn outcome(&self) -> Option<Arc<Outcome>> {
        outcome(self.status())
    }

    /// Cancels the task if no worker has it, and returns whether it did. Its outcome is then `Skipped`. A running task
    /// is left alone. Dropping the future leaves open whether the task is cancelled.
    ///
    /// # Errors
    /// [`PoolClosed`].
    pub async fn cancel(&self) -> Result<bool, PoolClosed> {
        self.mailbox.cancel(self.id()).await
    }

    /// Waits for the outcome, at most `timeout`; `None` sets no limit. Dropping the future changes nothing for the
    /// task.
    ///
    /// # Errors
    /// [`WaitError::OrderTimedOut`] when the time is over, [`WaitError::OrderNotDone`] when the pool stopped first.
    pub async fn wait(&self, timeout: Option<Duration>) -> Result<Arc<Outcome>, WaitError> {
        let ended = self.task.cell.ended();
        let status = match timeout {
            None => ended.await,
            Some(limit) => tokio::time::timeout(limit, ended)
                .await
                .map_err(|_elapsed| WaitError::OrderTimedOut { po: self.po().clone(), limit })?,
        };
        outcome(status).ok_or_else(|| WaitError::OrderNotDone { po: self.po().clone() })
    }
}

fn outcome(status: TaskStatus) -> Option<Arc<Outcome>> {
    match status {
        TaskStatus::Settled(outcome) => Some(outcome),
        TaskStatus::Pending | TaskStatus::Running(_) | TaskStatus::NotDone => None,
    }
}

impl IntoFuture for TaskHandle {
    type Output = Result<Arc<Outcome>, WaitError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.wait(None).await })
    }
}

impl<'a> IntoFuture for &'a TaskHandle {
    type Output = Result<Arc<Outcome>, WaitError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.wait(None))
    }
}
