//! An order in a lane, from when it is handed in until it is answered.

use futures_util::future;

use super::walk::reason::TabReason;
use crate::backend::{AttemptError, LaneEnd, LaneOrder};
use crate::model::{FailureKind, Receipt};

/// An order of the lane.
pub(crate) struct Job {
    pub(crate) order: LaneOrder,
    /// How often it was begun again after a login.
    pub(crate) logins: u32,
    /// Why it is for the tab.
    pub(crate) reason: TabReason,
}

impl Job {
    /// Answers it.
    pub(crate) fn end(self, result: Result<Receipt, AttemptError>, was_begun: bool, evidence: Option<String>) {
        let po = &self.order.attempt.order.po;
        // what was placed before it was ended, or before another walk failed, is in the order's folder all the same
        let result = result.map_err(|error| {
            let has_files = |receipt: &Receipt| !receipt.files.is_empty();
            let is_told = error.receipt.as_deref().is_some_and(has_files);
            let interim = self.order.attempt.interim.get().filter(|interim| !is_told && has_files(interim));
            AttemptError { receipt: interim.map(Box::new).or(error.receipt), ..error }
        });
        match &result {
            Ok(receipt) => {
                tracing::debug!(%po, lane = ?receipt.lane, reason = receipt.lane_reason, "an order has ended")
            }
            Err(error) => tracing::debug!(%po, kind = %error.kind, was_begun, "an order has failed: {error}"),
        }
        self.order.reply.send(LaneEnd { result, was_begun, evidence });
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.order.attempt.cancel.is_cancelled()
    }
}

/// Waits until one of them is cancelled.
pub(crate) async fn first_cancelled(jobs: impl Iterator<Item = &Job>) {
    let cancelled: Vec<_> = jobs.map(|job| Box::pin(job.order.attempt.cancel.cancelled())).collect();
    if cancelled.is_empty() {
        return future::pending().await;
    }
    future::select_all(cancelled).await;
}

pub(crate) fn interrupted() -> AttemptError {
    AttemptError::new(FailureKind::Interrupted, "the run was stopped before the order was finished")
}

/// How often an order is begun again because the login has ended.
pub(crate) const MAX_LOGINS: u32 = 2;
