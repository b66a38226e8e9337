//! Everything that crosses a seam as an error. Messages are fragments that fit after "failed to …:".

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::model::{Failure, FailureKind, Receipt, RunId};

/// A browser session could not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// No browser, no driver, or two that do not match; the text says how to mend it. Starting again is of no use.
    #[error("{0}")]
    Unusable(String),
    /// The driver or the browser did not start; another try may succeed.
    #[error("the browser did not start: {0}")]
    NotStarted(String),
    /// The browser or its driver is gone.
    #[error("the browser session is gone: {0}")]
    Lost(String),
    /// The driver did not answer within the command deadline. The session must not be spoken to again.
    #[error("the driver did not answer {command} within {after:?}")]
    DriverUnresponsive {
        /// The verb that was not answered.
        command: &'static str,
        /// The deadline that passed.
        after: Duration,
    },
    /// The driver answers, its page does not: it is in an endless loop, or its browser stands still. The session must
    /// not be spoken to again.
    #[error("the driver is well, but the page did not answer {command} within {after:?}")]
    PageUnresponsive {
        /// The verb that was not answered.
        command: &'static str,
        /// The deadline that passed.
        after: Duration,
    },
    /// The driver answers, the page did not get there in time.
    #[error("the page was not ready in time: {0}")]
    PageTimeout(String),
    /// The address could not be reached: name not resolved, connection refused or reset, certificate refused.
    #[error("{url} cannot be reached: {why}")]
    Unreachable {
        /// Where the page was to go.
        url: String,
        /// What failed, for a person.
        why: String,
    },
    /// The page was led to a host of this machine or of a private network that is not the portal's. Nothing was sent
    /// there.
    #[error(
        "the portal led the browser to {host}, an address of this machine or of a private network that is not the \
         portal's own, so nothing was asked of it: if it may be reached (a single sign-on that has no name), add it to \
         private_hosts"
    )]
    BlockedHost {
        /// Which host, with its port.
        host: String,
    },
    /// The command was understood and refused: no such element, a script that threw, an invalid argument.
    #[error("the browser refused: {0}")]
    Refused(String),
    /// A file or folder of this machine stood in the way.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with the path.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl SessionError {
    /// The class of failure that an attempt ends with when this ends it.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Unusable(_) | Self::NotStarted(_) | Self::Lost(_) => FailureKind::SessionLost,
            Self::DriverUnresponsive { .. } => FailureKind::SessionHung,
            Self::PageTimeout(_) | Self::PageUnresponsive { .. } => FailureKind::StepTimeout,
            Self::Unreachable { .. } => FailureKind::Unreachable,
            Self::BlockedHost { .. } => FailureKind::AccessDenied,
            Self::Refused(_) => FailureKind::PageChanged,
            Self::Io { .. } => FailureKind::DiskFull,
        }
    }
}

/// An attempt failed: the class decides what happens next, the message is for a person.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct AttemptError {
    /// The class of failure.
    pub kind: FailureKind,
    /// What happened, without any secret.
    pub message: String,
    /// The portal's own wish when to come back.
    pub retry_after: Option<Duration>,
    /// What lies in the order's folder in spite of the failure.
    pub receipt: Option<Receipt>,
}

impl AttemptError {
    /// A failure of `kind`, described by `message`.
    #[must_use]
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None, receipt: None }
    }

    /// The same, as it is journaled.
    #[must_use]
    pub fn to_failure(&self) -> Failure {
        Failure::new(self.kind, self.message.clone())
    }
}

impl From<SessionError> for AttemptError {
    fn from(error: SessionError) -> Self {
        Self::new(error.kind(), error.to_string())
    }
}

/// The journal could not be read or written. A run stops at the first one: nothing unwritten is ever acted upon.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The medium refused.
    #[error("the journal cannot be written: {0}")]
    Unusable(String),
    /// The entries contradict each other, or the file does.
    #[error("the journal contradicts itself: {0}")]
    Damaged(String),
    /// Another program writes it at this moment.
    #[error(
        "the journal {} is in use by {owner}: wait for it to end, end it, or name another journal with --journal",
        path.display()
    )]
    InUse {
        /// Which journal.
        path: PathBuf,
        /// Who, and since when.
        owner: String,
    },
    /// No room on its disk; nothing of the batch was written.
    #[error("no room left for the journal {}: free some space on its disk, then resume the run", path.display())]
    Full {
        /// Which journal.
        path: PathBuf,
    },
    /// It may not be written, or not even be opened.
    #[error(
        "the journal {} cannot be opened for writing ({why}): mend its permissions or name another with --journal",
        path.display()
    )]
    ReadOnly {
        /// Which journal.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The file is something else.
    #[error("{} is no journal of this program: name another file with --journal", path.display())]
    NotAJournal {
        /// Which file.
        path: PathBuf,
    },
    /// A newer version of the program wrote it. It was left as it is.
    #[error(
        "the journal {} was written by a newer version (schema {found}, this one knows {known}): use that version, or \
         name another journal with --journal",
        path.display()
    )]
    TooNew {
        /// Which journal.
        path: PathBuf,
        /// Its schema.
        found: i32,
        /// The newest schema that this program knows.
        known: i32,
    },
    /// There is no journal to read.
    #[error("there is no journal at {}: nothing was run with it yet", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The disk did not answer in time. Whether the batch was written is not known; reading the journal later tells.
    #[error("the disk of the journal did not answer within {after:?}: see whether it is well, then resume the run")]
    NoAnswer {
        /// The deadline that passed.
        after: Duration,
    },
    /// The journal holds no such run.
    #[error("the journal holds no run {0}")]
    NoSuchRun(RunId),
    /// The journal holds a run of this name already.
    #[error("the journal holds a run {0} already: resume it, or begin one with another name")]
    RunExists(RunId),
}
