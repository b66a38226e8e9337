//! How many orders may run at once: fewer when the site is overloaded, then gradually more again.

use std::time::Duration;

/// One more order may run when each place has brought this many successes in a row: as TCP does, once per round trip, only
/// more carefully.
const GROW_AFTER_ROUNDS: usize = 2;

/// Every attempt that is running reports the same overload; for this long they count as one.
const ONE_CONGESTION: Duration = Duration::from_secs(10);

/// The number of orders that may run at once: halved whenever the site is overloaded, one more after a number of successes
/// (additive increase, multiplicative decrease, as in TCP). Never below one, so that the run always continues.
#[derive(Clone, Copy, Debug)]
pub struct AdaptiveLimit {
    max: usize,
    limit: usize,
    successes_in_a_row: usize,
    congested_at: Option<Duration>,
}

impl AdaptiveLimit {
    /// As many as `max`, at least one.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max: max.max(1), limit: max.max(1), successes_in_a_row: 0, congested_at: None }
    }

    /// How many may run now.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Whether it is below its maximum.
    #[must_use]
    pub fn is_reduced(&self) -> bool {
        self.limit < self.max
    }

    /// The site throttles or answers with server errors.
    pub fn on_congestion(&mut self, now: Duration) {
        self.successes_in_a_row = 0;
        if self.congested_at.is_none_or(|at| now >= at + ONE_CONGESTION) {
            self.congested_at = Some(now);
            self.limit = (self.limit / 2).max(1);
        }
    }

    /// The site answered an order as a healthy site does.
    pub fn on_success(&mut self) {
        self.successes_in_a_row += 1;
        if self.successes_in_a_row >= GROW_AFTER_ROUNDS * self.limit {
            self.successes_in_a_row = 0;
            self.limit = (self.limit + 1).min(self.max);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_overload_halves_and_successes_bring_it_back_one_by_one() {
        let mut limit = AdaptiveLimit::new(8);
        for at in [0, 1, 2] {
            limit.on_congestion(Duration::from_secs(at)); // the same one, told by three attempts
        }
        assert_eq!((limit.limit(), limit.is_reduced()), (4, true));
        limit.on_congestion(Duration::from_secs(30));
        assert_eq!(limit.limit(), 2);
        (0..4).for_each(|_| limit.on_success());
        assert_eq!(limit.limit(), 3);
        (0..6).for_each(|_| limit.on_success());
        assert_eq!(limit.limit(), 4);
        (0..60).for_each(|_| limit.on_success());
        assert_eq!((limit.limit(), limit.is_reduced()), (8, false));
    }

    proptest! {
        #[test]
        fn it_stays_between_one_and_its_maximum(
            max in 0_usize..70,
            events in prop::collection::vec((any::<bool>(), 0_u64..30), 0..200),
        ) {
            let mut limit = AdaptiveLimit::new(max);
            let mut now = Duration::ZERO;
            for (is_congested, seconds) in events {
                now += Duration::from_secs(seconds);
                if is_congested { limit.on_congestion(now) } else { limit.on_success() }
                prop_assert!(limit.limit() >= 1 && limit.limit() <= max.max(1));
            }
        }
    }
}
