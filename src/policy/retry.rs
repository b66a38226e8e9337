//! What follows from a failed attempt, and how long an order waits for its next one: one table by kind of failure.

use std::time::Duration;

use crate::config::RetryConfig;
use crate::model::{AttemptCounts, FailureKind, TaskId};
use crate::policy::isolation::SUSPECT_AFTER;

/// Attempts at one order after which even failures that are not counted (the portal is down, the login expired) end it:
/// an order that alone keeps failing so must not be tried for ever. Interruptions are not among them.
const MAX_ATTEMPTS: u32 = 50;

/// Longest wait after a failure that usually passes within seconds.
const LONGEST_SHORT_WAIT: Duration = Duration::from_secs(15);

/// How many times `retry_delay` an order waits that was throttled once: a portal that goes on to throttle says so again,
/// and then the order waits for `throttle_delay`.
const ONCE_THROTTLED: u32 = 2;

/// What follows from a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryDecision {
    /// The order has its outcome.
    Settle,
    /// Skipped: the order crashed a browser again, alone in a new one.
    Quarantine,
    /// Another session tries at once; the attempt is counted.
    RetryNow,
    /// Tried again after [`retry_delay`]; the attempt is counted.
    RetryLater,
    /// Tried once more when all other orders have ended, alone in a new browser; the attempt is counted.
    RetryAlone,
    /// Tried again after [`retry_delay`], as soon as the circuit breaker permits; the attempt is not counted.
    AwaitSite,
    /// The order stays open for the next run, and this run starts no more.
    StopRun,
    /// The order stays open for the next run.
    LeaveOpen,
}

/// How one kind of failure is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RetryRule {
    budget: Budget,
    wait: Wait,
}

/// How often a kind of failure is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Budget {
    /// Never: it cannot get better.
    Never,
    /// At most so often, and never more often than `retry_limit`.
    AtMost(u32),
    /// As often as `retry_limit`.
    Limit,
    /// Twice as often as `retry_limit`; not counted, so that it costs the order nothing.
    ServerErrors,
    /// As long as the portal is waited for; not counted.
    Site,
    /// Until the order is suspected of crashing browsers, and then once more alone.
    Crash,
    /// Not in this run, which ends.
    EndsRun,
    /// Not in this run.
    Open,
}

/// How long an order waits for its next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// Not at all.
    None,
    /// From `retry_delay` on; doubles with each attempt of the order's own, up to a quarter of a minute.
    Short,
    /// [`ONCE_THROTTLED`] times `retry_delay`, and from `throttle_delay` on if that does not help; doubles with each attempt
    /// that was throttled.
    Throttled,
}

/// The table.
const fn rule(kind: FailureKind) -> RetryRule {
    let (budget, wait) = match kind {
        FailureKind::OrderMissing
        | FailureKind::AccessDenied
        | FailureKind::RequisitionDenied
        | FailureKind::BlockedHost
        | FailureKind::TooLarge => (Budget::Never, Wait::None),
        // once more on a fresh page: it may have been half rendered, or half published
        FailureKind::PageChanged | FailureKind::FileUnavailable => (Budget::AtMost(1), Wait::Short),
        // each of these has cost a whole deadline already
        FailureKind::StepTimeout | FailureKind::DownloadStalled => (Budget::AtMost(2), Wait::Short),
        FailureKind::DownloadCorrupt => (Budget::Limit, Wait::Short),
        // errors at random hit an order with many files more than once
        FailureKind::ServerError => (Budget::ServerErrors, Wait::Short),
        FailureKind::Throttled => (Budget::Site, Wait::Throttled),
        // the circuit breaker decides when the portal is asked again
        FailureKind::SiteDown | FailureKind::Unreachable | FailureKind::LoginRequired => (Budget::Site, Wait::None),
        FailureKind::SessionLost | FailureKind::SessionHung | FailureKind::Crashed => (Budget::Crash, Wait::None),
        FailureKind::LoginRefused | FailureKind::DiskFull => (Budget::EndsRun, Wait::None),
        FailureKind::Interrupted => (Budget::Open, Wait::None),
    };
    RetryRule { budget, wait }
}

/// What follows from a failure of `kind`. `counts` are those of the task, including the start of the failed attempt but
/// not yet its failure. `limit` attempts are allowed after the first one.
#[must_use]
pub fn retry_decision(kind: FailureKind, counts: AttemptCounts, limit: u32) -> RetryDecision {
    let within = |limit: u32, retry: RetryDecision| if counts.counted < limit { retry } else { RetryDecision::Settle };
    match rule(kind).budget {
        Budget::Never => RetryDecision::Settle,
        Budget::AtMost(most) => within(limit.min(most), RetryDecision::RetryLater),
        Budget::Limit => within(limit, RetryDecision::RetryLater),
        Budget::ServerErrors if counts.server_errors < limit.saturating_mul(2) => RetryDecision::AwaitSite,
        Budget::ServerErrors => RetryDecision::Settle,
        Budget::Site if counts.started.saturating_sub(counts.interruptions) < MAX_ATTEMPTS => RetryDecision::AwaitSite,
        Budget::Site => RetryDecision::Settle,
        Budget::Crash => match counts.crashes + 1 {
            losses if losses < SUSPECT_AFTER => within(limit, RetryDecision::RetryNow),
            SUSPECT_AFTER => RetryDecision::RetryAlone,
            _ => RetryDecision::Quarantine,
        },
        Budget::EndsRun => RetryDecision::StopRun,
        Budget::Open => RetryDecision::LeaveOpen,
    }
}

/// Whether the running attempt of these counts is the first one, apart from interrupted ones.
#[must_use]
pub fn is_first_attempt(counts: AttemptCounts) -> bool {
    counts.started == counts.interruptions + 1
}

/// How long `task` waits after a failure of `kind`; `counts` as for [`retry_decision`]. `asked` is how long the portal
/// itself wants to be left alone, and then decides.
///
/// The wait doubles with each attempt that failed for a reason of the same sort: what the order did itself, or
/// throttling. An outage or an expired login makes no wait longer. Up to a quarter is added at random, so that orders
/// that failed together do not come back together. The random part depends on the task, the attempt and `seed` alone,
/// so that a run can be repeated.
#[must_use]
pub fn retry_delay(
    config: &RetryConfig,
    kind: FailureKind,
    counts: AttemptCounts,
    asked: Option<Duration>,
    task: TaskId,
    seed: u64,
) -> Duration {
    let (first, times, longest) = match rule(kind).wait {
        Wait::None => return Duration::ZERO, // what the portal asked for binds the circuit breaker
        Wait::Short => {
            let longest = config.delay_max.min(LONGEST_SHORT_WAIT.max(config.delay_min));
            (config.delay_min, counts.counted.saturating_add(counts.server_errors), longest)
        }
        Wait::Throttled if counts.throttled == 0 => {
            (config.delay_min.saturating_mul(ONCE_THROTTLED).min(config.throttle_delay), 0, config.delay_max)
        }
        Wait::Throttled => (config.throttle_delay, counts.throttled - 1, config.delay_max),
    };
    let wait = first.saturating_mul(1 << times.min(20)).min(longest);
    let wait = asked.unwrap_or(wait);
    wait.saturating_add(wait.mul_f64(random_share(seed ^ task.0.rotate_left(32) ^ u64::from(counts.started)) / 4.0))
}

/// A number from 0 to 1 that looks random.
fn random_share(seed: u64) -> f64 {
    f64::from(u32::try_from(mix(seed) >> 32).unwrap_or(0)) / f64::from(u32::MAX)
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

    const CONFIG: RetryConfig = RetryConfig {
        limit: 3,
        delay_min: Duration::from_secs(1),
        throttle_delay: Duration::from_secs(15),
        delay_max: Duration::from_secs(900),
        patience: Duration::from_secs(600),
        stop_after: None,
    };

    fn counts(counted: u32, started: u32) -> AttemptCounts {
        AttemptCounts { counted, started, ..AttemptCounts::default() }
    }

    /// The decisions and the waits in seconds, rounded, of an order that fails with `kind` each time.
    fn life(kind: FailureKind, limit: u32) -> (Vec<RetryDecision>, Vec<Duration>) {
        let (mut counts, mut decisions, mut waits) = (AttemptCounts::default(), Vec::new(), Vec::new());
        for _ in 0..1_000 {
            counts.started += 1;
            let decision = retry_decision(kind, counts, limit);
            decisions.push(decision);
            let is_counted = match decision {
                RetryDecision::RetryNow | RetryDecision::RetryLater | RetryDecision::RetryAlone => true,
                RetryDecision::AwaitSite => false,
                _ => return (decisions, waits),
            };
            waits.push((0..2048).map(|seed| retry_delay(&CONFIG, kind, counts, None, TaskId(1), seed)).min().unwrap());
            counts = counts.after_failure(kind, is_counted);
        }
        panic!("{kind} is tried for ever");
    }

    fn seconds(waits: &[Duration]) -> Vec<u64> {
        waits.iter().map(Duration::as_secs).collect()
    }

    #[test]
    fn no_failure_is_tried_again_for_ever() {
        for kind in FailureKind::ALL {
            let (decisions, _) = life(kind, 20);
            let end = decisions.last().unwrap();
            assert!(!matches!(end, RetryDecision::RetryNow | RetryDecision::RetryLater), "{kind}");
        }
    }

    #[test]
    fn what_passes_soon_is_tried_again_after_a_second_and_then_with_growing_waits() {
        assert_eq!(seconds(&life(FailureKind::DownloadCorrupt, 3).1), [1, 2, 4]);
        assert_eq!(seconds(&life(FailureKind::ServerError, 3).1), [1, 2, 4, 8, 15, 15]);
    }

    #[test]
    fn only_an_order_that_is_throttled_again_waits_fifteen_seconds() {
        for kind in FailureKind::ALL {
            let first = retry_delay(&CONFIG, kind, counts(0, 1), None, TaskId(1), 1).as_secs();
            assert!(first <= if kind == FailureKind::Throttled { 2 } else { 1 }, "{kind} waits {first} s");
        }
        assert_eq!(seconds(&life(FailureKind::Throttled, 3).1[..5]), [2, 15, 30, 60, 120]);
    }

    #[test]
    fn what_will_not_get_better_is_not_tried_four_times() {
        use RetryDecision::{RetryLater, Settle};
        for kind in [
            FailureKind::OrderMissing,
            FailureKind::AccessDenied,
            FailureKind::RequisitionDenied,
            FailureKind::BlockedHost,
            FailureKind::TooLarge,
        ] {
            assert_eq!(life(kind, 20).0, [Settle], "{kind}");
        }
        for kind in [FailureKind::PageChanged, FailureKind::FileUnavailable] {
            assert_eq!(life(kind, 20).0, [RetryLater, Settle], "{kind}");
        }
        for kind in [FailureKind::StepTimeout, FailureKind::DownloadStalled] {
            assert_eq!(life(kind, 20).0, [RetryLater, RetryLater, Settle], "{kind}");
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
        let wait = retry_delay(&CONFIG, FailureKind::Throttled, often, None, TaskId(1), 1);
        assert!(wait < Duration::from_secs(20), "interruptions do not make a wait longer: {wait:?}");
    }

    #[test]
    fn each_kind_of_failure_that_is_not_counted_has_its_own_count() {
        let after = |earlier: &[FailureKind]| {
            earlier.iter().fold(counts(0, 1), |counts, kind| AttemptCounts {
                started: counts.started + 1,
                ..counts.after_failure(*kind, false)
            })
        };
        let wait = |kind, earlier: &[FailureKind]| {
            retry_delay(&CONFIG, kind, after(earlier), None, TaskId(1), 1).as_secs_f64()
        };
        let others = [FailureKind::SiteDown, FailureKind::Unreachable, FailureKind::LoginRequired].repeat(3);
        let of_the_portal = [others.as_slice(), &[FailureKind::ServerError; 3]].concat();
        let throttled = wait(FailureKind::Throttled, &of_the_portal);
        assert!((2.0..=2.5).contains(&throttled), "an outage is no throttling: {throttled} s");
        let throttled = wait(FailureKind::Throttled, &[FailureKind::Throttled; 3]);
        assert!((60.0..=75.0).contains(&throttled), "{throttled} s");

        let of_the_portal = [others.as_slice(), &[FailureKind::Throttled; 9]].concat();
        for kind in [FailureKind::ServerError, FailureKind::DownloadCorrupt] {
            let first = wait(kind, &of_the_portal);
            assert!((1.0..=1.25).contains(&first), "{kind} waits {first} s");
        }
        let decision = |earlier: &[FailureKind]| retry_decision(FailureKind::ServerError, after(earlier), 3);
        assert_eq!(decision(&of_the_portal), RetryDecision::AwaitSite, "an outage uses up none of its tries");
        assert_eq!(decision(&[FailureKind::ServerError; 5]), RetryDecision::AwaitSite);
        assert_eq!(decision(&[FailureKind::ServerError; 6]), RetryDecision::Settle);
    }

    #[test]
    fn the_limit_counts_attempts_after_the_first() {
        assert_eq!(life(FailureKind::DownloadCorrupt, 3).0.len(), 4);
        for kind in FailureKind::ALL {
            let decision = retry_decision(kind, counts(0, 1), 0);
            assert!(!matches!(decision, RetryDecision::RetryNow | RetryDecision::RetryLater), "{kind}: {decision:?}");
        }
    }

    #[test]
    fn an_order_whose_browser_crashed_twice_is_tried_once_more_alone_before_it_is_skipped() {
        use RetryDecision::{Quarantine, RetryAlone, RetryNow};
        for kind in [FailureKind::SessionLost, FailureKind::SessionHung, FailureKind::Crashed] {
            assert_eq!(life(kind, 3).0, [RetryNow, RetryAlone, Quarantine], "{kind}");
        }
        let mut crashed = counts(0, 1);
        for kind in [FailureKind::SessionHung, FailureKind::Crashed] {
            crashed = crashed.after_failure(kind, true);
        }
        // another failure of its lone attempt is treated as any other
        let crashed = AttemptCounts { started: 3, ..crashed };
        assert_eq!(retry_decision(FailureKind::OrderMissing, crashed, 3), RetryDecision::Settle);
        assert_eq!(retry_decision(FailureKind::SiteDown, crashed, 3), RetryDecision::AwaitSite);
    }

    #[test]
    fn a_refused_login_stops_the_run_at_once() {
        assert_eq!(retry_decision(FailureKind::LoginRefused, counts(0, 1), 20), RetryDecision::StopRun);
    }

    #[test]
    fn the_portals_own_retry_after_decides_over_the_wait() {
        for asked in [2, 120] {
            let wait = retry_delay(
                &CONFIG,
                FailureKind::Throttled,
                counts(0, 1),
                Some(Duration::from_secs(asked)),
                TaskId(1),
                1,
            );
            assert!((asked..=asked + asked / 4).contains(&wait.as_secs()), "{wait:?}");
        }
    }

    proptest! {
        #[test]
        fn a_wait_stays_in_its_bounds(
            task in any::<u64>(), counted in any::<u32>(), throttled in any::<u32>(), server_errors in any::<u32>(),
            seed in any::<u64>(),
        ) {
            let counts = AttemptCounts { throttled, server_errors, ..counts(counted, 1) };
            for kind in FailureKind::ALL {
                let wait = retry_delay(&CONFIG, kind, counts, None, TaskId(task), seed);
                prop_assert!(wait <= CONFIG.delay_max.mul_f64(1.25));
                if rule(kind).wait == Wait::Short {
                    prop_assert!(wait >= CONFIG.delay_min && wait <= LONGEST_SHORT_WAIT.mul_f64(1.25));
                }
            }
        }
    }
}
