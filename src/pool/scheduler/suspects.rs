//! Orders that are kept apart from others: alone in their session, since one ended under them and others; or, as suspects
//! that crashed two browsers, alone in the pool, after all other orders and in a fresh browser.

use std::time::Duration;

use super::Scheduler;
use super::capacity::Recycling;
use crate::model::TaskId;
use crate::policy::RecycleReason;

impl Scheduler {
    /// Takes the next order that must be alone in its session, if it is its turn and a session has no order. Otherwise has
    /// one emptied, while the others go on.
    pub(super) fn take_isolated(&mut self, now: Duration) -> Option<TaskId> {
        if !self.tasks.placement().is_isolated_next(now) {
            None
        } else if self.workers.is_any_empty() {
            self.tasks.take_isolated(now)
        } else {
            self.workers.empty_one();
            None
        }
    }

    /// When the next such order is due, if nothing but that is waited for.
    pub(super) fn next_isolated_due(&self) -> Option<Duration> {
        self.workers.is_any_empty().then(|| self.tasks.placement().next_isolated_due())?
    }

    /// Has a session recycled when suspects are all that is left and no worker has a fresh one. Waits for workers that are
    /// about to ask: one of them may bring a fresh session.
    pub(super) fn prepare_for_suspect(&mut self) {
        let is_due = self.canary.is_none() && self.tasks.placement().is_suspects_turn();
        if !is_due || self.workers.has_fresh() || !self.workers.are_all_empty() {
            return;
        }
        if let Some(worker) = self.workers.first_empty() {
            self.recycle(worker, Recycling { reason: RecycleReason::Suspect, is_ahead: false });
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
