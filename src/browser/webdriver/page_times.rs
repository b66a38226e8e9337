//! How long the last pages of a session took.

use std::collections::VecDeque;
use std::time::Duration;

/// How many pages are looked back at.
const KEPT: usize = 10;
/// Fewer pages than this tell of themselves, not of the session.
const TELLING: usize = 5;

/// The times of a session's last pages.
#[derive(Debug, Default)]
pub(crate) struct PageTimes(VecDeque<Duration>);

impl PageTimes {
    /// One more page.
    pub(crate) fn keep(&mut self, time: Duration) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(time);
    }

    /// The middle one of the last ten; none before there are five.
    pub(crate) fn median(&self) -> Option<Duration> {
        if self.0.len() < TELLING {
            return None;
        }
        let mut sorted: Vec<_> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_pages_tell_nothing_and_a_slow_one_among_many_does_not_count() {
        let mut times = PageTimes::default();
        for millis in [20, 9_000, 21, 22] {
            times.keep(Duration::from_millis(millis));
            assert_eq!(times.median(), None);
        }
        times.keep(Duration::from_millis(23));
        assert_eq!(times.median(), Some(Duration::from_millis(22)));
    }

    #[test]
    fn only_the_last_ten_count() {
        let mut times = PageTimes::default();
        for millis in (0..100).chain([500; 10]) {
            times.keep(Duration::from_millis(millis));
        }
        assert_eq!(times.median(), Some(Duration::from_millis(500)));
    }
}
