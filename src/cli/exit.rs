//! Why the program ends, and the number that says so to scripts.

use std::process::ExitCode;

use crate::report::Summary;

/// Why the program ends. The numbers are a promise to scripts and stand in the README.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitReason {
    /// Every order is complete or has nothing to fetch.
    AllWell,
    /// A bug, or something that nobody thought of.
    Unexpected,
    /// The call, the settings or the input are wrong; nothing was started.
    BadCall,
    /// The run came to its end, and some orders failed.
    Failures,
    /// The run was stopped before its end and can go on.
    StoppedEarly,
    /// There is no browser that can be used.
    NoBrowser,
    /// The record of the run cannot be read or written.
    JournalUnusable,
    /// Ended by force.
    Forced,
}

impl ExitReason {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::AllWell => 0,
            Self::Unexpected => 1,
            Self::BadCall => 2,
            Self::Failures => 3,
            Self::StoppedEarly => 4,
            Self::NoBrowser => 5,
            Self::JournalUnusable => 6,
            Self::Forced => 130,
        }
    }

    /// The word, for programs.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::AllWell => "all_well",
            Self::Unexpected => "unexpected",
            Self::BadCall => "bad_call",
            Self::Failures => "failures",
            Self::StoppedEarly => "stopped_early",
            Self::NoBrowser => "no_browser",
            Self::JournalUnusable => "journal_unusable",
            Self::Forced => "forced",
        }
    }

    /// What a run that came as far as its report ends with.
    pub(crate) fn of(summary: &Summary) -> Self {
        if summary.open_count() > 0 {
            Self::StoppedEarly
        } else if summary.is_all_well() {
            Self::AllWell
        } else {
            Self::Failures
        }
    }
}

impl From<ExitReason> for ExitCode {
    fn from(reason: ExitReason) -> Self {
        Self::from(reason.code())
    }
}

/// A command that came to nothing: what to tell, and why the program ends.
#[derive(Debug)]
pub(crate) struct CommandError {
    /// Why.
    pub(crate) reason: ExitReason,
    /// What happened, why, and what to do next.
    pub(crate) message: String,
}

impl CommandError {
    /// A wrong call, setting or input.
    pub(crate) fn bad_call(message: impl std::fmt::Display) -> Self {
        Self { reason: ExitReason::BadCall, message: message.to_string() }
    }

    /// Anything else.
    pub(crate) fn new(reason: ExitReason, message: impl std::fmt::Display) -> Self {
        Self { reason, message: message.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::OrderStatus;

    fn summary(counts: &[(OrderStatus, u64)]) -> Summary {
        let mut text = serde_json::json!({
            "run": "r", "started": "2026-01-01T00:00:00Z", "finished": "2026-01-01T00:00:00Z", "seconds": 0.0,
            "orders": 0, "by_status": {}, "files": 0, "bytes": 0, "missing": 0, "rejected": 0, "stopped_because": null
        });
        for (status, count) in counts {
            text["by_status"][status.as_str()] = (*count).into();
        }
        text["orders"] = counts.iter().map(|(_, count)| count).sum::<u64>().into();
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn the_numbers_are_the_promised_ones() {
        use ExitReason::*;
        let all = [AllWell, Unexpected, BadCall, Failures, StoppedEarly, NoBrowser, JournalUnusable, Forced];
        assert_eq!(all.map(ExitReason::code), [0, 1, 2, 3, 4, 5, 6, 130]);
    }

    #[test]
    fn a_run_ends_with_the_reason_that_calls_for_the_most() {
        use OrderStatus::*;
        assert_eq!(ExitReason::of(&summary(&[(Completed, 2), (NoAttachments, 1)])), ExitReason::AllWell);
        for status in [Partial, PoNotFound, PrNotAccessible, Failed, Skipped] {
            assert_eq!(ExitReason::of(&summary(&[(Completed, 2), (status, 1)])), ExitReason::Failures);
        }
        assert_eq!(ExitReason::of(&summary(&[(Failed, 1), (NotDone, 1)])), ExitReason::StoppedEarly);
    }
}
