//! Whether a transfer is fast enough to go on. Time is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// The least that must come in: a transfer that brings less ends as too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeastRate {
    /// So many bytes …
    pub bytes: u64,
    /// … in each span of this length.
    pub span: Duration,
}

impl Default for LeastRate {
    /// 32 KiB a minute: ten times slower than the slowest modem that anybody still has.
    fn default() -> Self {
        Self { bytes: 32 * 1024, span: Duration::from_secs(60) }
    }
}

/// Watches one transfer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateWatch {
    least: LeastRate,
    since: Instant,
    received_then: u64,
}

impl RateWatch {
    pub(crate) fn new(least: LeastRate, received: u64, now: Instant) -> Self {
        Self { least, since: now, received_then: received }
    }

    /// Whether the last whole span brought less than the least, `received` bytes having come in so far.
    pub(crate) fn is_too_slow(&mut self, received: u64, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) < self.least.span {
            return false;
        }
        let came = received.saturating_sub(self.received_then);
        (self.since, self.received_then) = (now, received);
        came < self.least.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_span_with_too_little_is_too_slow() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let least = LeastRate { bytes: 100, span: Duration::from_secs(10) };
        let mut watch = RateWatch::new(least, 50, start);
        assert!(!watch.is_too_slow(51, at(9)), "the span is not over");
        assert!(!watch.is_too_slow(150, at(10)), "100 in 10 s are enough");
        assert!(!watch.is_too_slow(160, at(19)));
        assert!(watch.is_too_slow(249, at(21)), "99 in 11 s are not");
    }
}
