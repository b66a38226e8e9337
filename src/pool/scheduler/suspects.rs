//! Orders that are kept apart from others: alone in their session, since one ended under them and others; or, as suspects
//! that crashed two browsers, alone in the pool, after all other orders and in a fresh browser.

use std::time::Duration;

use super::Scheduler;
use super::capacity::Recycling;
use crate::model::{TaskId, TaskState};
use crate::policy::{Isolation, RecycleReason, isolation};

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

    /// Has a session recycled when a suspect is next, may start, and no worker has a fresh session. Waits for workers that are
    /// about to ask: one of them may bring a fresh session.
    pub(super) fn prepare_for_suspect(&mut self, now: Duration) {
        if !self.is_suspect_next() || self.workers.has_fresh() || !self.workers.are_all_empty() {
            return;
        }
        // while the run is paused or the site left alone, a new browser would only wait
        if self.admission.start(now, self.workers.in_work()).is_none() {
            return;
        }
        if let Some(worker) = self.workers.first_empty() {
            self.recycle(worker, Recycling { reason: RecycleReason::Suspect, is_ahead: false });
        }
    }

    /// Whether suspects are all that may start. The canary is, as long as it has not passed.
    fn is_suspect_next(&self) -> bool {
        match &self.canary {
            None => self.tasks.placement().is_suspects_turn(),
            Some(canary) => self.tasks.by_po(&canary.po).is_some_and(|(task, _)| self.waits_as_suspect(task)),
        }
    }

    /// Whether the task waits for a fresh session.
    pub(super) fn waits_as_suspect(&self, task: TaskId) -> bool {
        match self.tasks.state(task) {
            Some(TaskState::Ready { counts, .. }) => isolation(*counts) == Isolation::Pool,
            Some(TaskState::Leased { .. } | TaskState::Settled { .. }) | None => false,
        }
    }

    /// Takes the next suspect, if it is its turn and a worker has a fresh session.
    pub(super) fn take_suspect(&mut self, now: Duration) -> Option<TaskId> {
        self.workers.has_fresh().then(|| self.tasks.take_suspect(now))?
    }

    /// When the next suspect is due, if nothing but that is waited for.
    pub(super) fn next_suspect_due(&self) -> Option<Duration> {
        self.when_fresh(self.tasks.placement().next_suspect_due())
    }

    /// When a suspect that is due at `due` may start: not while a session is closed for it. If there is none to close yet, the site is
    /// left alone, and the end of that is waited for.
    pub(super) fn when_fresh(&self, due: Option<Duration>) -> Option<Duration> {
        due.filter(|_| self.workers.has_fresh() || self.workers.are_all_empty())
    }
}
