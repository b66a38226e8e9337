//! How long to wait before an order is tried again.

use std::time::Duration;

use crate::config::RetryConfig;
use crate::model::TaskId;

/// The delay after `spent` tries were used up: `spent`⁴ seconds more than the shortest one, with up to a tenth of
/// jitter so that orders that failed together do not come back together, and never longer than the longest one.
///
/// The jitter depends on `seed`, the task and the try alone: the same run can be repeated.
#[must_use]
pub fn retry_delay(retry: &RetryConfig, task: TaskId, spent: u32, seed: u64) -> Duration {
    let grown = retry.delay_min + Duration::from_secs(u64::from(spent.saturating_sub(1)).saturating_pow(4).min(86_400));
    let share = f64::from(u32::try_from(mix(seed ^ task.0.rotate_left(32) ^ u64::from(spent)) >> 32).unwrap_or(0))
        / f64::from(u32::MAX);
    grown.mul_f64(1.0 + share / 10.0).min(retry.delay_max)
}

/// SplitMix64's output function: spreads neighbouring numbers over all 64 bits.
fn mix(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RETRY: RetryConfig = RetryConfig {
        limit: 3,
        delay_min: Duration::from_secs(15),
        delay_max: Duration::from_secs(900),
        patience: Duration::from_secs(600),
        stop_after: None,
    };

    #[test]
    fn grows_and_stays_below_the_longest() {
        let delays: Vec<_> = (1..12).map(|spent| retry_delay(&RETRY, TaskId(1), spent, 7)).collect();
        assert!(delays.windows(2).all(|pair| pair[0] <= pair[1] || pair[1] == RETRY.delay_max), "{delays:?}");
        assert_eq!(delays.last(), Some(&RETRY.delay_max));
    }

    proptest! {
        #[test]
        fn stays_in_bounds(task in any::<u64>(), spent in any::<u32>(), seed in any::<u64>()) {
            let delay = retry_delay(&RETRY, TaskId(task), spent, seed);
            prop_assert!(delay >= RETRY.delay_min && delay <= RETRY.delay_max);
        }
    }
}
