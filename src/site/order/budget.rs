//! How much of an order's time one page or one file may take.

use std::time::Duration;

use tokio::time::Instant;

/// A file that others wait for may take one part in so many of the time that is left.
const SHARES: u32 = 4;

/// A page may be waited for during one part in so many of the time that is left: the rest is for the files on it.
const PAGE_SHARES: u32 = 2;

/// What remains of the attempt's time when its files have used up theirs: one part in so many.
const RESERVE: u32 = 10;

/// What remains when the attempt itself ends: enough to say what it has brought before whoever runs it ends it.
const LAST_RESERVE: u32 = 40;

/// The time of one attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeBudget {
    whole: Duration,
    end: Instant,
    last: Instant,
}

impl TimeBudget {
    /// The time of an attempt that began at `begun` and may take `limit`.
    pub(crate) fn new(begun: Instant, limit: Duration) -> Self {
        let whole = limit - limit / RESERVE;
        Self { whole, end: begun + whole, last: begun + limit - limit / LAST_RESERVE }
    }

    /// When a file must be complete that is fetched from `now` on. If others are still to come, they keep most of the time,
    /// and this one gets another turn after them.
    pub(crate) fn until(&self, now: Instant, are_others_waiting: bool) -> Instant {
        let left = self.end.saturating_duration_since(now);
        if are_others_waiting { now + left / SHARES } else { self.end }
    }

    /// Until when a page may be waited for that is opened, or looked at again, at `now`.
    pub(crate) fn page_until(&self, now: Instant) -> Instant {
        now + self.end.saturating_duration_since(now) / PAGE_SHARES
    }

    /// When the attempt ends, whatever it is doing.
    pub(crate) fn last(&self) -> Instant {
        self.last
    }

    /// Whether a file that took from `begun` to `now` had so much of the attempt's time that another attempt has no more
    /// to give.
    pub(crate) fn was_most(&self, begun: Instant, now: Instant) -> bool {
        now.saturating_duration_since(begun) >= self.whole / 2
    }

    /// Whether a file that must be complete at `until` has all the time that is left.
    pub(crate) fn is_last(&self, until: Instant) -> bool {
        until >= self.end
    }

    /// Whether there is no time left for another file or page.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        now >= self.end
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn files_without_an_end_leave_time_for_the_others_and_none_outlasts_the_attempt(
            limit in 10u64..3_000, bad_count in 1usize..6, spent in 0u64..9,
        ) {
            let begun = Instant::now();
            let limit = Duration::from_secs(limit);
            let budget = TimeBudget::new(begun, limit);
            let mut now = begun + limit / 10 * u32::try_from(spent).unwrap();
            for _ in 0..bad_count {
                let until = budget.until(now, true);
                prop_assert!(until >= now && (budget.is_over(now) || until < budget.end));
                now = until.max(now);
            }
            prop_assert!(budget.until(now, false) <= begun + limit);
            prop_assert!(budget.end < budget.last() && budget.last() < begun + limit);
            prop_assert!(budget.is_over(begun + limit));
        }
    }

    #[test]
    fn a_page_leaves_half_of_the_time_to_what_it_lists() {
        let begun = Instant::now();
        let budget = TimeBudget::new(begun, Duration::from_secs(100));
        assert_eq!(budget.page_until(begun), begun + Duration::from_secs(45));
        assert_eq!(budget.page_until(begun + Duration::from_secs(95)), begun + Duration::from_secs(95));
    }

    #[test]
    fn only_a_file_that_had_at_least_half_of_the_time_had_most_of_it() {
        let begun = Instant::now();
        let budget = TimeBudget::new(begun, Duration::from_secs(100));
        assert!(budget.was_most(begun, begun + Duration::from_secs(45)));
        assert!(!budget.was_most(begun, begun + Duration::from_secs(44)));
    }
}
