//! Load times of the last pages of a session.

use std::collections::VecDeque;
use std::time::Duration;

/// How many pages are kept.
const KEPT: usize = 10;
/// Fewer pages than this describe the pages, not the session.
const MIN_PAGES: usize = 5;

/// The last ten load times.
#[derive(Debug, Default)]
pub(crate) struct PageTimes(VecDeque<Duration>);

impl PageTimes {
    /// Adds the load time of one page.
    pub(crate) fn record(&mut self, time: Duration) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(time);
    }

    /// Median of the last ten; none before there are five.
    pub(crate) fn median(&self) -> Option<Duration> {
        if self.0.len() < MIN_PAGES {
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
    fn there_is_no_median_of_a_few_pages_and_a_single_slow_one_does_not_count() {
        let mut times = PageTimes::default();
        for millis in [20, 9_000, 21, 22] {
            times.record(Duration::from_millis(millis));
            assert_eq!(times.median(), None);
        }
        times.record(Duration::from_millis(23));
        assert_eq!(times.median(), Some(Duration::from_millis(22)));
    }

    #[test]
    fn only_the_last_ten_count() {
        let mut times = PageTimes::default();
        for millis in (0..100).chain([500; 10]) {
            times.record(Duration::from_millis(millis));
        }
        assert_eq!(times.median(), Some(Duration::from_millis(500)));
    }
}
