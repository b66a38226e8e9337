//! Which task is next.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::{TaskId, TaskPriority};

/// Waiting tasks, ordered by (priority, due time, admission number).
///
/// Strict between priorities: while an urgent task is due, no other one is handed out. Within one priority it is first in,
/// first out: a task that never failed is due from its admission on. One that waits for its next attempt is due later, and
/// comes after those that are due already.
///
/// Every operation costs the logarithm of the queue's length. Times are measured from the pool's start.
#[derive(Clone, Debug, Default)]
pub struct TaskQueue {
    classes: [BTreeSet<(Duration, TaskId)>; 4],
}

impl TaskQueue {
    /// Adds `task`, which may be handed out from `due` on.
    pub fn push(&mut self, task: TaskId, priority: TaskPriority, due: Duration) {
        self.classes[priority as usize].insert((due, task));
    }

    /// Takes the next task that is due at `now`.
    pub fn pop(&mut self, now: Duration) -> Option<TaskId> {
        self.classes.iter_mut().find_map(|class| {
            let (due, task) = *class.first()?;
            (due <= now).then(|| class.pop_first()).flatten().map(|_| task)
        })
    }

    /// The place of the next task that is due at `now`: of two queues the one with the smaller place has the next one.
    pub(crate) fn first_place(&self, now: Duration) -> Option<(usize, Duration, TaskId)> {
        let firsts = self.classes.iter().enumerate().filter_map(|(class, tasks)| Some((class, *tasks.first()?)));
        firsts.map(|(class, (due, task))| (class, due, task)).find(|(_, due, _)| *due <= now)
    }

    /// Removes a task. Returns false if it is not there.
    pub fn remove(&mut self, task: TaskId, priority: TaskPriority, due: Duration) -> bool {
        self.classes[priority as usize].remove(&(due, task))
    }

    /// The earliest due time of all tasks, past or future; `None` if the queue is empty.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        self.classes.iter().filter_map(|class| class.first().map(|(due, _)| *due)).min()
    }

    /// How many tasks wait, due or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.classes.iter().map(BTreeSet::len).sum()
    }

    /// Whether no task waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn urgent_first_then_first_in_first_out() {
        let mut queue = TaskQueue::default();
        for (id, priority) in
            [(1, TaskPriority::Low), (2, TaskPriority::Normal), (3, TaskPriority::Urgent), (4, TaskPriority::Normal)]
        {
            queue.push(TaskId(id), priority, Duration::ZERO);
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.pop(Duration::ZERO)).map(|task| task.0).collect();
        assert_eq!(order, [3, 2, 4, 1]);
    }

    #[test]
    fn a_task_that_is_not_due_lets_others_pass() {
        let mut queue = TaskQueue::default();
        queue.push(TaskId(1), TaskPriority::Urgent, Duration::from_secs(9));
        queue.push(TaskId(2), TaskPriority::Low, Duration::ZERO);
        assert_eq!(queue.pop(Duration::from_secs(1)), Some(TaskId(2)));
        assert_eq!(queue.pop(Duration::from_secs(1)), None);
        assert_eq!(queue.next_due(), Some(Duration::from_secs(9)));
        assert_eq!(queue.pop(Duration::from_secs(9)), Some(TaskId(1)));
    }

    proptest! {
        #[test]
        fn pops_like_a_sorted_list(tasks in prop::collection::vec((0usize..4, 0u64..50), 0..200), now in 0u64..60) {
            let mut queue = TaskQueue::default();
            let mut list = Vec::new();
            for (index, (class, due)) in tasks.into_iter().enumerate() {
                let (task, due) = (TaskId(index as u64), Duration::from_secs(due));
                queue.push(task, TaskPriority::ALL[class], due);
                list.push((class, due, task));
            }
            list.sort();
            let now = Duration::from_secs(now);
            let expected: Vec<_> = list.iter().filter(|(_, due, _)| *due <= now).map(|(.., task)| *task).collect();
            let popped: Vec<_> = std::iter::from_fn(|| queue.pop(now)).collect();
            prop_assert_eq!(popped, expected);
            prop_assert_eq!(queue.next_due(), list.iter().map(|(_, due, _)| *due).filter(|due| *due > now).min());
        }
    }
}
