//! How often a portal is asked, by all workers together.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// At most so much slower than configured when the portal throttles.
const SLOWEST: f64 = 8.0;

/// Turns without a complaint after which it is a quarter faster again.
const RECOVER_AFTER: u32 = 20;

/// Hands out turns, evenly spread: a page or a file is asked for only in its turn. What a page loads by itself (scripts,
/// pictures) does not count.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    /// Between two turns; none without a limit.
    between: Option<Duration>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    next: Instant,
    slowness: f64,
    good_in_a_row: u32,
}

impl RateLimiter {
    /// So many turns a second, above 0; none without a limit.
    pub(crate) fn new(per_second: Option<f64>) -> Self {
        let state = State { next: Instant::now(), slowness: 1.0, good_in_a_row: 0 };
        Self { between: per_second.map(|rate| Duration::from_secs_f64(1.0 / rate)), state: Mutex::new(state) }
    }

    /// Whether anybody may have to wait.
    pub(crate) fn is_limited(&self) -> bool {
        self.between.is_some()
    }

    /// Waits for the next turn, or for `cancel`. A turn that is not waited for is lost.
    pub(crate) async fn turn(&self, cancel: &CancellationToken) {
        let Some(at) = self.reserve(Instant::now()) else { return };
        tokio::select! {
            () = sleep_until(at) => {}
            () = cancel.cancelled() => {}
        }
    }

    fn reserve(&self, now: Instant) -> Option<Instant> {
        let between = self.between?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.good_in_a_row += 1;
        if state.good_in_a_row >= RECOVER_AFTER {
            state.good_in_a_row = 0;
            state.slowness = (state.slowness / 1.25).max(1.0);
        }
        let at = state.next.max(now);
        state.next = at + between.mul_f64(state.slowness);
        Some(at)
    }

    /// The portal throttles: half as often from now on, and slowly more often again.
    pub(crate) fn slow_down(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.good_in_a_row = 0;
        state.slowness = (state.slowness * 2.0).min(SLOWEST);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn without_a_limit_nobody_waits() {
        assert_eq!(RateLimiter::new(None).reserve(Instant::now()), None);
    }

    #[test]
    fn a_portal_that_throttles_is_asked_half_as_often_and_slowly_more_often_again() {
        let pace = RateLimiter::new(Some(10.0));
        let now = Instant::now();
        let gap = |pace: &RateLimiter| {
            let one = pace.reserve(now).unwrap();
            pace.reserve(now).unwrap() - one
        };
        assert_eq!(gap(&pace), Duration::from_millis(100));
        pace.slow_down();
        gap(&pace);
        assert_eq!(gap(&pace), Duration::from_millis(200));
        for _ in 0..20 * RECOVER_AFTER {
            pace.reserve(now);
        }
        assert_eq!(gap(&pace), Duration::from_millis(100));
    }

    proptest! {
        #[test]
        fn no_second_has_more_turns_than_it_may(
            rate in 1_u32..20,
            waits in prop::collection::vec(0_u64..400, 1..100),
        ) {
            let pace = RateLimiter::new(Some(rate.into()));
            let begun = Instant::now();
            let mut now = begun;
            let mut turns = Vec::new();
            for wait in waits {
                now += Duration::from_millis(wait);
                turns.push(pace.reserve(now).unwrap() - begun);
            }
            for (index, first) in turns.iter().enumerate() {
                let within = turns[index..].iter().filter(|turn| **turn - *first < Duration::from_secs(1)).count();
                prop_assert!(within <= rate as usize + 1, "{within} turns in a second at {rate}");
            }
        }
    }
}
