//! What follows from a failed attempt, and how long an order waits for its next one.

use std::time::Duration;

use crate::config::RetryConfig;
use crate::model::{AttemptCounts, FailureKind, TaskId};

/// Attempts at one order after which even failures that cost nothing (a site that is down, a login that ended) end it:
/// an order that alone keeps running into them must not be tried for ever. Those that were interrupted do not count.
const MAX_ATTEMPTS: u32 = 50;

/// Browsers that one order may end. The first may have been bad luck; after the second it is the order that breaks them,
/// and it is set aside before it has broken every worker's.
const MAX_SESSION_LOSSES: u32 = 2;

/// What follows from a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryDecision {
    /// The order has its outcome.
    Settle,
    /// The order is set aside: it has ended too many browsers.
    Quarantine,
    /// Another session tries at once; one try is used up.
    RetryNow,
    /// Tried again after a growing delay; one try is used up.
    RetryLater,
    /// Tried again when the circuit breaker permits it; no try is used up.
    AwaitSite,
    /// The order stays open for the next run, and this run starts no more.
    StopRun,
    /// The order stays open for the next run.
    LeaveOpen,
}

/// What follows from a failure of `kind` of a task that has been through `tally` (the failed attempt's beginning included, its
/// failure not), when `limit` tries are allowed after the first one.
#[must_use]
pub fn retry_decision(kind: FailureKind, tally: AttemptCounts, limit: u32) -> RetryDecision {
    let while_budget =
        |limit: u32, retry: RetryDecision| if tally.spent < limit { retry } else { RetryDecision::Settle };
    let tried = tally.started.saturating_sub(tally.interruptions);
    let while_sane = |retry: RetryDecision| if tried < MAX_ATTEMPTS { retry } else { RetryDecision::Settle };
    match kind {
        FailureKind::OrderMissing
        | FailureKind::AccessDenied
        | FailureKind::RequisitionDenied
        | FailureKind::TooLarge => RetryDecision::Settle,
        // once more on a fresh page: it may have been half rendered
        FailureKind::PageChanged => while_budget(limit.min(1), RetryDecision::RetryLater),
        FailureKind::Throttled | FailureKind::SiteDown | FailureKind::Unreachable | FailureKind::LoginRequired => {
            while_sane(RetryDecision::AwaitSite)
        }
        FailureKind::LoginRefused | FailureKind::DiskFull => RetryDecision::StopRun,
        FailureKind::StepTimeout | FailureKind::DownloadStalled | FailureKind::DownloadCorrupt => {
            while_budget(limit, RetryDecision::RetryLater)
        }
        FailureKind::SessionLost | FailureKind::SessionHung | FailureKind::Crashed => {
            if tally.breaks + 1 < MAX_SESSION_LOSSES {
                while_budget(limit, RetryDecision::RetryNow)
            } else {
                RetryDecision::Quarantine
            }
        }
        FailureKind::Interrupted => RetryDecision::LeaveOpen,
    }
}

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

    const ALL: [FailureKind; 18] = [
        FailureKind::OrderMissing,
        FailureKind::AccessDenied,
        FailureKind::RequisitionDenied,
        FailureKind::PageChanged,
        FailureKind::Throttled,
        FailureKind::SiteDown,
        FailureKind::Unreachable,
        FailureKind::LoginRequired,
        FailureKind::LoginRefused,
        FailureKind::StepTimeout,
        FailureKind::SessionLost,
        FailureKind::SessionHung,
        FailureKind::Crashed,
        FailureKind::DownloadStalled,
        FailureKind::DownloadCorrupt,
        FailureKind::TooLarge,
        FailureKind::DiskFull,
        FailureKind::Interrupted,
    ];

    fn tally(spent: u32, started: u32) -> AttemptCounts {
        AttemptCounts { spent, started, ..AttemptCounts::default() }
    }

    #[test]
    fn no_failure_is_retried_for_ever() {
        // what is interrupted is not retried: it stays open for the next run
        for kind in ALL.into_iter().filter(|kind| *kind != FailureKind::Interrupted) {
            let mut tally = AttemptCounts::default();
            let ended = (0..1_000).any(|_| {
                tally.started += 1;
                let decision = retry_decision(kind, tally, 20);
                let is_counted = matches!(decision, RetryDecision::RetryNow | RetryDecision::RetryLater);
                tally = tally.after_failure(kind, is_counted);
                matches!(decision, RetryDecision::Settle | RetryDecision::Quarantine | RetryDecision::StopRun)
            });
            assert!(ended, "{kind}");
        }
    }

    #[test]
    fn interruptions_alone_never_end_an_order() {
        let mut often = AttemptCounts::default();
        for _ in 0..1_000 {
            often.started += 1;
            assert_eq!(retry_decision(FailureKind::Interrupted, often, 3), RetryDecision::LeaveOpen);
            often = often.after_failure(FailureKind::Interrupted, false);
        }
        often.started += 1;
        assert_eq!(retry_decision(FailureKind::SiteDown, often, 3), RetryDecision::AwaitSite);
        assert_eq!(retry_decision(FailureKind::StepTimeout, often, 3), RetryDecision::RetryLater);
    }

    #[test]
    fn what_cannot_get_better_is_tried_once() {
        for kind in [
            FailureKind::OrderMissing,
            FailureKind::AccessDenied,
            FailureKind::RequisitionDenied,
            FailureKind::TooLarge,
        ] {
            assert_eq!(retry_decision(kind, tally(0, 1), 20), RetryDecision::Settle);
        }
    }

    #[test]
    fn the_limit_counts_tries_after_the_first() {
        let tries = (0..).take_while(|spent| {
            retry_decision(FailureKind::StepTimeout, tally(*spent, spent + 1), 3) != RetryDecision::Settle
        });
        assert_eq!(tries.count(), 3);
        assert_eq!(retry_decision(FailureKind::StepTimeout, tally(0, 1), 0), RetryDecision::Settle);
    }

    #[test]
    fn an_order_that_ends_two_browsers_is_set_aside() {
        let first = tally(0, 1);
        assert_eq!(retry_decision(FailureKind::SessionHung, first, 20), RetryDecision::RetryNow);
        let second = first.after_failure(FailureKind::SessionHung, true);
        assert_eq!(retry_decision(FailureKind::Crashed, second, 20), RetryDecision::Quarantine);
    }

    #[test]
    fn a_refused_login_stops_the_run_at_once() {
        assert_eq!(retry_decision(FailureKind::LoginRefused, tally(0, 1), 20), RetryDecision::StopRun);
    }

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
