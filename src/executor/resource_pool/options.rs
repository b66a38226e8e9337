//! The limits of a pool.

use std::time::Duration;

use super::breaker::BreakerOptions;

#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) max_size: usize,
    pub(super) acquire_timeout: Duration,
    pub(super) create_timeout: Duration,
    pub(super) recycle_timeout: Duration,
    pub(super) destroy_timeout: Duration,
    pub(super) breaker: BreakerOptions,
}

impl Default for Options {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        Self {
            max_size: 10,
            acquire_timeout: 30 * second,
            create_timeout: 60 * second,
            recycle_timeout: 10 * second,
            destroy_timeout: 10 * second,
            breaker: BreakerOptions { threshold: 3, first_pause: second, longest_pause: 60 * second },
        }
    }
}
