//! All the ways an attempt fails, as data. What follows from each is decided in `policy::retry`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why an attempt did not succeed. Exhaustive on purpose: a new kind does not compile before `policy::retry` decides on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The portal says that there is no such order.
    OrderMissing,
    /// The portal says that this login may not see the order.
    AccessDenied,
    /// The order has no attachments and its requisition may not be seen.
    RequisitionDenied,
    /// It leads to a host that the settings do not let the browser reach.
    BlockedHost,
    /// The page is none of the shapes that the recipe knows.
    PageChanged,
    /// The portal asks to come back later (429).
    Throttled,
    /// The portal answers with errors of its own (5xx).
    SiteDown,
    /// The portal answered with an error of its own (5xx), or cut the connection, for this order; it answers otherwise.
    ServerError,
    /// Nothing answers at the portal's address: the name is not known, or nobody takes the connection.
    Unreachable,
    /// A login page stood where an order or a file was asked for.
    LoginRequired,
    /// The portal refused the login that it was given. Never tried again: repeated bad logins lock the account.
    LoginRefused,
    /// The driver answers, the page did not get where it should in time.
    StepTimeout,
    /// The browser or its driver is gone.
    SessionLost,
    /// The driver itself does not answer.
    SessionHung,
    /// The worker ended without a word about the order.
    Crashed,
    /// A download did not begin or stood still.
    DownloadStalled,
    /// What arrived is incomplete, or not what was asked for.
    DownloadCorrupt,
    /// The portal lists a file that it does not have, or one that cannot be kept as it is.
    FileUnavailable,
    /// It is larger than this run may fetch.
    TooLarge,
    /// No room left on the disk of the output folder, or it cannot be written.
    DiskFull,
    /// Stopped from outside: an abort, or the program ended.
    Interrupted,
}

/// Who is at fault; says what a failure counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The order itself.
    Task,
    /// The browser session.
    Session,
    /// The portal as a whole.
    Site,
    /// This machine.
    Host,
    /// Nobody.
    Nobody,
}

/// What becomes of the session after the attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionAction {
    /// It takes the next task.
    Keep,
    /// It gets a strike; with the second one it is replaced.
    Strike,
    /// It is killed and replaced: it must not be spoken to again.
    Replace,
}

impl FailureKind {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::OrderMissing,
        Self::AccessDenied,
        Self::RequisitionDenied,
        Self::BlockedHost,
        Self::PageChanged,
        Self::Throttled,
        Self::SiteDown,
        Self::ServerError,
        Self::Unreachable,
        Self::LoginRequired,
        Self::LoginRefused,
        Self::StepTimeout,
        Self::SessionLost,
        Self::SessionHung,
        Self::Crashed,
        Self::DownloadStalled,
        Self::DownloadCorrupt,
        Self::FileUnavailable,
        Self::TooLarge,
        Self::DiskFull,
        Self::Interrupted,
    ];

    /// The word in reports and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OrderMissing => "order_missing",
            Self::AccessDenied => "access_denied",
            Self::RequisitionDenied => "requisition_denied",
            Self::BlockedHost => "blocked_host",
            Self::PageChanged => "page_changed",
            Self::Throttled => "throttled",
            Self::SiteDown => "site_down",
            Self::ServerError => "server_error",
            Self::Unreachable => "unreachable",
            Self::LoginRequired => "login_required",
            Self::LoginRefused => "login_refused",
            Self::StepTimeout => "step_timeout",
            Self::SessionLost => "session_lost",
            Self::SessionHung => "session_hung",
            Self::Crashed => "crashed",
            Self::DownloadStalled => "download_stalled",
            Self::DownloadCorrupt => "download_corrupt",
            Self::FileUnavailable => "file_unavailable",
            Self::TooLarge => "too_large",
            Self::DiskFull => "disk_full",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whom the failure counts against.
    #[must_use]
    pub fn fault(self) -> Fault {
        match self {
            Self::OrderMissing
            | Self::AccessDenied
            | Self::RequisitionDenied
            | Self::BlockedHost
            | Self::DownloadStalled
            | Self::DownloadCorrupt
            | Self::FileUnavailable
            | Self::TooLarge => Fault::Task,
            Self::PageChanged
            | Self::Throttled
            | Self::SiteDown
            | Self::ServerError
            | Self::Unreachable
            | Self::LoginRequired
            | Self::LoginRefused => Fault::Site,
            Self::StepTimeout | Self::SessionLost | Self::SessionHung | Self::Crashed => Fault::Session,
            Self::DiskFull => Fault::Host,
            Self::Interrupted => Fault::Nobody,
        }
    }

    /// What becomes of the session that ran into it.
    #[must_use]
    pub fn session_action(self) -> SessionAction {
        match self {
            Self::StepTimeout => SessionAction::Strike,
            Self::SessionLost | Self::SessionHung | Self::Crashed => SessionAction::Replace,
            Self::OrderMissing
            | Self::AccessDenied
            | Self::RequisitionDenied
            | Self::BlockedHost
            | Self::PageChanged
            | Self::Throttled
            | Self::SiteDown
            | Self::ServerError
            | Self::Unreachable
            | Self::LoginRequired
            | Self::LoginRefused
            | Self::DownloadStalled
            | Self::DownloadCorrupt
            | Self::FileUnavailable
            | Self::TooLarge
            | Self::DiskFull
            | Self::Interrupted => SessionAction::Keep,
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure as it is kept in the journal and shown in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The class, which decides what happens next.
    pub kind: FailureKind,
    /// What happened, for a person; never holds a secret.
    pub message: String,
    /// The folder with what was seen of it (screenshot, page source, the driver's words), relative to the output folder
    /// with `/` between the parts, if it was kept. Old ones are dropped, so it may be gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

impl Failure {
    /// A failure of `kind`, described by `message`.
    #[must_use]
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), evidence: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
