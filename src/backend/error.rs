//! How sessions and attempts fail. Messages are fragments that fit after "failed to …:".

use std::time::Duration;

use thiserror::Error;

use crate::model::{Failure, FailureKind, Receipt};

/// A browser session could not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// There is no browser, no driver, or the two do not match. The text says how to fix it; starting again does not help.
    #[error("{0}")]
    Unusable(String),
    /// The driver or the browser did not start; another try may succeed.
    #[error("the browser did not start: {0}")]
    NotStarted(String),
    /// The browser or its driver is gone.
    #[error("the browser session is gone: {0}")]
    Lost(String),
    /// The driver did not answer within the command deadline. The session must not be used again.
    #[error("the driver did not answer {command} within {}", humantime::format_duration(*after))]
    DriverUnresponsive {
        /// The command that was not answered.
        command: &'static str,
        /// The deadline that passed.
        after: Duration,
    },
    /// The driver answers, but its page does not: a script runs endlessly, or the browser is frozen. The session must not
    /// be used again.
    #[error("the driver answers, but the page did not answer {command} within {}", humantime::format_duration(*after))]
    PageUnresponsive {
        /// The command that was not answered.
        command: &'static str,
        /// The deadline that passed.
        after: Duration,
    },
    /// The driver answers, but the page was not ready in time.
    #[error("the page was not ready in time: {0}")]
    PageTimeout(String),
    /// The address could not be reached: unknown host, connection refused or reset, certificate rejected.
    #[error("{url} cannot be reached: {why}")]
    Unreachable {
        /// Where the page was to go.
        url: String,
        /// What failed, for a person.
        why: String,
    },
    /// The page was directed to a host of this machine or of a private network that is not the portal's. Nothing was sent
    /// there.
    #[error(
        "the portal directed the browser to {host}, an address of this machine or of a private network that is not the \
         portal's own, so it was not opened: if it is needed (a single sign-on without a host name), add it to \
         private_hosts"
    )]
    BlockedHost {
        /// Which host, with its port.
        host: String,
    },
    /// The command was understood and refused: no such element, a script that threw, an invalid argument.
    #[error("the browser refused: {0}")]
    Refused(String),
    /// A file or folder of this machine could not be used.
    #[error("{what}: {source}")]
    Io {
        /// The operation, with the path.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl SessionError {
    /// The failure kind of an attempt that ends with this error.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Unusable(_) | Self::NotStarted(_) | Self::Lost(_) => FailureKind::SessionLost,
            Self::DriverUnresponsive { .. } => FailureKind::SessionHung,
            Self::PageTimeout(_) | Self::PageUnresponsive { .. } => FailureKind::StepTimeout,
            Self::Unreachable { .. } => FailureKind::Unreachable,
            Self::BlockedHost { .. } => FailureKind::BlockedHost,
            Self::Refused(_) => FailureKind::PageChanged,
            Self::Io { .. } => FailureKind::DiskFull,
        }
    }
}

/// Why an attempt failed.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct AttemptError {
    /// The kind of failure, which decides what happens next.
    pub kind: FailureKind,
    /// What happened, for a person; never holds a secret.
    pub message: String,
    /// How long the portal asks to wait before the next request.
    pub retry_after: Option<Duration>,
    /// What is in the order's folder despite the failure.
    pub receipt: Option<Box<Receipt>>,
    /// The error that led to it, if there is one. Its text is in `message`, as far as it is for people.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl AttemptError {
    /// A failure of `kind`, described by `message`.
    #[must_use]
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None, receipt: None, source: None }
    }

    /// The failure as the journal stores it.
    #[must_use]
    pub fn to_failure(&self) -> Failure {
        Failure::new(self.kind, self.message.clone())
    }
}

impl From<SessionError> for AttemptError {
    fn from(error: SessionError) -> Self {
        Self {
            message: error.to_string(),
            kind: error.kind(),
            retry_after: None,
            receipt: None,
            source: Some(Box::new(error)),
        }
    }
}
