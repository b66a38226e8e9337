//! What a run learns about frames on its portal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::TaskId;

/// A portal that shows pages in frames, and then none in a row of so many, does not any more.
const MAX_DENIED: u32 = 3;

/// A request that so many orders still waited for when their time was up stays open for ever.
const POLL_AFTER: usize = 3;

/// So many paths are remembered: a portal whose requests all differ must not fill the memory.
const MAX_PATHS: usize = 200;

/// Of all sessions of a run.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    /// Frames are used whatever is learnt.
    is_forced: bool,
    /// A page was read in a frame.
    was_shown: AtomicBool,
    denied_in_a_row: AtomicU32,
    are_denied: AtomicBool,
    waited_for: Mutex<BTreeMap<String, BTreeSet<TaskId>>>,
}

impl Learned {
    /// Nothing yet. With `is_forced` frames are used all the same when the portal denies them.
    pub(crate) fn new(is_forced: bool) -> Self {
        Self { is_forced, ..Self::default() }
    }

    /// Whether frames are not allowed here.
    pub(crate) fn are_frames_denied(&self) -> bool {
        self.are_denied.load(Ordering::Relaxed)
    }

    /// A page was read in a frame.
    pub(crate) fn note_shown(&self) {
        self.was_shown.store(true, Ordering::Relaxed);
        self.denied_in_a_row.store(0, Ordering::Relaxed);
    }

    /// A page that the tab shows could not be shown in a frame.
    pub(crate) fn note_denied(&self) {
        let count = self.denied_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        if count >= MAX_DENIED || !self.was_shown.load(Ordering::Relaxed) {
            self.deny();
        }
    }

    /// No frames can be had.
    pub(crate) fn deny(&self) {
        if !self.is_forced && !self.are_denied.swap(true, Ordering::Relaxed) {
            tracing::warn!("the portal does not let its pages be shown in frames: one order at a time in each browser");
        }
    }

    /// An order's page was still waiting for requests of these paths. Whether one of them was learnt by that.
    pub(crate) fn note_waiting(&self, task: TaskId, paths: &[String]) -> bool {
        let mut waited_for = self.lock();
        let mut is_new = false;
        for path in paths {
            if waited_for.len() >= MAX_PATHS && !waited_for.contains_key(path) {
                continue;
            }
            let orders = waited_for.entry(path.clone()).or_default();
            if orders.len() < POLL_AFTER && orders.insert(task) && orders.len() == POLL_AFTER {
                is_new = true;
                tracing::warn!(
                    path,
                    "a request of the portal's pages stays open and is not waited for any more; name its path in the \
                     recipe's settle.long_polls if that is right"
                );
            }
        }
        is_new
    }

    /// Paths of requests that stay open for ever.
    pub(crate) fn polls(&self) -> Vec<String> {
        let waited_for = self.lock();
        waited_for.iter().filter(|(_, orders)| orders.len() >= POLL_AFTER).map(|(path, _)| path.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<TaskId>>> {
        self.waited_for.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_denial_counts_unless_a_page_was_shown_before() {
        let learned = Learned::default();
        learned.note_denied();
        assert!(learned.are_frames_denied());
        let learned = Learned::default();
        for _ in 0..2 * MAX_DENIED {
            learned.note_shown();
            learned.note_denied();
            assert!(!learned.are_frames_denied());
        }
        (1..MAX_DENIED).for_each(|_| learned.note_denied());
        assert!(learned.are_frames_denied());
    }

    #[test]
    fn a_request_that_several_orders_wait_for_in_vain_is_a_long_poll() {
        let learned = Learned::default();
        let path = ["/poll/#".to_owned()];
        for _ in 0..5 {
            assert!(!learned.note_waiting(TaskId(1), &path));
        }
        assert!(!learned.note_waiting(TaskId(2), &path) && learned.polls().is_empty());
        assert!(learned.note_waiting(TaskId(3), &path));
        assert_eq!(learned.polls(), path);
        assert!(!learned.note_waiting(TaskId(4), &path));
    }
}
