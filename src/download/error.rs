//! All the ways in which a file can fail.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use crate::backend::SessionError;
use crate::model::FailureKind;
use crate::text::rounded;

/// A file could not be downloaded, verified or placed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// The click was made and no download followed.
    #[error("no download started within {} of the click{}", rounded(*after), why_not(*is_settled))]
    NotStarted {
        /// How long was waited.
        after: Duration,
        /// Whether the page was at rest by then, so that nothing could come any more.
        is_settled: bool,
    },
    /// The click was answered by a dialog of the page.
    #[error("no download started: the page said {said:?} instead")]
    Said {
        /// What the dialog said.
        said: String,
    },
    /// Its address led back to the page that lists it.
    #[error("its address leads back to the page that lists it")]
    LedBack,
    /// The page has listed it and shows it no longer.
    #[error("the page listed it, but then no longer showed it")]
    Vanished,
    /// Its link leads to another host than the portal's own and those that the recipe allows.
    #[error(
        "its link leads to {host}, outside the portal, and was not followed: if that host is right, add it to \
         address.allowed_hosts in the site recipe"
    )]
    NotFollowed {
        /// Which host, or the scheme of an address without one.
        host: String,
    },
    /// It began and then stood still.
    #[error("the download made no progress for {} after {received} bytes and was stopped", rounded(*after))]
    Standstill {
        /// Bytes that had come in.
        received: u64,
        /// How long was waited.
        after: Duration,
    },
    /// It was slower than it may be.
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
    /// It was not whole when its share of the order's time was over.
    #[error(
        "it was not complete after {} and {received} bytes, and was stopped to leave time for the order's other files: \
         if it is that large, raise task_timeout",
        rounded(*after)
    )]
    OutOfTime {
        /// Bytes that had come in.
        received: u64,
        /// How long it had taken by then.
        after: Duration,
    },
    /// It ended before it was whole.
    #[error("the portal cut the transfer before the file was complete")]
    Cut,
    /// It ended without a byte, and why could not be learnt.
    #[error("the portal refused the transfer before its first byte")]
    Refused,
    /// It came in a way that cannot be followed.
    #[error("the portal's response could not be understood: {why}")]
    Unreadable {
        /// What was not understood.
        why: String,
    },
    /// The portal answered with an error instead of the file.
    #[error("{}", in_words(*status))]
    Answered {
        /// The HTTP status, 400 or more.
        status: u16,
        /// Its `Retry-After`, as it was sent.
        retry_after: Option<String>,
    },
    /// The portal did not tell how long it is, and what ends files of its type is not there.
    #[error("it was cut short: {missing}, and the portal did not announce its length")]
    CutShort {
        /// What is missing.
        missing: &'static str,
    },
    /// The portal itself says that it is something else than its name claims.
    #[error("the portal declares {name:?} as {declared}")]
    DeclaredOtherwise {
        /// The name.
        name: String,
        /// The media type that the portal told.
        declared: String,
    },
    /// The browser says that it is complete, the disk says otherwise.
    #[error("the browser reports {expected} bytes, but {found} are on the disk")]
    WrongSize {
        /// What the browser reports.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// The bytes are not of the type that the name claims.
    #[error("{name:?} should be {claimed}, but it is {found}")]
    NotAsClaimed {
        /// The name.
        name: String,
        /// The type that the name claims.
        claimed: String,
        /// What the bytes are.
        found: String,
    },
    /// The browser was led to another host than the portal's own and those that the recipe allows.
    #[error(
        "its download comes from {host}, outside the portal, and was stopped: if that host is right, add it to \
         address.allowed_hosts in the site recipe"
    )]
    Elsewhere {
        /// Which host, or the scheme of an address without one.
        host: String,
    },
    /// It is larger than it may be.
    #[error("it is larger than {limit} bytes and was stopped: if you want it, raise {setting}")]
    TooLarge {
        /// How large it may be.
        limit: u64,
        /// The setting that says so.
        setting: &'static str,
    },
    /// The bytes are the portal's login page.
    #[error("the portal answered with its login page instead of the file: the login has ended")]
    LoginPage,
    /// What has the name of the supplier's folder can take no files.
    #[error(
        "no file can be placed in {path}: {why}; repair or remove it, then run again",
        path = path.display()
    )]
    SupplierFolder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The disk knows no file of that name.
    #[error("{path} cannot be stored under this name: {source}", path = path.display())]
    Unstorable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or folder could not be read or written.
    #[error("{path} cannot be written ({source}): {}, or choose another folder with --out", advice(source), path = path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The output folder itself cannot be used.
    #[error("the output folder {out} cannot be written: {source}; {}, or choose another folder with --out", advice(source), out = out.display())]
    Output {
        /// The output folder.
        out: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another program works in the output folder.
    #[error("{owner} is already using {out}: wait for it to end, or choose another folder with --out", out = out.display())]
    Claimed {
        /// The output folder.
        out: PathBuf,
        /// Who works there.
        owner: String,
    },
    /// The run was aborted.
    #[error("the run was stopped")]
    Interrupted,
    /// The browser session failed.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl DownloadError {
    /// An error of the disk at `path`, told apart from a name that the file system does not take.
    pub(crate) fn at(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::InvalidFilename | io::ErrorKind::InvalidInput => Self::Unstorable { path, source },
            _ => Self::Disk { path, source },
        }
    }

    /// The class of failure that follows.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::NotStarted { .. }
            | Self::Said { .. }
            | Self::Vanished
            | Self::Standstill { .. }
            | Self::TooSlow { .. }
            | Self::OutOfTime { .. } => FailureKind::DownloadStalled,
            Self::Answered { status: 401, .. } => FailureKind::LoginRequired,
            Self::Answered { status: 403, .. } => FailureKind::AccessDenied,
            Self::Answered { status: 429, .. } => FailureKind::Throttled,
            Self::Answered { status: 500.., .. } => FailureKind::SiteDown,
            // too slow a request, or one too early: the next one may be answered
            Self::Answered { status: 408 | 425, .. }
            | Self::Cut
            | Self::Refused
            | Self::Unreadable { .. }
            | Self::LedBack
            | Self::CutShort { .. }
            | Self::WrongSize { .. }
            | Self::NotAsClaimed { .. } => FailureKind::DownloadCorrupt,
            Self::Answered { .. }
            | Self::DeclaredOtherwise { .. }
            | Self::SupplierFolder { .. }
            | Self::Unstorable { .. } => FailureKind::FileUnavailable,
            Self::Elsewhere { .. } | Self::NotFollowed { .. } => FailureKind::BlockedHost,
            Self::TooLarge { .. } => FailureKind::TooLarge,
            Self::LoginPage => FailureKind::LoginRequired,
            Self::Disk { .. } | Self::Output { .. } | Self::Claimed { .. } => FailureKind::DiskFull,
            Self::Interrupted => FailureKind::Interrupted,
            Self::Session(error) => error.kind(),
        }
    }
}

/// What an error of the portal says about a file.
fn in_words(status: u16) -> String {
    let words = match status {
        401 => "the portal asked for a login instead of sending the file: the login has ended",
        403 => "the portal does not let this login have the file: ask for access to it",
        404 | 410 => "the portal lists the file but does not have it: ask the owner of the order for it",
        429 => "the portal limits requests: the program tries again later; --polite helps",
        500.. => "the portal answered with a server error instead of the file: the program tries again later",
        _ => "the portal refused to send the file",
    };
    format!("{words} (status {status})")
}

fn why_not(is_settled: bool) -> &'static str {
    if is_settled { ", and the page has finished loading" } else { "" }
}

/// What helps against an error of the disk.
fn advice(why: &io::Error) -> &'static str {
    match why.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space there",
        _ => "check that you may write there",
    }
}
