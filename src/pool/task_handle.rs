//! What the caller keeps of a task.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::control::{PoolClosed, PoolControl};
use crate::model::{Outcome, PoNumber, TaskId, WorkerId};

/// Where a task stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskStatus {
    /// Waits for a worker, or for its next try.
    Pending,
    /// A worker has it.
    Running(WorkerId),
    /// It has its outcome.
    Settled(Arc<Outcome>),
    /// The pool closed before it did: it is open still and can be submitted to the next one.
    NotDone,
}

/// Follows one task. Cheap to clone; dropping it changes nothing for the task.
#[derive(Clone, Debug)]
pub struct TaskHandle {
    task: TaskId,
    po: PoNumber,
    cell: Arc<TaskCell>,
    control: PoolControl,
}

impl TaskHandle {
    pub(crate) fn new(task: TaskId, po: PoNumber, cell: Arc<TaskCell>, control: PoolControl) -> Self {
        Self { task, po, cell, control }
    }

    /// Its admission number.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.task
    }

    /// Which order it is about.
    #[must_use]
    pub fn po(&self) -> &PoNumber {
        &self.po
    }

    /// Where it stands now. Never blocks.
    #[must_use]
    pub fn status(&self) -> TaskStatus {
        self.cell.status()
    }

    /// The outcome, once it has one.
    #[must_use]
    pub fn outcome(&self) -> Option<Arc<Outcome>> {
        match self.status() {
            TaskStatus::Settled(outcome) => Some(outcome),
            TaskStatus::Pending | TaskStatus::Running(_) | TaskStatus::NotDone => None,
        }
    }

    /// Cancels the task if no worker has it. Returns whether it did; the outcome is then `Skipped`. A task that is
    /// running is not disturbed.
    ///
    /// # Errors
    /// [`PoolClosed`] when the pool is gone.
    pub async fn cancel(&self) -> Result<bool, PoolClosed> {
        self.control.cancel(self.task).await
    }

    /// Waits for the outcome, at most `timeout` if one is given. `None` when the time is over or the pool closed before
    /// the task was done ([`TaskHandle::status`] tells which). Dropping the future changes nothing for the task.
    pub async fn wait(&self, timeout: Option<Duration>) -> Option<Arc<Outcome>> {
        let ended = self.cell.ended();
        match timeout {
            Some(limit) => tokio::time::timeout(limit, ended).await.ok().flatten(),
            None => ended.await,
        }
    }
}

/// The place where the dispatcher writes a task's status and its handles read it.
#[derive(Debug)]
pub(crate) struct TaskCell {
    status: Mutex<TaskStatus>,
    ended: Notify,
}

impl TaskCell {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { status: Mutex::new(TaskStatus::Pending), ended: Notify::new() })
    }

    pub(crate) fn tell(&self, status: TaskStatus) {
        let is_end = matches!(status, TaskStatus::Settled(_) | TaskStatus::NotDone);
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
        if is_end {
            self.ended.notify_waiters();
        }
    }

    /// The pool closes: a task without an outcome will get none.
    pub(crate) fn give_up(&self) {
        if !matches!(self.status(), TaskStatus::Settled(_)) {
            self.tell(TaskStatus::NotDone);
        }
    }

    fn status(&self) -> TaskStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn ended(&self) -> Option<Arc<Outcome>> {
        loop {
            let mut notified = std::pin::pin!(self.ended.notified());
            notified.as_mut().enable(); // before the look, so that an end in between is not missed
            match self.status() {
                TaskStatus::Settled(outcome) => return Some(outcome),
                TaskStatus::NotDone => return None,
                TaskStatus::Pending | TaskStatus::Running(_) => notified.await,
            }
        }
    }
}
