//! Detects counts that grow while nothing is running.

use std::collections::BTreeMap;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeakKind {
    /// Open files, pipes and connections of the program.
    Descriptors,
    /// Tasks of the asynchronous runtime.
    Tasks,
    /// Processes below the program.
    Processes,
    /// Profile folders on the disk.
    Profiles,
}

impl LeakKind {
    /// The word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Descriptors => "open descriptors",
            Self::Tasks => "tasks",
            Self::Processes => "processes",
            Self::Profiles => "profile folders",
        }
    }

    /// More than this is a leak, if at another idle moment there were `least`.
    fn limit(self, least: usize) -> usize {
        match self {
            // some connections close a little later, and their tasks end with them
            Self::Descriptors | Self::Tasks => least + least / 2 + 32,
            // a browser has about six processes, and starts and ends them as it likes: two more browsers are reported
            Self::Processes => least + least / 4 + 8,
            // one of a worker's next session, and one that is being removed
            Self::Profiles => least + 2,
        }
    }
}

/// Compares the counts of idle moments: a pool whose workers all wait needs as much as it did at an earlier such moment
/// with as many workers. A clearly higher count is a leak. Each is reported once, and again when it has doubled.
#[derive(Clone, Debug, Default)]
pub struct LeakDetector {
    least: BTreeMap<(LeakKind, usize), usize>,
    reported: BTreeMap<(LeakKind, usize), usize>,
}

impl LeakDetector {
    /// Takes the counts of an idle moment with `workers` workers. Returns what has grown, with its count then and now.
    pub fn observe_idle(&mut self, workers: usize, counts: &[(LeakKind, usize)]) -> Vec<(LeakKind, usize, usize)> {
        let mut grown = Vec::new();
        for (what, now) in counts.iter().copied() {
            let least = self.least.entry((what, workers)).or_insert(now);
            *least = (*least).min(now);
            let limit = self.reported.get(&(what, workers)).map_or_else(|| what.limit(*least), |reported| reported * 2);
            if now > limit {
                self.reported.insert((what, workers), now);
                grown.push((what, *least, now));
            }
        }
        grown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LeakKind::{Descriptors, Processes, Profiles, Tasks};

    #[test]
    fn growth_while_idle_is_reported_once_and_again_when_doubled() {
        let mut leaks = LeakDetector::default();
        let reported: Vec<_> =
            (0..60).flat_map(|turn| leaks.observe_idle(4, &[(Descriptors, 100 + turn * 10)])).collect();
        assert_eq!(reported, [(Descriptors, 100, 190), (Descriptors, 100, 390)]);
    }

    #[test]
    fn another_number_of_workers_needs_another_number_of_processes() {
        let mut leaks = LeakDetector::default();
        assert!(leaks.observe_idle(1, &[(Processes, 12), (Tasks, 20)]).is_empty());
        assert!(leaks.observe_idle(8, &[(Processes, 96), (Tasks, 90)]).is_empty());
        assert!(leaks.observe_idle(1, &[(Processes, 14), (Tasks, 21)]).is_empty());
        assert_eq!(leaks.observe_idle(1, &[(Processes, 96)]), [(Processes, 12, 96)]);
    }

    #[test]
    fn two_lost_browsers_and_three_lost_folders_are_reported() {
        let mut leaks = LeakDetector::default();
        let reported: Vec<_> = (0..5)
            .flat_map(|lost| leaks.observe_idle(2, &[(Processes, 14 + 7 * lost), (Profiles, 2 + lost)]))
            .collect();
        assert_eq!(reported, [(Processes, 14, 28), (Profiles, 2, 5)]);
    }
}
