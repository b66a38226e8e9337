//! Complete settings in units, one section per concern; each module receives its own.

use std::num::{NonZeroU32, NonZeroUsize};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use secrecy::SecretString;
use url::Url;

use super::types::{BrowserChoice, Canary, Filter, PrivateHost, RequisitionRule, Sandbox, SecretUrl, WorkerCount};

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
    /// Between which numbers the pool may move.
    scaling: ScalingConfig,
    /// When a browser is replaced although nothing is wrong with it.
    recycle: RecycleConfig,
    /// How often one that breaks is.
    restart: RestartConfig,
    /// When an order waits although a worker is free.
    hold: AdmissionConfig,
    /// The output folder; default `downloads`.
    out: PathBuf,
    /// Which browser, and how it is started.
    browser: BrowserConfig,
    /// Profile folders.
    profiles: ProfileConfig,
    /// When memory is short.
    memory: MemoryConfig,
    /// When and how often to try again.
    retry: RetryConfig,
    /// How long each thing may take.
    deadlines: Timeouts,
    /// Which portal.
    site: SiteConfig,
    /// Webhook that is told of the run's ups and downs; default none. Up to whoever runs the batch: a pool does not look
    /// at it.
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

    /// Sets the number of workers to exactly `count`. Memory may still retire some of them.
    pub(crate) fn fix_workers(&mut self, count: NonZeroUsize) {
        self.worker_count = WorkerCount::Exactly(count);
        self.scaling = ScalingConfig { min: self.scaling.min.min(count), max: count, is_automatic: false };
    }
}

/// Which browser, and how it is started.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrowserConfig {
    /// Which one; default [`BrowserChoice::Auto`].
    pub choice: BrowserChoice,
    /// The browser's program file, if given.
    pub browser_path: Option<PathBuf>,
    /// The driver's program file, if given.
    pub driver_path: Option<PathBuf>,
    /// Without a window; default true.
    pub headless: bool,
    /// The browser's sandbox; default [`Sandbox::Auto`].
    pub sandbox: Sandbox,
    /// Hosts of this machine or of private networks that are reached beside the portal; default none.
    pub private_hosts: Vec<PrivateHost>,
    /// The driver processes.
    pub drivers: DriverConfig,
}

/// The driver processes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DriverConfig {
    /// Where they listen on the loopback interface; default any free port.
    pub ports: Option<RangeInclusive<u16>>,
    /// How often each is asked how it is; default 10 s.
    pub health_interval: Duration,
}

/// Profile folders.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProfileConfig {
    /// Where they are made; the system's folder for temporary files if `None`.
    pub base: Option<PathBuf>,
    /// What they are cloned from; the built-in template if `None`.
    pub template: Option<PathBuf>,
    /// A session whose profile is larger is replaced; default 100 MB.
    pub max_size: ByteSize,
    /// Whether they are wiped at the end; default true.
    pub cleanup: bool,
}

/// When memory is short.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct MemoryConfig {
    /// The most that the program and its browsers may hold together; default what the machine, or its container, has.
    pub max: Option<ByteSize>,
    /// Share in use from which workers are retired, above 0 and up to 1; default 0.75.
    pub threshold: f64,
    /// How often memory is read; default 5 s.
    pub interval: Duration,
    /// Least time between two changes of the number of workers; default 30 s.
    pub cool_down: Duration,
}

/// When and how often to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryConfig {
    /// Attempts after the first one; default 3.
    pub limit: u32,
    /// First wait; default 1 s.
    pub delay_min: Duration,
    /// First wait after the portal throttled requests without a `Retry-After`; default 15 s.
    pub throttle_delay: Duration,
    /// Longest wait; default 15 min.
    pub delay_max: Duration,
    /// How long to wait for a portal that is down; default 10 min.
    pub patience: Duration,
    /// Failed orders in a row that end the run; default none.
    pub stop_after: Option<NonZeroU32>,
}

/// How long each thing may take. Every await that leaves the process is under one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Starting a driver, a browser and a session; default 30 s.
    pub open: Duration,
    /// One driver command; default 15 s.
    pub command: Duration,
    /// One page: from going there to its coming to rest; default 60 s.
    pub page: Duration,
    /// One attempt at one order; default 300 s.
    pub attempt: Duration,
    /// A download's beginning, and its longest standstill; default 30 s.
    pub download: Duration,
    /// Closing a session politely; default 5 s.
    pub close: Duration,
    /// Running attempts after the first signal; default 120 s.
    pub drain: Duration,
}

/// Which portal.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SiteConfig {
    /// Its address; a pool without one runs closures only.
    pub base_url: Option<Url>,
    /// Name of a shipped recipe or path of a file; default `coupa`.
    pub recipe: String,
    /// Cookies of a browser that is logged in, in a file of the Netscape format; default none.
    pub cookies: Option<PathBuf>,
    /// Where logins are kept; the user's own folder for the state of programs if `None`.
    pub login_dir: Option<PathBuf>,
    /// An order that must yield attachments before any other is tried; default none. Up to whoever runs the batch: a pool
    /// does not look at it.
    pub canary: Option<Canary>,
    /// Pages and files that all workers together ask for in a second; default no limit.
    pub requests_per_second: Option<f64>,
    /// Which attachments are wanted; default all.
    pub filter: Filter,
    /// Whether a file whose bytes are of another type than its name says is refused; default false.
    pub strict_types: bool,
    /// Largest file; default 2 GB.
    pub file_max_size: ByteSize,
    /// Least bytes per second of a download, averaged over [`Timeouts::download`]; default 1 KB, 0 means no limit.
    pub download_min_rate: ByteSize,
    /// Largest sum of the files of one order; default 20 GB.
    pub order_max_size: ByteSize,
    /// Largest total of what is kept of failed attempts; default 100 MB, 0 keeps nothing.
    pub evidence_max_size: ByteSize,
    /// When the requisition is looked at; default [`RequisitionRule::WhenEmpty`].
    pub requisition: RequisitionRule,
    /// The login, if the portal wants one.
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

/// Between which numbers of workers the pool may move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScalingConfig {
    /// So many remain, however short memory is; default 1.
    pub min: NonZeroUsize,
    /// Never more; default what [`super::PoolConfig::worker_count`] says, 8 if that is automatic.
    pub max: NonZeroUsize,
    /// Whether the pool finds its number itself: when the count is automatic, or a maximum was given. Otherwise only
    /// memory and [`crate::pool::PoolControl::scale_to`] change it.
    pub is_automatic: bool,
}

/// When a browser is replaced by a fresh one although nothing is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RecycleConfig {
    /// After so many attempts; default 100.
    pub after: u32,
    /// At this age; default 4 h.
    pub age: Duration,
    /// When its process tree holds so much; default 1.5 GB.
    pub memory: ByteSize,
    /// When its pages take so many times as long as a fresh one's, above 1; default 3, `None` never.
    pub slowdown: Option<f64>,
}

/// How often a worker whose browser breaks gets another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestartConfig {
    /// So many times within `window`; then the worker is given up and the pool goes on without it. Default 10.
    pub limit: u32,
    /// Default 5 min.
    pub window: Duration,
}

/// When an order that could start waits although a worker is free. One order is always in work.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct AdmissionConfig {
    /// While more than this share of all processors is in use; default never.
    pub max_cpu: Option<f64>,
    /// While less memory than this is free; default never.
    pub min_free_memory: Option<ByteSize>,
}
