//! Where open tasks are: in a queue, with a worker, or being finalized. It follows from their states, and is never journaled.

use std::time::Duration;

use crate::model::{TaskId, TaskPriority, TaskState};
use crate::policy::{Isolation, TaskQueue, isolation};

/// Where an open task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It waits for a worker; may be started from `due` on.
    Queued { due: Duration, isolation: Isolation },
    /// A worker has it.
    Leased,
    /// Its outcome is decided, and its folder gets its final name.
    Finalizing,
}

impl Place {
    pub(crate) fn queued(due: Duration, state: &TaskState) -> Self {
        Self::Queued { due, isolation: isolation(state.counts()) }
    }
}

/// The queues, and the counts of tasks in other places.
#[derive(Clone, Debug, Default)]
pub(crate) struct Placement {
    queue: TaskQueue,
    /// Tasks that must be alone in their session.
    isolated: TaskQueue,
    /// Tasks that crashed two browsers, apart from the queue: each is tried alone, after all others.
    suspects: TaskQueue,
    suspect_in_work: Option<TaskId>,
    leased_count: usize,
    finalizing_count: usize,
}

impl Placement {
    /// A task goes from one place to another. None is outside of all.
    pub(crate) fn relocate(&mut self, task: TaskId, priority: TaskPriority, from: Option<Place>, to: Option<Place>) {
        match from {
            Some(Place::Queued { due, isolation }) => _ = self.queue_of(isolation).remove(task, priority, due),
            Some(Place::Leased) => {
                self.leased_count -= 1;
                self.suspect_in_work.take_if(|suspect| *suspect == task);
            }
            Some(Place::Finalizing) => self.finalizing_count -= 1,
            None => {}
        }
        match to {
            Some(Place::Queued { due, isolation }) => self.queue_of(isolation).push(task, priority, due),
            Some(Place::Leased) => self.leased_count += 1,
            Some(Place::Finalizing) => self.finalizing_count += 1,
            None => {}
        }
    }

    fn queue_of(&mut self, isolation: Isolation) -> &mut TaskQueue {
        match isolation {
            Isolation::None => &mut self.queue,
            Isolation::Browser => &mut self.isolated,
            Isolation::Pool => &mut self.suspects,
        }
    }

    /// Takes the next task that is due from the queue, for a worker. None while a suspect is in work.
    pub(crate) fn take_next(&mut self, now: Duration) -> Option<TaskId> {
        if self.suspect_in_work.is_some() {
            return None;
        }
        let task = self.queue.pop(now)?;
        self.leased_count += 1;
        Some(task)
    }

    /// Takes the next task that is due and must be alone in its session, for a worker. None while a suspect is in work.
    pub(crate) fn take_isolated(&mut self, now: Duration) -> Option<TaskId> {
        if self.suspect_in_work.is_some() {
            return None;
        }
        let task = self.isolated.pop(now)?;
        self.leased_count += 1;
        Some(task)
    }

    /// Whether the next task that is due must be alone in its session.
    pub(crate) fn is_isolated_next(&self, now: Duration) -> bool {
        let next = self.isolated.first_place(now).filter(|_| self.suspect_in_work.is_none());
        next.is_some_and(|place| self.queue.first_place(now).is_none_or(|other| place < other))
    }

    /// Takes the next suspect that is due, for a worker. None while any other order waits or is in work.
    pub(crate) fn take_suspect(&mut self, now: Duration) -> Option<TaskId> {
        let task = self.is_suspects_turn().then(|| self.suspects.pop(now))??;
        self.leased_count += 1;
        self.suspect_in_work = Some(task);
        Some(task)
    }

    /// Whether suspects are all that is left to do.
    pub(crate) fn is_suspects_turn(&self) -> bool {
        !self.is_any_other_queued() && self.leased_count == 0 && !self.suspects.is_empty()
    }

    /// When the next task is due that may be beside others; none when no such task waits or a suspect is in work.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.queue.next_due().filter(|_| self.suspect_in_work.is_none())
    }

    /// When the next task is due that must be alone in its session; none when no such task waits or a suspect is in work.
    pub(crate) fn next_isolated_due(&self) -> Option<Duration> {
        self.isolated.next_due().filter(|_| self.suspect_in_work.is_none())
    }

    /// When the next suspect is due, if it is their turn.
    pub(crate) fn next_suspect_due(&self) -> Option<Duration> {
        self.suspects.next_due().filter(|_| self.is_suspects_turn())
    }

    pub(crate) fn is_any_queued(&self) -> bool {
        self.is_any_other_queued() || !self.suspects.is_empty()
    }

    fn is_any_other_queued(&self) -> bool {
        !(self.queue.is_empty() && self.isolated.is_empty())
    }

    pub(crate) fn leased_count(&self) -> usize {
        self.leased_count
    }

    pub(crate) fn finalizing_count(&self) -> usize {
        self.finalizing_count
    }

    /// How this contradicts the places of the tasks, if it does.
    #[cfg(test)]
    pub(crate) fn contradiction(&self, places: &std::collections::BTreeMap<TaskId, Place>) -> Option<String> {
        let queues =
            [(&self.queue, Isolation::None), (&self.isolated, Isolation::Browser), (&self.suspects, Isolation::Pool)];
        for (queue, of) in queues {
            let mut queue = queue.clone();
            let mut queued: Vec<_> = std::iter::from_fn(|| queue.pop(Duration::MAX)).collect();
            queued.sort_unstable();
            let is_there = |place| matches!(place, Place::Queued { isolation, .. } if isolation == of);
            let expected: Vec<_> = places.iter().filter(|(_, at)| is_there(**at)).map(|(task, _)| *task).collect();
            if queued != expected {
                return Some(format!("in the queue are {queued:?}, placed there are {expected:?}"));
            }
        }
        let placed = |wanted| places.values().filter(|place| **place == wanted).count();
        let counts = (self.leased_count, self.finalizing_count);
        let expected = (placed(Place::Leased), placed(Place::Finalizing));
        if counts != expected {
            return Some(format!("counted as leased and finalizing: {counts:?}, placed: {expected:?}"));
        }
        let suspect = self.suspect_in_work;
        let is_wrong = suspect.is_some_and(|task| self.leased_count != 1 || places.get(&task) != Some(&Place::Leased));
        is_wrong.then(|| format!("{suspect:?} is tried alone beside others: {places:?}"))
    }
}
