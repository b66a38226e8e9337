//! Whether something grows without work.

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

    /// From here on so many are a leak, where at another quiet moment there were `least`.
    fn limit(self, least: usize) -> usize {
        match self {
            // connections that close a little later, and tasks that end with them
            Self::Descriptors | Self::Tasks => least + least / 2 + 32,
            // a browser has some six processes, and starts and ends them as it likes: two more browsers are told of
            Self::Processes => least + least / 4 + 8,
            // one of a worker's next session, and one of a session that is being wiped
            Self::Profiles => least + 2,
        }
    }
}

/// Compares the counts of quiet moments: a pool whose workers all wait needs as much as it did at the last such moment
/// with as many workers. What has clearly more has leaked; each is told once, and again when it has doubled.
#[derive(Clone, Debug, Default)]
pub struct LeakDetector {
    least: BTreeMap<(LeakKind, usize), usize>,
    told: BTreeMap<(LeakKind, usize), usize>,
}

impl LeakDetector {
    /// The counts of a quiet moment with `workers` workers; returns what has grown, with its count then and now.
    pub fn quiet(&mut self, workers: usize, counts: &[(LeakKind, usize)]) -> Vec<(LeakKind, usize, usize)> {
        let mut grown = Vec::new();
        for (what, now) in counts.iter().copied() {
            let least = self.least.entry((what, workers)).or_insert(now);
            *least = (*least).min(now);
            let limit = self.told.get(&(what, workers)).map_or_else(|| what.limit(*least), |told| told * 2);
            if now > limit {
                self.told.insert((what, workers), now);
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
    fn growth_without_work_is_told_once_and_again_when_doubled() {
        let mut watch = LeakDetector::default();
        let told: Vec<_> = (0..60).flat_map(|turn| watch.quiet(4, &[(Descriptors, 100 + turn * 10)])).collect();
        assert_eq!(told, [(Descriptors, 100, 190), (Descriptors, 100, 390)]);
    }

    #[test]
    fn another_number_of_workers_needs_another_number_of_processes() {
        let mut watch = LeakDetector::default();
        assert!(watch.quiet(1, &[(Processes, 12), (Tasks, 20)]).is_empty());
        assert!(watch.quiet(8, &[(Processes, 96), (Tasks, 90)]).is_empty());
        assert!(watch.quiet(1, &[(Processes, 14), (Tasks, 21)]).is_empty());
        assert_eq!(watch.quiet(1, &[(Processes, 96)]), [(Processes, 12, 96)]);
    }

    #[test]
    fn two_lost_browsers_and_three_lost_folders_are_told_of() {
        let mut watch = LeakDetector::default();
        let told: Vec<_> =
            (0..5).flat_map(|lost| watch.quiet(2, &[(Processes, 14 + 7 * lost), (Profiles, 2 + lost)])).collect();
        assert_eq!(told, [(Processes, 14, 28), (Profiles, 2, 5)]);
    }
}
