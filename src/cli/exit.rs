//! Exit codes.

use std::process::ExitCode;

use crate::backend::JournalError;
use crate::batch::{BatchError, BatchStatus};
use crate::pool::StartError;

/// Advice if there is no usable browser.
pub(crate) const BROWSER_HINT: &str =
    "`coupa-batch doctor` shows details; `coupa-batch doctor --yes` installs what is missing";

/// Why the program ends. Scripts rely on the codes; the README lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitReason {
    /// Every order is complete or has nothing to fetch.
    AllWell,
    /// A bug, or an unexpected error.
    Unexpected,
    /// The arguments, the settings or the input are wrong; nothing was started.
    BadCall,
    /// The run finished, and some orders failed.
    Failures,
    /// The run was stopped early and can be resumed.
    StoppedEarly,
    /// There is no usable browser.
    NoBrowser,
    /// The journal cannot be read or written.
    JournalUnusable,
    /// Killed by a third signal.
    Forced,
}

impl ExitReason {
    /// The exit code.
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

    /// The reason as a word, for programs.
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
}

impl From<BatchStatus> for ExitReason {
    fn from(status: BatchStatus) -> Self {
        match status {
            BatchStatus::Succeeded => Self::AllWell,
            BatchStatus::SomeFailed => Self::Failures,
            BatchStatus::StoppedEarly => Self::StoppedEarly,
            BatchStatus::PortalUnusable => Self::BadCall,
            BatchStatus::NoBrowser => Self::NoBrowser,
            BatchStatus::JournalUnusable => Self::JournalUnusable,
            BatchStatus::Killed => Self::Forced,
        }
    }
}

impl From<ExitReason> for ExitCode {
    fn from(reason: ExitReason) -> Self {
        Self::from(reason.code())
    }
}

/// A command failed: its message and exit reason.
#[derive(Debug)]
pub(crate) struct CommandError {
    /// The exit reason.
    pub(crate) reason: ExitReason,
    /// What happened, why, and what to do.
    pub(crate) message: String,
}

impl CommandError {
    /// Wrong arguments, settings or input.
    pub(crate) fn bad_call(message: impl std::fmt::Display) -> Self {
        Self { reason: ExitReason::BadCall, message: message.to_string() }
    }

    /// Any other failure.
    pub(crate) fn new(reason: ExitReason, message: impl std::fmt::Display) -> Self {
        Self { reason, message: message.to_string() }
    }

    /// The journal cannot be read or written.
    pub(crate) fn journal(error: impl std::fmt::Display) -> Self {
        Self::new(ExitReason::JournalUnusable, error)
    }

    /// The journal cannot be read. A missing journal counts as a wrong argument.
    pub(crate) fn unreadable(error: JournalError) -> Self {
        match error {
            JournalError::Missing { .. } => Self::bad_call(error),
            other => Self::journal(other),
        }
    }
}

impl From<BatchError> for CommandError {
    fn from(error: BatchError) -> Self {
        let reason = match &error {
            BatchError::Start(StartError::Browser(_)) => ExitReason::NoBrowser,
            BatchError::Start(StartError::Recipe(_) | StartError::Output(_) | StartError::Portal(_)) => {
                ExitReason::BadCall
            }
            BatchError::Start(_) | BatchError::Signals(_) => ExitReason::Unexpected,
            BatchError::NothingToResume(_) => ExitReason::BadCall,
            BatchError::Journal(_) | BatchError::Interrupted(_) => ExitReason::JournalUnusable,
            BatchError::Report(_) | BatchError::Stopped => ExitReason::StoppedEarly,
        };
        let is_browser = matches!(error, BatchError::Start(StartError::Browser(_)));
        let hint = if is_browser { format!("\n{BROWSER_HINT}") } else { String::new() };
        Self::new(reason, format!("{error}{hint}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_promised_ones() {
        use ExitReason::*;
        let all = [AllWell, Unexpected, BadCall, Failures, StoppedEarly, NoBrowser, JournalUnusable, Forced];
        assert_eq!(all.map(ExitReason::code), [0, 1, 2, 3, 4, 5, 6, 130]);
    }
}
