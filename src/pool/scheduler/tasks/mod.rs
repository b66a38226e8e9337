//! The tasks of a run: where each stands, and where it is placed.

mod placement;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::model::{
    AttemptCounts, Entry, IllegalTransition, OrderStatus, Outcome, PoNumber, PoTask, Receipt, TaskId, TaskState, Totals,
};

pub(crate) use self::placement::{Place, Placement};

/// An order whose browser was ended to free memory this often is repeated at no cost. Further evictions count: the order
/// may be what fills the memory.
const MAX_EVICTIONS: u32 = 3;

/// Open tasks with their states, their placement and the totals of all tasks.
///
/// A state changes only by [`TaskTable::apply`]. Placement follows from it, but for what no entry says: which task was
/// taken from the queue, and which is being finalized. The changes since [`TaskTable::commit`] can be undone.
#[derive(Clone, Debug, Default)]
pub(crate) struct TaskTable {
    /// By admission number, which counts from 1; none once the task is settled.
    open: Vec<Option<Box<OpenTask>>>,
    /// Open tasks by order: two tasks for one order would put two workers into one folder.
    by_po: HashMap<PoNumber, TaskId>,
    placement: Placement,
    /// What the transitions count; `pending` and `running` follow from the placement.
    totals: Totals,
    /// Orders that were settled by their own attempts, not by the outcome of an earlier run.
    settled_here: u64,
    changes: Vec<Change>,
    totals_before: Totals,
}

#[derive(Clone, Debug)]
struct OpenTask {
    state: TaskState,
    /// None after the journal broke: nothing happens to the task in this run any more.
    place: Option<Place>,
    eviction_count: u32,
}

/// One applied entry, with what it takes to undo it.
#[derive(Clone, Debug)]
struct Change {
    task: TaskId,
    /// None when the entry admitted the task.
    before: Option<Before>,
}

#[derive(Clone, Debug)]
struct Before {
    is_leased: bool,
    counts: AttemptCounts,
    receipt: Option<Receipt>,
    /// Only when the entry settled the task.
    order: Option<PoTask>,
}

impl TaskTable {
    /// The tasks of an unfinished run, with those that were in work when it ended. Nobody works on these: they need an
    /// entry that makes them wait again.
    pub(crate) fn restore(states: BTreeMap<TaskId, TaskState>) -> (Self, Vec<TaskId>) {
        let mut table = Self::default();
        let mut interrupted = Vec::new();
        for (task, state) in states {
            let slot = index(task);
            if table.open.len() <= slot {
                table.open.resize_with(slot + 1, || None);
            }
            table.totals.admitted += 1;
            let priority = state.order().priority;
            match &state {
                TaskState::Settled { outcome, .. } => {
                    table.count(outcome);
                    continue;
                }
                TaskState::Ready { .. } => {}
                TaskState::Leased { .. } => interrupted.push(task),
            }
            let place = matches!(state, TaskState::Ready { .. }).then(|| Place::queued(Duration::ZERO, &state));
            table.placement.relocate(task, priority, None, place);
            table.by_po.insert(state.order().po.clone(), task);
            table.open[slot] = Some(Box::new(OpenTask { state, place, eviction_count: 0 }));
        }
        table.commit();
        (table, interrupted)
    }

    /// Applies `entry`; a task that waits again is due at `due`. Returns the outcome of a task that it settles.
    ///
    /// # Errors
    /// [`IllegalTransition`] when the entry cannot follow; nothing has changed then.
    pub(crate) fn apply(&mut self, entry: &Entry, due: Duration) -> Result<Option<Outcome>, IllegalTransition> {
        let (task, slot) = (entry.task(), index(entry.task()));
        let is_new = slot == self.open.len();
        if is_new != matches!(entry, Entry::Admitted { .. }) {
            let before = self.state(task).cloned().map(Box::new);
            return Err(IllegalTransition { before, entry: Box::new(entry.clone()) });
        }
        let (before, place, eviction_count) = match self.open.get_mut(slot).and_then(Option::take) {
            Some(open) => (Some(open.state), open.place, open.eviction_count),
            None => (None, None, 0),
        };
        let mut undo = before.as_ref().map(|state| Before {
            is_leased: matches!(state, TaskState::Leased { .. }),
            counts: state.counts(),
            receipt: state.receipt().cloned(),
            order: None,
        });
        let after = match TaskState::apply(before, entry) {
            Ok(after) => after,
            Err(why) => {
                if let Some(state) = &why.before {
                    let state = state.as_ref().clone();
                    self.open[slot] = Some(Box::new(OpenTask { state, place, eviction_count }));
                }
                return Err(why);
            }
        };
        let priority = after.order().priority;
        let (next, outcome) = match after {
            TaskState::Settled { order, outcome, .. } => {
                self.placement.relocate(task, priority, place, None);
                self.by_po.remove(&order.po);
                self.count(&outcome);
                self.settled_here += u64::from(matches!(entry, Entry::Settled { .. }));
                if let Some(undo) = &mut undo {
                    undo.order = Some(order);
                }
                (None, Some(outcome))
            }
            state => {
                let next = match state {
                    TaskState::Leased { .. } => Place::Leased,
                    TaskState::Ready { .. } | TaskState::Settled { .. } => Place::queued(due, &state),
                };
                self.placement.relocate(task, priority, place, Some(next));
                (Some(Box::new(OpenTask { state, place: Some(next), eviction_count })), None)
            }
        };
        if is_new {
            self.totals.admitted += 1;
            self.by_po.extend(next.as_ref().map(|open| (open.state.order().po.clone(), task)));
            self.open.push(next);
        } else {
            self.open[slot] = next;
        }
        self.changes.push(Change { task, before: undo });
        Ok(outcome)
    }

    /// The changes so far are in the journal: they cannot be undone any more.
    pub(crate) fn commit(&mut self) {
        self.changes.clear();
        self.totals_before = self.totals;
    }

    /// Undoes every change since the last commit. Tasks that wait again are due at `now`; nobody works on the others.
    pub(crate) fn undo(&mut self, now: Duration) {
        while let Some(Change { task, before }) = self.changes.pop() {
            let slot = index(task);
            let open = self.open.get_mut(slot).and_then(Option::take);
            if let Some(open) = &open {
                self.placement.relocate(task, open.state.order().priority, open.place, None);
            }
            let eviction_count = open.as_ref().map_or(0, |open| open.eviction_count);
            let order = open.map(|open| into_order(open.state));
            let Some(before) = before else {
                if let Some(order) = order {
                    self.by_po.remove(&order.po);
                }
                self.open.truncate(slot); // the newest admission is undone first
                continue;
            };
            let Some(order) = order.or(before.order) else { continue };
            let (counts, receipt, priority) = (before.counts, before.receipt, order.priority);
            self.by_po.insert(order.po.clone(), task);
            let state = if before.is_leased {
                TaskState::Leased { order, counts, receipt }
            } else {
                TaskState::Ready { order, counts, receipt }
            };
            let place = (!before.is_leased).then(|| Place::queued(now, &state));
            self.placement.relocate(task, priority, None, place);
            self.open[slot] = Some(Box::new(OpenTask { state, place, eviction_count }));
        }
        self.totals = self.totals_before;
    }

    /// Takes the next task that is due from the queue; a worker gets it. None while a suspect is in work.
    pub(crate) fn take_next(&mut self, now: Duration) -> Option<TaskId> {
        let task = self.placement.take_next(now);
        self.taken(task)
    }

    /// Takes the next task that is due and must be alone in its session; a worker gets it. None while a suspect is in work.
    pub(crate) fn take_isolated(&mut self, now: Duration) -> Option<TaskId> {
        let task = self.placement.take_isolated(now);
        self.taken(task)
    }

    /// Takes the next suspect that is due; a worker gets it. None while any other order waits or is in work.
    pub(crate) fn take_suspect(&mut self, now: Duration) -> Option<TaskId> {
        let task = self.placement.take_suspect(now);
        self.taken(task)
    }

    fn taken(&mut self, task: Option<TaskId>) -> Option<TaskId> {
        self.open.get_mut(index(task?))?.as_mut()?.place = Some(Place::Leased);
        task
    }

    /// Takes this very task from the queue if it waits there and is due; a worker gets it.
    pub(crate) fn take(&mut self, task: TaskId, now: Duration) -> Option<TaskId> {
        let due = self.due_of(task)?;
        (due <= now).then(|| self.place(task, Some(Place::Leased)))?.map(|_order| task)
    }

    /// When a task in the queue is due.
    pub(crate) fn due_of(&self, task: TaskId) -> Option<Duration> {
        match self.place_of(task)? {
            Place::Queued { due, .. } => Some(due),
            Place::Leased | Place::Finalizing => None,
        }
    }

    /// The outcome of the task is decided: its folder gets its final name. Returns what was asked for.
    pub(crate) fn begin_finalizing(&mut self, task: TaskId) -> Option<PoTask> {
        self.place(task, Some(Place::Finalizing))
    }

    /// A task that was cancelled while it waited, and could not be finalized, waits again.
    pub(crate) fn requeue(&mut self, task: TaskId, due: Duration) {
        let place = self.state(task).map(|state| Place::queued(due, state));
        self.place(task, place);
    }

    /// Nothing happens to the task in this run any more, since the journal broke. One that waited stays in the queue.
    pub(crate) fn abandon(&mut self, task: TaskId, now: Duration) {
        let waiting = self.state(task).filter(|state| matches!(state, TaskState::Ready { .. }));
        let place = waiting.map(|state| Place::queued(now, state));
        self.place(task, place);
    }

    fn place(&mut self, task: TaskId, to: Option<Place>) -> Option<PoTask> {
        let open = self.open.get_mut(index(task))?.as_mut()?;
        let (order, from) = (open.state.order().clone(), std::mem::replace(&mut open.place, to));
        self.placement.relocate(task, order.priority, from, to);
        Some(order)
    }

    /// The browser under the task is ended to free memory. Returns whether its attempt is free of cost.
    pub(crate) fn evict(&mut self, task: TaskId) -> bool {
        let Some(Some(open)) = self.open.get_mut(index(task)) else { return false };
        let is_free = open.eviction_count < MAX_EVICTIONS;
        open.eviction_count += u32::from(is_free);
        is_free
    }

    pub(crate) fn reserve(&mut self, count: usize) {
        self.open.reserve(count);
        self.by_po.reserve(count);
    }

    /// The number of the next admission.
    pub(crate) fn next_id(&self) -> TaskId {
        TaskId(self.open.len() as u64 + 1)
    }

    /// The state of an open task.
    pub(crate) fn state(&self, task: TaskId) -> Option<&TaskState> {
        self.open.get(index(task))?.as_ref().map(|open| &open.state)
    }

    pub(crate) fn place_of(&self, task: TaskId) -> Option<Place> {
        self.open.get(index(task))?.as_ref()?.place
    }

    /// The open task of an order, with the number as it was first written.
    pub(crate) fn by_po(&self, po: &PoNumber) -> Option<(TaskId, &PoNumber)> {
        self.by_po.get_key_value(po).map(|(po, task)| (*task, po))
    }

    /// All tasks without an outcome, in the order of their admission.
    pub(crate) fn open_tasks(&self) -> impl Iterator<Item = (TaskId, &TaskState)> {
        let numbered = self.open.iter().zip(1..);
        numbered.filter_map(|(open, number)| Some((TaskId(number), &open.as_ref()?.state)))
    }

    pub(crate) fn placement(&self) -> &Placement {
        &self.placement
    }

    pub(crate) fn settled_here(&self) -> u64 {
        self.settled_here
    }

    /// Tasks by state. In work are those that a worker has and those that are being finalized.
    pub(crate) fn totals(&self) -> Totals {
        let running = (self.placement.leased_count() + self.placement.finalizing_count()) as u64;
        Totals { running, pending: self.totals.admitted - self.totals.settled() - running, ..self.totals }
    }

    /// What contradicts itself, if anything does: the queue, and the counts beside it, must follow from the places.
    #[cfg(test)]
    pub(crate) fn contradiction(&self) -> Option<String> {
        let mut places: BTreeMap<TaskId, Place> = BTreeMap::new();
        places.extend(self.open_tasks().filter_map(|(task, _)| Some((task, self.place_of(task)?))));
        if let Some(contradiction) = self.placement.contradiction(&places) {
            return Some(contradiction);
        }
        let by_po: BTreeMap<_, _> = self.by_po.iter().map(|(po, task)| (*task, po)).collect();
        let open: BTreeMap<_, _> = self.open_tasks().map(|(task, state)| (task, &state.order().po)).collect();
        (by_po != open).then(|| format!("by order: {by_po:?}, open: {open:?}"))
    }

    fn count(&mut self, outcome: &Outcome) {
        self.totals.files += outcome.files().len() as u64;
        self.totals.bytes += outcome.files().iter().map(|file| file.size).sum::<u64>();
        *match outcome.status() {
            OrderStatus::Completed => &mut self.totals.completed,
            OrderStatus::NoAttachments => &mut self.totals.no_attachments,
            OrderStatus::Partial => &mut self.totals.partial,
            OrderStatus::PoNotFound => &mut self.totals.not_found,
            OrderStatus::Failed | OrderStatus::AccessDenied | OrderStatus::PrNotAccessible => &mut self.totals.failed,
            OrderStatus::Skipped | OrderStatus::NotDone => &mut self.totals.skipped,
        } += 1;
    }
}

/// The place of a task among all: admission numbers count from 1.
fn index(task: TaskId) -> usize {
    usize::try_from(task.0).unwrap_or(usize::MAX).wrapping_sub(1)
}

fn into_order(state: TaskState) -> PoTask {
    match state {
        TaskState::Ready { order, .. } | TaskState::Leased { order, .. } | TaskState::Settled { order, .. } => order,
    }
}
