//! The status of a task, and the cell in which its handles read it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::model::{Outcome, WorkerId};

/// Where a task stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskStatus {
    /// It waits for a worker, or for its next try.
    Pending,
    /// A worker has it.
    Running(WorkerId),
    /// It has its outcome.
    Settled(Arc<Outcome>),
    /// The pool ended before the task did. The order is open: a resumed run, or another pool, fetches it.
    NotDone,
}

/// The status of one task: the dispatcher writes it, its handles read it.
#[derive(Debug)]
pub(crate) struct TaskCell {
    status: Mutex<TaskStatus>,
    ended: Notify,
}

impl TaskCell {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { status: Mutex::new(TaskStatus::Pending), ended: Notify::new() })
    }

    /// Shows another status, and wakes those who wait if it is the last one.
    pub(crate) fn set(&self, status: TaskStatus) {
        let is_end = is_end(&status);
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
        if is_end {
            self.ended.notify_waiters();
        }
    }

    pub(crate) fn status(&self) -> TaskStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the last status. Dropping the future loses nothing.
    pub(crate) async fn ended(&self) -> TaskStatus {
        loop {
            let mut notified = std::pin::pin!(self.ended.notified());
            notified.as_mut().enable(); // before the status is read, so that no end is missed
            let status = self.status();
            if is_end(&status) {
                return status;
            }
            notified.await;
        }
    }
}

fn is_end(status: &TaskStatus) -> bool {
    match status {
        TaskStatus::Settled(_) | TaskStatus::NotDone => true,
        TaskStatus::Pending | TaskStatus::Running(_) => false,
    }
}
