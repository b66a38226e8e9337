//! How many orders are asked for side by side: fewer when the site asks for it, slowly more again.

use std::time::Duration;

/// Orders that must come through in a row before one more is tried side by side.
const GROW_AFTER: u32 = 15;

/// One complaint is told by every attempt that was under way; for so long they count as one.
const ONE_COMPLAINT: Duration = Duration::from_secs(10);

/// The number of orders that may be in work at once: halved at each complaint of the site, one more after each good
/// stretch (additive increase, multiplicative decrease, as TCP does). Never below one, so that it always goes on.
#[derive(Clone, Copy, Debug)]
pub struct AdaptiveLimit {
    max: usize,
    limit: usize,
    good_in_a_row: u32,
    complained_at: Option<Duration>,
}

impl AdaptiveLimit {
    /// As many as `max`, at least one.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max: max.max(1), limit: max.max(1), good_in_a_row: 0, complained_at: None }
    }

    /// How many may be in work now.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Whether it holds work back.
    #[must_use]
    pub fn is_slowed(&self) -> bool {
        self.limit < self.max
    }

    /// The site throttles or breaks down.
    pub fn complained(&mut self, now: Duration) {
        self.good_in_a_row = 0;
        if self.complained_at.is_none_or(|at| now >= at + ONE_COMPLAINT) {
            self.complained_at = Some(now);
            self.limit = (self.limit / 2).max(1);
        }
    }

    /// The site answered an order as a site in health does.
    pub fn answered(&mut self) {
        self.good_in_a_row += 1;
        if self.good_in_a_row >= GROW_AFTER {
            self.good_in_a_row = 0;
            self.limit = (self.limit + 1).min(self.max);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_complaint_halves_and_good_stretches_bring_it_back_one_by_one() {
        let mut pace = AdaptiveLimit::new(8);
        for at in [0, 1, 2] {
            pace.complained(Duration::from_secs(at)); // the same one, told by three attempts
        }
        assert_eq!((pace.limit(), pace.is_slowed()), (4, true));
        pace.complained(Duration::from_secs(30));
        assert_eq!(pace.limit(), 2);
        (0..GROW_AFTER).for_each(|_| pace.answered());
        assert_eq!(pace.limit(), 3);
        (0..10 * GROW_AFTER).for_each(|_| pace.answered());
        assert_eq!((pace.limit(), pace.is_slowed()), (8, false));
    }

    proptest! {
        #[test]
        fn it_never_stands_still_and_never_exceeds_the_most(
            max in 0_usize..70,
            events in prop::collection::vec((any::<bool>(), 0_u64..30), 0..200),
        ) {
            let mut pace = AdaptiveLimit::new(max);
            let mut now = Duration::ZERO;
            for (is_complaint, seconds) in events {
                now += Duration::from_secs(seconds);
                if is_complaint { pace.complained(now) } else { pace.answered() }
                prop_assert!(pace.limit() >= 1 && pace.limit() <= max.max(1));
            }
        }
    }
}
