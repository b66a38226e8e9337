//! What follows from a failed attempt: one exhaustive table.

use crate::model::{AttemptCounts, FailureKind};

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
    /// Tried again when the gate lets it; no try is used up.
    AwaitSite,
    /// The order stays open for the next run, and this run starts no more.
    StopRun,
    /// The order stays open for the next run.
    LeaveOpen,
}

/// The verdict on a failure of `kind` of a task that has been through `tally` (the failed attempt's beginning included, its
/// failure not), when `limit` tries are allowed after the first one.
#[must_use]
pub fn verdict(kind: FailureKind, tally: AttemptCounts, limit: u32) -> RetryDecision {
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

#[cfg(test)]
mod tests {
    use super::*;

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
                let verdict = verdict(kind, tally, 20);
                let is_counted = matches!(verdict, RetryDecision::RetryNow | RetryDecision::RetryLater);
                tally = tally.after_failure(kind, is_counted);
                matches!(verdict, RetryDecision::Settle | RetryDecision::Quarantine | RetryDecision::StopRun)
            });
            assert!(ended, "{kind}");
        }
    }

    #[test]
    fn interruptions_alone_never_end_an_order() {
        let mut often = AttemptCounts::default();
        for _ in 0..1_000 {
            often.started += 1;
            assert_eq!(verdict(FailureKind::Interrupted, often, 3), RetryDecision::LeaveOpen);
            often = often.after_failure(FailureKind::Interrupted, false);
        }
        often.started += 1;
        assert_eq!(verdict(FailureKind::SiteDown, often, 3), RetryDecision::AwaitSite);
        assert_eq!(verdict(FailureKind::StepTimeout, often, 3), RetryDecision::RetryLater);
    }

    #[test]
    fn what_cannot_get_better_is_tried_once() {
        for kind in [
            FailureKind::OrderMissing,
            FailureKind::AccessDenied,
            FailureKind::RequisitionDenied,
            FailureKind::TooLarge,
        ] {
            assert_eq!(verdict(kind, tally(0, 1), 20), RetryDecision::Settle);
        }
    }

    #[test]
    fn the_limit_counts_tries_after_the_first() {
        let tries = (0..).take_while(|spent| {
            verdict(FailureKind::StepTimeout, tally(*spent, spent + 1), 3) != RetryDecision::Settle
        });
        assert_eq!(tries.count(), 3);
        assert_eq!(verdict(FailureKind::StepTimeout, tally(0, 1), 0), RetryDecision::Settle);
    }

    #[test]
    fn an_order_that_ends_two_browsers_is_set_aside() {
        let first = tally(0, 1);
        assert_eq!(verdict(FailureKind::SessionHung, first, 20), RetryDecision::RetryNow);
        let second = first.after_failure(FailureKind::SessionHung, true);
        assert_eq!(verdict(FailureKind::Crashed, second, 20), RetryDecision::Quarantine);
    }

    #[test]
    fn a_refused_login_stops_the_run_at_once() {
        assert_eq!(verdict(FailureKind::LoginRefused, tally(0, 1), 20), RetryDecision::StopRun);
    }
}
