//! Suspects: orders that crashed two browsers. Each is tried once more after all other orders, alone in a fresh browser.

use std::time::Duration;

use super::Scheduler;
use super::capacity::Recycling;
use crate::model::{TaskId, TaskState};
use crate::policy::{RecycleReason, must_run_alone};

impl Scheduler {
    /// Has a session recycled when a suspect is next, may start, and no worker has a fresh session. Waits for workers that are
    /// about to ask: one of them may bring a fresh session.
    pub(super) fn prepare_for_suspect(&mut self, now: Duration) {
        if !self.is_suspect_next() || self.workers.has_fresh() || !self.workers.are_all_free() {
            return;
        }
        // while the run is paused or the site left alone, a new browser would only wait
        if self.admission.start(now, self.workers.in_work()).is_none() {
            return;
        }
        if let Some((call, worker)) = self.workers.first_free() {
            self.recycle(call, worker, Recycling { reason: RecycleReason::Suspect, is_ahead: false });
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
            Some(TaskState::Ready { counts, .. }) => must_run_alone(*counts),
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
        due.filter(|_| self.workers.has_fresh() || self.workers.are_all_free())
    }
}
