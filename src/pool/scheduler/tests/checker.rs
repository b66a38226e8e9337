//! Judges what a scheduler emits, with rules of its own: it must not share a mistake with what it checks.

use std::collections::{BTreeMap, BTreeSet};

use super::sessions::SessionChecker;
use crate::config::Canary;
use crate::model::{
    AttemptEnd, Entry, FailureKind, FileRecord, ListingId, OrderStatus, Outcome, Receipt, TaskId, TaskState, Totals,
    WorkerId,
};
use crate::pool::scheduler::{Assignment, Effect, LeaseId, Response, TaskUpdate};

/// What was written and done so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Checker {
    tasks: BTreeMap<TaskId, Life>,
    /// What a replay of the written entries gives.
    states: BTreeMap<TaskId, TaskState>,
    /// Attempts that were handed out and have not ended.
    leases: BTreeMap<LeaseId, TaskId>,
    finalizing: BTreeSet<TaskId>,
    /// Tasks whose finalization ended, and nothing was written of it yet.
    finalized: BTreeSet<TaskId>,
    ended_totals: Totals,
    is_broken: bool,
    /// Who shares a session with whom.
    pub(super) sessions: SessionChecker,
    /// The order that must end well before another one starts; none once it has.
    canary: Option<Canary>,
}

/// The life of one task, as its entries tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Life {
    at: At,
    started: u32,
    counted: u32,
    losses: u32,
    interruptions: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Ready,
    Leased,
    Settled,
}

type Verdict = Result<(), String>;

impl Checker {
    /// A checker of a run that begins with the canary.
    pub(super) fn awaiting(canary: Option<Canary>, slots: usize) -> Self {
        Self { canary, sessions: SessionChecker::new(slots), ..Self::default() }
    }

    /// The canary, while other orders wait for it.
    pub(super) fn canary(&self) -> Option<Canary> {
        self.canary.clone()
    }

    /// What an attempt brings with which every order ends well, the canary included.
    pub(super) fn all_well(&self) -> Receipt {
        let files =
            self.canary.iter().map(|_| FileRecord { listings: vec![ListingId::new("0")], ..FileRecord::default() });
        Receipt { listed_count: files.len(), files: files.collect(), ..Receipt::default() }
    }

    /// Whether there may be this many workers.
    pub(super) fn workers(&self, target: usize) -> Verdict {
        // what the journal refused of the canary is forgotten, and the run ends
        let awaits_canary = self.canary.is_some() && !self.is_broken;
        if awaits_canary && target > 1 { Err(format!("{target} workers for the canary")) } else { Ok(()) }
    }

    /// A checker of the run that continues the one of `other`: what was under way there was interrupted.
    pub(super) fn resumed(other: &Self) -> Self {
        Self {
            tasks: other.tasks.clone(),
            states: other.states.clone(),
            ended_totals: other.ended_totals,
            canary: other.canary.clone(),
            sessions: SessionChecker::resumed(&other.sessions),
            ..Self::default()
        }
    }

    /// The states that the written entries add up to.
    pub(super) fn states(&self) -> &BTreeMap<TaskId, TaskState> {
        &self.states
    }

    pub(super) fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// The lease ended, in this way.
    pub(super) fn lease_ended(&mut self, lease: LeaseId, end: &AttemptEnd) {
        self.leases.remove(&lease);
        self.sessions.lease_ended(lease, end);
    }

    /// The finalization of the task ended.
    pub(super) fn finalized(&mut self, task: TaskId) {
        if self.finalizing.remove(&task) {
            self.finalized.insert(task);
        }
    }

    /// Judges a turn whose entries were written.
    pub(super) fn turn(&mut self, entries: &[Entry], effects: &[Effect]) -> Verdict {
        if self.is_broken && !entries.is_empty() {
            return Err(format!("entries after the journal broke: {entries:?}"));
        }
        let mut suspects = BTreeSet::new();
        for entry in entries {
            self.suspects_last(entry, effects)?;
            self.sessions.entered(entry)?;
            self.enter(entry)?;
            suspects.extend(Some(entry.task()).filter(|task| self.is_suspect(*task)));
        }
        self.sessions.assigned(effects, |task| suspects.contains(&task))?;
        self.starts(entries, effects)?;
        self.outcomes(entries, effects)?;
        for effect in effects {
            match effect {
                Effect::Assign(_, Assignment::Run(lease, attempt)) => {
                    let task = attempt.task;
                    if self.leases.values().any(|other| *other == task) || self.finalizing.contains(&task) {
                        return Err(format!("{task} was given to a second worker"));
                    }
                    if self.leases.insert(*lease, task).is_some() {
                        return Err(format!("{lease:?} was given twice"));
                    }
                }
                Effect::Finalize(task, ..) => {
                    let is_open = self.tasks.get(task).is_some_and(|life| life.at != At::Settled);
                    let is_in_work = self.leases.values().any(|other| other == task);
                    if !is_open || is_in_work || !self.finalizing.insert(*task) || self.is_broken {
                        return Err(format!("{task} is finalized while it is in work or has its outcome"));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Judges what followed a turn that the journal refused: nothing of it is done, and whoever waits is told.
    pub(super) fn refused(&mut self, refused: &[Effect], instead: &[Effect]) -> Verdict {
        self.is_broken = true;
        for effect in instead {
            match effect {
                Effect::Assign(_, Assignment::Retire)
                | Effect::CancelAttempts
                | Effect::Kill(_)
                | Effect::Evict(_)
                | Effect::Reply(
                    _,
                    Response::Submitted(Err(_))
                    | Response::OpenTasks(_)
                    | Response::Cancelled(false)
                    | Response::NoSession,
                ) => {}
                done => return Err(format!("done although the turn was refused: {done:?}")),
            }
        }
        let answered = |effects: &[Effect]| -> BTreeSet<_> {
            effects
                .iter()
                .filter_map(|effect| if let Effect::Assign(call, _) = effect { Some(*call) } else { None })
                .collect()
        };
        let replied = |effects: &[Effect]| -> BTreeSet<_> {
            effects
                .iter()
                .filter_map(|effect| if let Effect::Reply(id, _) = effect { Some(*id) } else { None })
                .collect()
        };
        if !answered(refused).is_subset(&answered(instead)) || !replied(refused).is_subset(&replied(instead)) {
            return Err("somebody who waits for the refused turn is not told".to_owned());
        }
        Ok(())
    }

    /// Whether `totals` are those of what was written and is under way.
    pub(super) fn totals(&self, totals: Totals) -> Verdict {
        let running = (self.leases.len() + self.finalizing.len()) as u64;
        let open = self.tasks.values().filter(|life| life.at != At::Settled).count() as u64;
        let admitted = self.tasks.len() as u64;
        let expected = Totals { admitted, running, pending: open.saturating_sub(running), ..self.ended_totals };
        if totals != expected {
            return Err(format!("the totals are {totals:?}, they should be {expected:?}"));
        }
        if totals.admitted != totals.pending + totals.running + totals.settled() {
            return Err(format!("the totals do not add up: {totals:?}"));
        }
        Ok(())
    }

    /// Whether an entry may follow, by the rules of this checker and by those of the program.
    fn enter(&mut self, entry: &Entry) -> Verdict {
        let task = entry.task();
        let before = self.tasks.get(&task).copied();
        let illegal = || Err(format!("{entry:?} cannot follow {before:?}"));
        let is_in_work = self.leases.values().any(|other| *other == task);
        if is_in_work && !matches!(entry, Entry::Started { .. }) {
            return Err(format!("{entry:?} although its attempt has not ended"));
        }
        if matches!(entry, Entry::Settled { .. }) && !self.finalized.contains(&task) {
            return Err(format!("{entry:?} although it was not finalized"));
        }
        self.finalized.remove(&task);
        self.canary_first(entry)?;
        let after = match (before, entry) {
            (None, Entry::Admitted { .. }) if task.0 == self.tasks.len() as u64 + 1 => {
                Life { at: At::Ready, started: 0, counted: 0, losses: 0, interruptions: 0 }
            }
            (Some(life), Entry::Started { attempt, .. }) if life.at == At::Ready && attempt.0 == life.started + 1 => {
                Life { at: At::Leased, started: attempt.0, ..life }
            }
            (Some(life), Entry::Postponed { failure, counted, .. }) if life.at == At::Leased => {
                let is_loss =
                    matches!(failure.kind, FailureKind::SessionLost | FailureKind::SessionHung | FailureKind::Crashed);
                Life {
                    at: At::Ready,
                    counted: life.counted + u32::from(*counted),
                    losses: life.losses + u32::from(is_loss),
                    interruptions: life.interruptions + u32::from(failure.kind == FailureKind::Interrupted),
                    ..life
                }
            }
            (Some(life), Entry::Returned { .. }) if life.at == At::Leased => {
                Life { at: At::Ready, started: life.started - 1, ..life }
            }
            (Some(life), Entry::Reused { .. }) if life.at == At::Ready && life.started == 0 => {
                Life { at: At::Settled, ..life }
            }
            (Some(life), Entry::Settled { .. }) if life.at != At::Settled => Life { at: At::Settled, ..life },
            _ => return illegal(),
        };
        if let Entry::Settled { outcome, .. } | Entry::Reused { outcome, .. } = entry {
            self.count(outcome);
        }
        self.tasks.insert(task, after);
        let state = TaskState::apply(self.states.remove(&task), entry).map_err(|illegal| illegal.to_string())?;
        let at = match &state {
            TaskState::Ready { .. } => At::Ready,
            TaskState::Leased { .. } => At::Leased,
            TaskState::Settled { .. } => At::Settled,
        };
        let counts = state.counts();
        let replayed = Life {
            at,
            started: counts.started,
            counted: counts.counted,
            losses: counts.crashes,
            interruptions: counts.interruptions,
        };
        self.states.insert(task, state);
        if replayed == after { Ok(()) } else { Err(format!("{task} is {after:?}, its replay says {replayed:?}")) }
    }

    /// No other order is started, and the canary is not taken over, before the canary has brought a file.
    fn canary_first(&mut self, entry: &Entry) -> Verdict {
        let Some(canary) = &self.canary else { return Ok(()) };
        let is_canary = self.states.get(&entry.task()).is_some_and(|state| state.order().po == canary.po);
        match entry {
            Entry::Started { .. } if !is_canary => Err(format!("{entry:?} before the canary passed")),
            Entry::Reused { .. } if is_canary => Err(format!("{entry:?} although it is the canary")),
            Entry::Settled { outcome, .. } if is_canary => {
                if outcome.status() == OrderStatus::Completed && !outcome.files().is_empty() {
                    self.canary = None;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether the task has crashed two browsers, so that it runs alone in a fresh one.
    pub(super) fn is_suspect(&self, task: TaskId) -> bool {
        self.canary.is_none() && self.tasks.get(&task).is_some_and(|life| life.losses >= 2)
    }

    /// A suspect is started when only suspects are left and nothing is in work, and nothing is started beside it.
    fn suspects_last(&self, entry: &Entry, effects: &[Effect]) -> Verdict {
        let Entry::Started { task, .. } = entry else { return Ok(()) };
        let is_suspect = self.is_suspect(*task);
        let is_in_the_way = |other: &TaskId, life: &Life| match life.at {
            At::Ready => is_suspect && !self.is_suspect(*other),
            At::Leased => is_suspect || self.is_suspect(*other),
            At::Settled => false,
        };
        let is_ending = |task: &TaskId| {
            let ends = |effect: &_| matches!(effect, Effect::Finalize(other, ..) if other == task);
            self.finalizing.contains(task) || effects.iter().any(ends)
        };
        let mut others = self.tasks.iter().filter(|(other, _)| *other != task && !is_ending(other));
        match others.find(|(other, life)| is_in_the_way(other, life)) {
            Some((other, life)) => Err(format!("{entry:?} although a suspect is tried alone: {other} is {life:?}")),
            None => Ok(()),
        }
    }

    /// Every attempt that is handed out was written in the same turn, and every one that was written is handed out.
    fn starts(&self, entries: &[Entry], effects: &[Effect]) -> Verdict {
        let written: BTreeSet<(TaskId, u32, WorkerId)> = entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Started { task, attempt, worker } => Some((*task, attempt.0, *worker)),
                _ => None,
            })
            .collect();
        let handed_out: BTreeSet<_> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Assign(_, Assignment::Run(_, attempt)) => Some((attempt.task, attempt.no.0, attempt.worker)),
                _ => None,
            })
            .collect();
        if written == handed_out {
            Ok(())
        } else {
            Err(format!("attempts that were written: {written:?}, handed out: {handed_out:?}"))
        }
    }

    /// Every outcome that is told was written in the same turn, and every one that was written is told.
    fn outcomes(&self, entries: &[Entry], effects: &[Effect]) -> Verdict {
        let written: Vec<(TaskId, &Outcome)> = entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Settled { task, outcome } | Entry::Reused { task, outcome, .. } => Some((*task, outcome)),
                _ => None,
            })
            .collect();
        let told: Vec<(TaskId, &Outcome)> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Publish(task, TaskUpdate::Settled(outcome)) => Some((*task, outcome.as_ref())),
                _ => None,
            })
            .collect();
        if written == told { Ok(()) } else { Err(format!("outcomes that were written: {written:?}, told: {told:?}")) }
    }

    fn count(&mut self, outcome: &Outcome) {
        let totals = &mut self.ended_totals;
        totals.files += outcome.files().len() as u64;
        totals.bytes += outcome.files().iter().map(|file| file.size).sum::<u64>();
        match outcome.status() {
            OrderStatus::Completed => totals.completed += 1,
            OrderStatus::NoAttachments => totals.no_attachments += 1,
            OrderStatus::Partial => totals.partial += 1,
            OrderStatus::PoNotFound => totals.not_found += 1,
            OrderStatus::Failed | OrderStatus::AccessDenied | OrderStatus::PrNotAccessible => totals.failed += 1,
            OrderStatus::Skipped | OrderStatus::NotDone => totals.skipped += 1,
        }
    }
}
