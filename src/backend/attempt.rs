//! What a site is told of an attempt.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::model::{AttemptNo, FileRecord, PoTask, Receipt, TaskId, WorkerId};

/// One attempt at one order.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Its admission number.
    pub task: TaskId,
    /// What was asked for.
    pub order: PoTask,
    /// The number of the attempt, from 1.
    pub no: AttemptNo,
    /// The files that earlier attempts have placed in the order's folder; what is still there is not fetched again.
    pub have: Vec<FileRecord>,
    /// The worker whose session is used.
    pub worker: WorkerId,
    /// When it began, the login included.
    pub begun: Instant,
    /// What it has brought so far.
    pub interim: InterimReceipt,
    /// Cancelled when the run aborts; in a lane also when its deadline has passed.
    pub cancel: CancellationToken,
}

/// What an attempt has brought so far. Told by the site with each file, and read by the worker when it ends the attempt
/// from outside: what is in the order's folder is known all the same.
#[derive(Clone, Debug, Default)]
pub struct InterimReceipt(Arc<Mutex<Option<Receipt>>>);

impl InterimReceipt {
    /// Replaces what was told before.
    pub fn set(&self, receipt: Receipt) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(receipt);
    }

    /// What was told last; none when nothing was.
    #[must_use]
    pub fn get(&self) -> Option<Receipt> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
