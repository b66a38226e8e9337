//! Complete settings in units, one section per concern; each module receives its own.

use std::num::{NonZeroU32, NonZeroUsize};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use secrecy::SecretString;
use url::Url;

use crate::model::PoNumberFormat;

use super::types::{
    BrowserChoice, Canary, Filter, LaneChoice, OrdersPerSession, PrivateHost, RequisitionRule, Sandbox, SecretUrl,
    WorkerCount,
};

/// Declares the configuration. Its sections are private, since programs give settings to the builder; the tests of this
/// package read and change them (feature `internals`).
macro_rules! pool_config {
    ($($(#[$doc:meta])* $section:ident: $type:ty,)+) => {
        /// Complete and validated settings of a pool and of a batch. Made by [`PoolConfig::builder`].
        #[cfg(not(feature = "internals"))]
        #[derive(Clone, Debug)]
        pub struct PoolConfig {
            $($(#[$doc])* pub(crate) $section: $type,)+
        }

        /// Complete and validated settings of a pool and of a batch. Made by [`PoolConfig::builder`].
        #[cfg(feature = "internals")]
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub struct PoolConfig {
            $($(#[$doc])* pub $section: $type,)+
        }
    };
}

pool_config! {
    /// How many workers to begin with, 1 to 64; default [`WorkerCount::Auto`].
    worker_count: WorkerCount,
    /// Limits of the number of workers.
    scaling: ScalingConfig,
    /// How many orders one session has in work at a time, 1 to 8; default [`OrdersPerSession::Auto`].
    orders_per_session: OrdersPerSession,
    /// When a healthy browser is replaced.
    recycle: RecycleConfig,
    /// How often a failed browser is replaced.
    restart: RestartConfig,
    /// When no further order starts although a worker is free.
    admission: AdmissionConfig,
    /// The output folder; default `downloads`.
    out: PathBuf,
    /// The browser, and how it is started.
    browser: BrowserConfig,
    /// Profile folders.
    profiles: ProfileConfig,
    /// Limits of memory use.
    memory: MemoryConfig,
    /// Retries.
    retry: RetryConfig,
    /// Timeouts.
    deadlines: Timeouts,
    /// The portal.
    site: SiteConfig,
    /// How sheets and lists are read. Up to whoever runs the batch: a pool does not look at it.
    input: InputConfig,
    /// Webhook for notices about the run; default none. A batch uses it, a pool does not.
    notify_url: Option<SecretUrl>,
}

impl PoolConfig {
    /// The output folder.
    #[must_use]
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// The address of the portal, if one is set.
    #[must_use]
    pub fn base_url(&self) -> Option<&Url> {
        self.site.base_url.as_ref()
    }

    /// The number of workers to begin with.
    #[must_use]
    pub fn worker_count(&self) -> WorkerCount {
        self.worker_count
    }
}

/// The browser, and how it is started.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrowserConfig {
    /// The kind of browser; default [`BrowserChoice::Auto`].
    pub choice: BrowserChoice,
    /// The browser's program file, if given.
    pub browser_path: Option<PathBuf>,
    /// The driver's program file, if given.
    pub driver_path: Option<PathBuf>,
    /// Whether browsers run without windows; default true.
    pub headless: bool,
    /// The browser's sandbox; default [`Sandbox::Auto`].
    pub sandbox: Sandbox,
    /// Private hosts that browsers may reach besides the portal; default none.
    pub private_hosts: Vec<PrivateHost>,
    /// The driver processes.
    pub drivers: DriverConfig,
}

/// The driver processes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DriverConfig {
    /// Ports that they listen on; default any free port.
    pub ports: Option<RangeInclusive<u16>>,
    /// How often the health of each is checked; default 10 s.
    pub health_interval: Duration,
}

/// Profile folders.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProfileConfig {
    /// The folder for them; the system's folder for temporary files if `None`.
    pub base: Option<PathBuf>,
    /// The profile that they are cloned from; the built-in template if `None`.
    pub template: Option<PathBuf>,
    /// A session whose profile is larger is replaced; default 100 MB.
    pub max_size: ByteSize,
    /// Whether they are removed at the end; default true.
    pub cleanup: bool,
}

/// Limits of memory use.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct MemoryConfig {
    /// The most that the program and its browsers may use; default the memory of the machine or its container.
    pub max: Option<ByteSize>,
    /// Share of the memory in use from which workers are retired; default 0.75.
    pub threshold: f64,
    /// How often memory use is measured; default 5 s.
    pub interval: Duration,
    /// Shortest time between two changes of the number of workers; default 30 s.
    pub cool_down: Duration,
}

/// Retries of failed orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryConfig {
    /// Number of retries; default 3.
    pub limit: u32,
    /// Shortest wait before a retry; default 1 s.
    pub delay_min: Duration,
    /// First wait after the portal throttled requests without a `Retry-After`; default 15 s.
    pub throttle_delay: Duration,
    /// Longest wait before a retry; default 15 min.
    pub delay_max: Duration,
    /// How long to wait for a portal that is down; default 10 min.
    pub patience: Duration,
    /// Number of failed orders in a row that stops the run; default none.
    pub stop_after: Option<NonZeroU32>,
}

/// Timeouts. One of them applies to every await that leaves the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Starting a driver, a browser and a session; default 30 s.
    pub open: Duration,
    /// One driver command; default 15 s.
    pub command: Duration,
    /// One page, from its request until it is stable; default 60 s.
    pub page: Duration,
    /// One attempt at one order; default 300 s.
    pub attempt: Duration,
    /// The start of a download, and its longest time without progress; default 30 s.
    pub download: Duration,
    /// Closing a session politely; default 5 s.
    pub close: Duration,
    /// Running attempts, after the first signal; default 120 s.
    pub drain: Duration,
}

/// How sheets and lists of orders are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InputConfig {
    /// The column with the numbers, by its heading or letter; found if `None`.
    pub column: Option<String>,
    /// The only sheet of workbooks to read; all visible ones with orders if `None`.
    pub sheet: Option<String>,
    /// How order numbers are written; default with `PO`, `PM` or nothing before the digits.
    pub numbers: PoNumberFormat,
}

/// The portal.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SiteConfig {
    /// Its address; without one a pool only lends sessions.
    pub base_url: Option<Url>,
    /// Name of a built-in recipe or path of a recipe file; default `coupa`.
    pub recipe: String,
    /// File with cookies of a logged-in browser, in Netscape format; default none.
    pub cookies: Option<PathBuf>,
    /// Folder of saved logins; the user's own state folder if `None`.
    pub login_dir: Option<PathBuf>,
    /// An order that must yield attachments before any other is tried; default none. A batch uses it, a pool does not.
    pub canary: Option<Canary>,
    /// Pages and files that all workers together may request per second; default no limit.
    pub requests_per_second: Option<f64>,
    /// Filter of attachments; default all.
    pub filter: Filter,
    /// Whether to refuse a file whose content is of another type than its name says; default false.
    pub strict_types: bool,
    /// Largest file; default 2 GB.
    pub file_max_size: ByteSize,
    /// Slowest download in bytes per second, averaged over [`Timeouts::download`]; default 1 KB, 0 means no limit.
    pub download_min_rate: ByteSize,
    /// Largest total size of the files of one order; default 20 GB.
    pub order_max_size: ByteSize,
    /// Largest total size of the evidence of failed attempts; default 100 MB, 0 keeps nothing.
    pub evidence_max_size: ByteSize,
    /// When the requisition is searched; default [`RequisitionRule::WhenEmpty`].
    pub requisition: RequisitionRule,
    /// How orders are fetched; default [`LaneChoice::Auto`].
    pub lane: LaneChoice,
    /// User name and password, if the portal needs them.
    pub credentials: Option<Credentials>,
}

/// A form login. The password is never shown, not even by `Debug`.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: SecretString,
}

/// Limits of the number of workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScalingConfig {
    /// The smallest number, however short memory is; default 1.
    pub min: NonZeroUsize,
    /// The largest number; default [`super::PoolConfig::worker_count`], or 8 if that is automatic.
    pub max: NonZeroUsize,
    /// Whether the pool finds the number itself: if the count is automatic, or a maximum was given. Otherwise only memory and
    /// [`crate::pool::PoolControl::scale_to`] change it.
    pub is_automatic: bool,
}

/// When a healthy browser is replaced by a new one.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RecycleConfig {
    /// Number of attempts; default 100.
    pub after: u32,
    /// Age; default 4 h.
    pub age: Duration,
    /// Memory of its process tree; default 1.5 GB.
    pub memory: ByteSize,
    /// How many times as long its pages take as a new browser's; default 3, `None` never.
    pub slowdown: Option<f64>,
}

/// How often a worker whose browser failed gets another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestartConfig {
    /// Number of times within `window`; then the pool continues without the worker. Default 10.
    pub limit: u32,
    /// The time over which `limit` counts; default 5 min.
    pub window: Duration,
}

/// When no further order starts although a worker is free. One order is always running.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct AdmissionConfig {
    /// While more than this share of all processors is in use; default never.
    pub max_cpu: Option<f64>,
    /// While less memory than this is free; default never.
    pub min_free_memory: Option<ByteSize>,
}
