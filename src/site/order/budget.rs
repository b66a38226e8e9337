//! How much of an order's time one file may take.

use std::time::Duration;

use tokio::time::Instant;

/// A file that others wait for may take one part in so many of the time that is left.
const SHARES: u32 = 4;

/// What remains of the attempt's time when its files have used up theirs: one part in so many.
const RESERVE: u32 = 10;

/// The time of one attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeBudget {
    whole: Duration,
    end: Instant,
}

impl TimeBudget {
    /// The time of an attempt that began at `begun` and may take `limit`.
    pub(crate) fn new(begun: Instant, limit: Duration) -> Self {
        let whole = limit - limit / RESERVE;
        Self { whole, end: begun + whole }
    }

    /// When a file must be complete that is fetched from `now` on. If others are still to come, they keep most of the time,
    /// and this one gets another turn after them.
    pub(crate) fn until(&self, now: Instant, are_others_waiting: bool) -> Instant {
        let left = self.end.saturating_duration_since(now);
        if are_others_waiting { now + left / SHARES } else { self.end }
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

    /// Whether there is no time left for another file.
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
            prop_assert!(budget.is_over(begun + limit));
        }
    }

    #[test]
    fn only_a_file_that_had_at_least_half_of_the_time_had_most_of_it() {
        let begun = Instant::now();
        let budget = TimeBudget::new(begun, Duration::from_secs(100));
        assert!(budget.was_most(begun, begun + Duration::from_secs(45)));
        assert!(!budget.was_most(begun, begun + Duration::from_secs(44)));
    }
}
