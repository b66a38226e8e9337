//! What a site is told of an attempt.

use tokio_util::sync::CancellationToken;

use crate::model::{AttemptNo, FileRecord, PoTask, TaskId, WorkerId};

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
    /// Cancelled when the run aborts; in a lane also when its deadline has passed.
    pub cancel: CancellationToken,
}
