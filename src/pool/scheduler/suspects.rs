//! Suspects: orders that crashed two browsers. Each is tried once more after all other orders, alone in a fresh browser.

use std::time::Duration;

use super::Scheduler;
use super::capacity::Recycling;
use crate::model::TaskId;
use crate::policy::RecycleReason;

impl Scheduler {
    /// Has a session recycled when suspects are all that is left and no worker has a fresh one. Waits for workers that are
    /// about to ask: one of them may bring a fresh session.
    pub(super) fn prepare_for_suspect(&mut self) {
        let is_due = self.canary.is_none() && self.tasks.placement().is_suspects_turn();
        if !is_due || self.workers.has_fresh() || !self.workers.are_all_free() {
            return;
        }
        if let Some((call, worker)) = self.workers.first_free() {
            self.recycle(call, worker, Recycling { reason: RecycleReason::Suspect, is_ahead: false });
        }
    }

    /// Takes the next suspect, if it is its turn and a worker has a fresh session.
    pub(super) fn take_suspect(&mut self, now: Duration) -> Option<TaskId> {
        self.workers.has_fresh().then(|| self.tasks.take_suspect(now))?
    }

    /// When the next suspect is due, if nothing but that is waited for.
    pub(super) fn next_suspect_due(&self) -> Option<Duration> {
        self.workers.has_fresh().then(|| self.tasks.placement().next_suspect_due())?
    }
}
