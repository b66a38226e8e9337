//! What follows from a failed attempt: one exhaustive table.

use crate::model::FailureKind;

/// Attempts at one order after which even failures that cost nothing (a site that is down, a login that ended) end it:
/// an order that alone keeps running into them must not be tried for ever.
const MAX_ATTEMPTS: u32 = 50;

/// What follows from a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The order has its outcome.
    Settle,
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

/// The verdict on a failure of `kind`, when `spent` of `limit` + 1 tries were used up by earlier attempts and `started`
/// attempts have been begun, this one included.
#[must_use]
pub fn verdict(kind: FailureKind, spent: u32, limit: u32, started: u32) -> Verdict {
    let while_budget = |limit: u32, retry: Verdict| if spent < limit { retry } else { Verdict::Settle };
    match kind {
        FailureKind::OrderMissing | FailureKind::AccessDenied | FailureKind::RequisitionDenied => Verdict::Settle,
        // once more on a fresh page: it may have been half rendered
        FailureKind::PageChanged => while_budget(limit.min(1), Verdict::RetryLater),
        FailureKind::Throttled | FailureKind::SiteDown | FailureKind::LoginRequired => {
            if started < MAX_ATTEMPTS {
                Verdict::AwaitSite
            } else {
                Verdict::Settle
            }
        }
        FailureKind::LoginRefused | FailureKind::DiskFull => Verdict::StopRun,
        FailureKind::StepTimeout | FailureKind::DownloadStalled | FailureKind::DownloadCorrupt => {
            while_budget(limit, Verdict::RetryLater)
        }
        FailureKind::SessionLost | FailureKind::SessionHung | FailureKind::Crashed => {
            while_budget(limit, Verdict::RetryNow)
        }
        FailureKind::Interrupted => Verdict::LeaveOpen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [FailureKind; 16] = [
        FailureKind::OrderMissing,
        FailureKind::AccessDenied,
        FailureKind::RequisitionDenied,
        FailureKind::PageChanged,
        FailureKind::Throttled,
        FailureKind::SiteDown,
        FailureKind::LoginRequired,
        FailureKind::LoginRefused,
        FailureKind::StepTimeout,
        FailureKind::SessionLost,
        FailureKind::SessionHung,
        FailureKind::Crashed,
        FailureKind::DownloadStalled,
        FailureKind::DownloadCorrupt,
        FailureKind::DiskFull,
        FailureKind::Interrupted,
    ];

    #[test]
    fn no_failure_is_retried_for_ever() {
        for kind in ALL {
            let (mut spent, mut started) = (0, 0);
            let ended = (0..1_000).any(|_| {
                started += 1;
                match verdict(kind, spent, 3, started) {
                    Verdict::RetryNow | Verdict::RetryLater => {
                        spent += 1;
                        false
                    }
                    Verdict::AwaitSite => false,
                    Verdict::Settle | Verdict::StopRun | Verdict::LeaveOpen => true,
                }
            });
            assert!(ended, "{kind}");
        }
    }

    #[test]
    fn what_cannot_get_better_is_tried_once() {
        for kind in [FailureKind::OrderMissing, FailureKind::AccessDenied, FailureKind::RequisitionDenied] {
            assert_eq!(verdict(kind, 0, 20, 1), Verdict::Settle);
        }
    }

    #[test]
    fn the_limit_counts_tries_after_the_first() {
        let tries =
            (0..).take_while(|spent| verdict(FailureKind::StepTimeout, *spent, 3, spent + 1) != Verdict::Settle);
        assert_eq!(tries.count(), 3);
        assert_eq!(verdict(FailureKind::StepTimeout, 0, 0, 1), Verdict::Settle);
    }

    #[test]
    fn a_refused_login_stops_the_run_at_once() {
        assert_eq!(verdict(FailureKind::LoginRefused, 0, 20, 1), Verdict::StopRun);
    }
}
