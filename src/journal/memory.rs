//! The journal without a disk.

use std::collections::HashMap;
use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::backend::{BoxFuture, History, Journal, JournalError};
use crate::model::{Entry, TaskId, TaskState};

/// Keeps the state that the entries add up to; nothing of it survives the program.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    // a std lock: it is held for map look-ups only, never across an await
    history: Mutex<History>,
}

impl MemoryJournal {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One that goes on from `history`.
    #[must_use]
    #[cfg(feature = "internals")]
    pub fn from_history(history: History) -> Self {
        Self { history: Mutex::new(history) }
    }

    fn lock(&self) -> MutexGuard<'_, History> {
        // a batch is put in whole after it was checked, so a panic elsewhere cannot leave half of one behind
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, batch: &[Entry], now: Timestamp) -> Result<(), JournalError> {
        let mut history = self.lock();
        // beside the map until all of it is known to be legal: nothing of a refused batch is kept
        let mut staged: HashMap<TaskId, TaskState> = HashMap::with_capacity(batch.len());
        for entry in batch {
            let task = entry.task();
            let before = staged.remove(&task).or_else(|| history.tasks.get(&task).cloned());
            let after = TaskState::apply(before, entry)?;
            staged.insert(task, after);
        }
        for (task, state) in staged {
            if state.outcome().is_some() {
                history.settled_at.insert(task, now);
            }
            history.tasks.insert(task, state);
        }
        Ok(())
    }
}

impl Journal for MemoryJournal {
    fn append(&self, batch: Vec<Entry>) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async move { self.apply(&batch, Timestamp::now()) })
    }

    fn history(&self) -> BoxFuture<'_, Result<History, JournalError>> {
        Box::pin(ready(Ok(self.lock().clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AttemptNo, Outcome, PoTask, Receipt, WorkerId};

    fn admitted(task: u64) -> Entry {
        Entry::Admitted { task: TaskId(task), order: PoTask::new(task.to_string().parse().unwrap()), receipt: None }
    }

    fn started(task: u64) -> Entry {
        Entry::Started { task: TaskId(task), attempt: AttemptNo(1), worker: WorkerId(1) }
    }

    fn settled(task: u64) -> Entry {
        Entry::Settled { task: TaskId(task), outcome: Outcome::Completed(Receipt::default()) }
    }

    fn history(journal: &MemoryJournal) -> History {
        journal.lock().clone()
    }

    #[tokio::test]
    async fn a_batch_may_carry_a_task_through_its_whole_life() {
        let journal = MemoryJournal::new();
        journal.append(vec![admitted(1), admitted(2), started(1), settled(1)]).await.unwrap();
        let history = journal.history().await.unwrap();
        assert!(history.tasks[&TaskId(1)].outcome().is_some());
        assert!(history.tasks[&TaskId(2)].outcome().is_none());
        assert_eq!(history.settled_at.keys().collect::<Vec<_>>(), [&TaskId(1)]);
    }

    #[tokio::test]
    async fn a_refused_batch_leaves_nothing_behind() {
        let journal = MemoryJournal::new();
        journal.append(vec![admitted(1)]).await.unwrap();
        let before = history(&journal);
        let refused = journal.append(vec![started(1), admitted(2), settled(3)]).await.unwrap_err();
        assert!(matches!(refused, JournalError::IllegalEntry(_)), "{refused}");
        assert_eq!(history(&journal), before);
    }

    #[tokio::test]
    async fn a_settled_task_cannot_be_settled_again() {
        let journal = MemoryJournal::new();
        journal.append(vec![admitted(1), started(1), settled(1)]).await.unwrap();
        journal.append(vec![settled(1)]).await.unwrap_err();
    }

    #[test]
    fn an_append_that_is_never_polled_writes_nothing() {
        let journal = MemoryJournal::new();
        drop(journal.append(vec![admitted(1)]));
        assert!(history(&journal).tasks.is_empty());
    }
}
