//! Judges which orders share a session, with rules of its own.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{AttemptEnd, Entry, FailureKind, TaskId, WorkerId};
use crate::pool::scheduler::{Assignment, CallId, Effect, LeaseId};

type Verdict = Result<(), String>;

/// Who has what in work, and which orders must be alone.
#[derive(Clone, Debug, Default)]
pub(super) struct SessionChecker {
    /// How many orders a session may have in work.
    slots: usize,
    calls: BTreeMap<CallId, WorkerId>,
    held: BTreeMap<LeaseId, Held>,
    /// Orders whose session ended under them and others, which was not written yet.
    crashed_beside: BTreeSet<TaskId>,
    /// Orders that must be alone in their session from now on.
    alone: BTreeSet<TaskId>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    worker: WorkerId,
    /// None when the session is lent.
    task: Option<TaskId>,
    is_alone: bool,
    had_company: bool,
}

impl SessionChecker {
    /// A checker of sessions that may have so many orders in work.
    pub(super) fn new(slots: usize) -> Self {
        Self { slots, ..Self::default() }
    }

    /// What a run that continues knows of the orders.
    pub(super) fn resumed(other: &Self) -> Self {
        Self { slots: other.slots, alone: other.alone.clone(), ..Self::default() }
    }

    /// A worker asks for work.
    pub(super) fn asked(&mut self, call: CallId, worker: WorkerId) {
        self.calls.insert(call, worker);
    }

    /// An attempt or a loan ended, in this way.
    pub(super) fn lease_ended(&mut self, lease: LeaseId, end: &AttemptEnd) {
        let Some(held) = self.held.remove(&lease) else { return };
        let is_crash = matches!(end, AttemptEnd::Failed(failure, _) if matches!(
            failure.kind,
            FailureKind::SessionLost | FailureKind::SessionHung | FailureKind::Crashed
        ));
        if is_crash && held.had_company {
            self.crashed_beside.extend(held.task);
        }
    }

    /// Judges what is assigned.
    pub(super) fn assigned(&mut self, effects: &[Effect], is_suspect: impl Fn(TaskId) -> bool) -> Verdict {
        for effect in effects {
            let Effect::Assign(call, assignment) = effect else { continue };
            let asking = self.calls.remove(call);
            match assignment {
                Assignment::Run(lease, attempt) => {
                    let must_be_alone = self.alone.contains(&attempt.task) || is_suspect(attempt.task);
                    if attempt.is_alone != must_be_alone {
                        return Err(format!("{} is told {} of being alone", attempt.task, attempt.is_alone));
                    }
                    if asking.is_some_and(|worker| worker != attempt.worker) {
                        return Err(format!("{call:?} is answered with an attempt of {}", attempt.worker));
                    }
                    self.hold(*lease, attempt.worker, Some(attempt.task), attempt.is_alone)?;
                }
                Assignment::Lend(lease, _) => {
                    if let Some(worker) = asking {
                        self.hold(*lease, worker, None, true)?;
                    }
                }
                Assignment::Recycle(_) | Assignment::Retire => {
                    if let Some(worker) = asking.filter(|worker| self.of(*worker).next().is_some()) {
                        return Err(format!("the session of {worker} is closed while it has orders in work"));
                    }
                }
                Assignment::RecycleAhead(_) => {}
            }
        }
        Ok(())
    }

    fn hold(&mut self, lease: LeaseId, worker: WorkerId, task: Option<TaskId>, is_alone: bool) -> Verdict {
        let others = self.of(worker).count();
        if others > 0 && (is_alone || self.of(worker).any(|held| held.is_alone)) {
            return Err(format!("{task:?} is given to {worker} beside what must be alone in its session"));
        }
        if others >= self.slots {
            return Err(format!("{worker} has {others} orders in work and gets {task:?} besides"));
        }
        for held in self.held.values_mut().filter(|held| held.worker == worker) {
            held.had_company = true;
        }
        self.held.insert(lease, Held { worker, task, is_alone, had_company: others > 0 });
        Ok(())
    }

    fn of(&self, worker: WorkerId) -> impl Iterator<Item = &Held> {
        self.held.values().filter(move |held| held.worker == worker)
    }

    /// Whether a session that ended under several orders costs none of them a try, and is remembered.
    pub(super) fn entered(&mut self, entry: &Entry) -> Verdict {
        let task = entry.task();
        let crashed_beside = self.crashed_beside.remove(&task);
        match entry {
            Entry::Returned { shared_crash: true, .. } if !crashed_beside => {
                Err(format!("{entry:?} although no session ended under it and others"))
            }
            Entry::Returned { shared_crash: true, .. } => {
                self.alone.insert(task);
                Ok(())
            }
            Entry::Postponed { .. } | Entry::Settled { .. } if crashed_beside => {
                Err(format!("{entry:?} although its session ended under others as well"))
            }
            _ => Ok(()),
        }
    }
}
