//! The gate of the run: while the canary has not passed, it is the only order that may start.

use std::time::Duration;

use super::Scheduler;
use crate::model::{Entry, Failure, FailureKind, Outcome, PoNumber, StopReason, TaskId, TaskState};
use crate::policy::judge_canary;

impl Scheduler {
    /// Whether the order is the canary, and has not passed yet.
    pub(super) fn is_canary(&self, po: &PoNumber) -> bool {
        self.canary.as_ref().is_some_and(|canary| canary.po == *po)
    }

    /// Takes the next order that is due and may start.
    pub(super) fn take_next(&mut self, now: Duration) -> Option<TaskId> {
        match &self.canary {
            None => self.take_isolated(now).or_else(|| self.take_other(now)),
            Some(canary) => {
                let (task, _) = self.tasks.by_po(&canary.po)?;
                self.tasks.take(task, now)
            }
        }
    }

    /// Takes the next order that may be beside others, or else a suspect.
    fn take_other(&mut self, now: Duration) -> Option<TaskId> {
        // the last free worker may be held back for an order that must be alone
        let next = self.workers.is_any_free().then(|| self.tasks.take_next(now))?;
        next.or_else(|| self.take_suspect(now))
    }

    /// When the next order that may start is due; none when no such order waits.
    pub(super) fn next_due(&self) -> Option<Duration> {
        match &self.canary {
            None => {
                let others = self.tasks.placement().next_due();
                others.into_iter().chain(self.next_isolated_due()).min().or_else(|| self.next_suspect_due())
            }
            Some(canary) => self.tasks.due_of(self.tasks.by_po(&canary.po)?.0),
        }
    }

    /// Why the run stops, when `task` is the canary and does not pass with this outcome.
    pub(super) fn canary_stop(&self, task: TaskId, outcome: &Outcome) -> Option<StopReason> {
        let canary = self.canary.as_ref()?;
        let is_canary = self.tasks.state(task)?.order().po == canary.po;
        is_canary.then(|| judge_canary(canary, outcome).err()).flatten()
    }

    /// Stops the run. The canary stays open, so that a run that is continued begins with it again. Returns whether it does;
    /// one that was cancelled ends.
    pub(super) fn leave_canary_open(
        &mut self,
        now: Duration,
        task: TaskId,
        outcome: &Outcome,
        stop: StopReason,
    ) -> bool {
        let is_leased = matches!(self.tasks.state(task), Some(TaskState::Leased { .. }));
        if is_leased {
            let changed = || Failure::new(FailureKind::PageChanged, stop.message.clone());
            let failure = outcome.failure().cloned().unwrap_or_else(changed);
            let receipt = outcome.receipt().cloned();
            self.emit(now, Entry::Postponed { task, failure, counted: false, receipt });
        }
        self.drain(now, stop);
        is_leased
    }

    /// The folder of an order has its name: if it is the canary, the other orders may start, or the run stops.
    pub(super) fn canary_settles(&mut self, now: Duration, task: TaskId, outcome: &Outcome) {
        if let Some(stop) = self.canary_stop(task, outcome) {
            self.drain(now, stop);
        } else if self.tasks.state(task).is_some_and(|state| self.is_canary(&state.order().po)) {
            self.canary = None;
            self.capacity.canary_passed();
        }
    }
}
