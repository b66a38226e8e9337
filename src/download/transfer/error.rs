//! All the ways a transfer can fail, and what follows from each.

use std::time::Duration;

use thiserror::Error;

use crate::backend::SessionError;
use crate::download::DownloadError;
use crate::model::FailureKind;
use crate::net::HttpError;
use crate::text::rounded;

/// A file could not be fetched by HTTP. No message contains an address: it may be valid only once, or for whoever knows
/// it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The portal does not let this client have the file, which a browser may get: a wall against programs answers so,
    /// and so does a portal that refuses the login.
    #[error("the portal refused to send the file to a client that is not a browser (status 403)")]
    Refused,
    /// The portal asked for a login instead.
    #[error("the portal answered with its login page instead of the file: the login has ended")]
    LoginEnded,
    /// The portal asks for fewer requests.
    #[error("the portal limits requests (status {status})")]
    Throttled {
        /// 429, or 503 with `Retry-After`.
        status: u16,
        /// How long to wait before the next request, by `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The portal answered with another error, or with something that is not a file.
    #[error("the portal answered with status {status} instead of the file")]
    Answered {
        /// The HTTP status.
        status: u16,
    },
    /// The connection ended before the file was whole, and the rest could not be fetched.
    #[error("the connection was cut after {received} bytes: {why}")]
    Cut {
        /// Bytes that had come in.
        received: u64,
        /// What the network said.
        why: String,
    },
    /// Nothing came for too long.
    #[error("the transfer made no progress for {} after {received} bytes", rounded(*after))]
    Standstill {
        /// Bytes that had come in.
        received: u64,
        /// How long was waited.
        after: Duration,
    },
    /// It came, but would not have ended in time.
    #[error(
        "only {came} bytes arrived in {}, slower than download_min_rate allows, so it was stopped",
        rounded(*after)
    )]
    TooSlow {
        /// Bytes that came in.
        came: u64,
        /// In how long.
        after: Duration,
    },
    /// It was not whole when its time was over.
    #[error("it was not complete after {} and {received} bytes, and was stopped", rounded(*after))]
    OutOfTime {
        /// Bytes that had come in.
        received: u64,
        /// How long it had taken by then.
        after: Duration,
    },
    /// It is larger than it may be.
    #[error("it is larger than {limit} bytes and was stopped: if you want it, raise {setting}")]
    TooLarge {
        /// How large it may be.
        limit: u64,
        /// The setting that says so.
        setting: &'static str,
    },
    /// It leads to a host of this machine or of a private network. Nothing was sent there.
    #[error(
        "the portal led to {host}, an address of this machine or of a private network that is not the portal's own, so \
         nothing was requested from it: if it may be reached, add it to private_hosts"
    )]
    BlockedHost {
        /// Which host, with its port or with what it led to.
        host: String,
    },
    /// It leads out of the portal. Nothing was sent there.
    #[error(
        "it comes from {host}, outside the portal, and was not followed: if that host is right, add it to \
         address.allowed_hosts in the site recipe"
    )]
    Elsewhere {
        /// Which host, or the scheme of an address without one.
        host: String,
    },
    /// A redirect leads nowhere, or from an encrypted address to one that is not.
    #[error("the portal's redirect was not followed: {why}")]
    BadRedirect {
        /// What is wrong with it.
        why: &'static str,
    },
    /// No connection was established.
    #[error("the file's address cannot be reached: {why}")]
    Unreachable {
        /// What failed.
        why: String,
    },
    /// The body is encoded in a way that only browsers read.
    #[error("the portal sent the file encoded as {coding:?}, which was not requested")]
    Encoded {
        /// The content coding.
        coding: String,
    },
    /// A file or folder could not be read or written.
    #[error(transparent)]
    Disk(DownloadError),
    /// The run was aborted.
    #[error("the run was stopped")]
    Interrupted,
}

impl TransferError {
    /// An error of the client after `received` bytes.
    pub(crate) fn of_client(error: HttpError, received: u64) -> Self {
        match error {
            HttpError::Blocked { host } => Self::BlockedHost { host },
            HttpError::NoConnection(why) | HttpError::Invalid(why) => Self::Unreachable { why },
            HttpError::Cut(why) => Self::Cut { received, why },
            HttpError::Late { after } => Self::Standstill { received, after },
        }
    }

    /// Whether a browser may get the file although this client does not: such an attachment is downloaded by the
    /// browser, at no cost to the order. All other failures would be a browser's as well.
    #[must_use]
    pub fn may_a_browser_succeed(&self) -> bool {
        match self {
            // portals that refuse programs; a body, a proxy or a certificate that only the browser can deal with
            Self::Refused | Self::Encoded { .. } | Self::Unreachable { .. } | Self::BadRedirect { .. } => true,
            // a one-time address that was used up is requested again by the page
            Self::Cut { .. } | Self::Standstill { .. } | Self::Answered { status: 404 | 410 } => true,
            Self::Answered { .. }
            | Self::LoginEnded
            | Self::Throttled { .. }
            | Self::TooSlow { .. }
            | Self::OutOfTime { .. }
            | Self::TooLarge { .. }
            | Self::BlockedHost { .. }
            | Self::Elsewhere { .. }
            | Self::Disk(_)
            | Self::Interrupted => false,
        }
    }

    /// How long to wait before the next request, by `Retry-After`.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The class of failure that follows where no browser helps.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Refused => FailureKind::AccessDenied,
            Self::BlockedHost { .. } | Self::Elsewhere { .. } => FailureKind::BlockedHost,
            Self::LoginEnded => FailureKind::LoginRequired,
            Self::Throttled { status: 429, .. } => FailureKind::Throttled,
            Self::Throttled { .. } | Self::Answered { status: 500.. } => FailureKind::SiteDown,
            Self::Answered { status: 408 | 425 }
            | Self::Cut { .. }
            | Self::BadRedirect { .. }
            | Self::Encoded { .. } => FailureKind::DownloadCorrupt,
            Self::Answered { .. } => FailureKind::FileUnavailable,
            Self::Standstill { .. } | Self::TooSlow { .. } | Self::OutOfTime { .. } => FailureKind::DownloadStalled,
            Self::TooLarge { .. } => FailureKind::TooLarge,
            Self::Unreachable { .. } => FailureKind::Unreachable,
            Self::Disk(error) => error.kind(),
            Self::Interrupted => FailureKind::Interrupted,
        }
    }
}

/// The same failure as a browser's download would have had.
impl From<TransferError> for DownloadError {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Refused => Self::Answered { status: 403, retry_after: None },
            TransferError::LoginEnded => Self::LoginPage,
            TransferError::Throttled { status, retry_after } => {
                Self::Answered { status, retry_after: retry_after.map(|wish| wish.as_secs().to_string()) }
            }
            TransferError::Answered { status } => Self::Answered { status, retry_after: None },
            TransferError::Cut { .. } => Self::Cut,
            TransferError::BadRedirect { .. } | TransferError::Encoded { .. } => {
                Self::Unreadable { why: error.to_string() }
            }
            TransferError::Standstill { received, after } => Self::Standstill { received, after },
            TransferError::TooSlow { came, after } => Self::TooSlow { came, after },
            TransferError::OutOfTime { received, after } => Self::OutOfTime { received, after },
            TransferError::TooLarge { limit, setting } => Self::TooLarge { limit, setting },
            TransferError::BlockedHost { host } => SessionError::BlockedHost { host }.into(),
            TransferError::Elsewhere { host } => Self::Elsewhere { host },
            TransferError::Unreachable { why } => {
                SessionError::Unreachable { url: "the file's address".to_owned(), why }.into()
            }
            TransferError::Disk(error) => error,
            TransferError::Interrupted => Self::Interrupted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_s_words_for_a_failure_are_those_of_what_happened() {
        let second = Duration::from_millis(1500);
        for (error, words) in [
            (TransferError::TooSlow { came: 5, after: second }, "only 5 bytes arrived in 2s"),
            (TransferError::Standstill { received: 5, after: second }, "made no progress for 2s after 5 bytes"),
            (TransferError::OutOfTime { received: 5, after: second }, "not complete after 2s and 5 bytes"),
            (TransferError::Encoded { coding: "br".to_owned() }, "encoded as \"br\""),
            (TransferError::BadRedirect { why: "it has no address" }, "redirect was not followed: it has no address"),
        ] {
            assert!(error.to_string().contains(words), "{error}");
            let kind = error.kind();
            let error = DownloadError::from(error);
            assert!(error.to_string().contains(words), "{error}");
            assert_eq!(error.kind(), kind);
        }
    }
}
