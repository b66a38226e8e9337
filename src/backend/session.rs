//! The seam to a browser session, to whatever starts one, and to the memory that sessions use.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{BoxFuture, Page, SessionError};
use crate::model::{Footprint, MemoryReading, WorkerId};

/// Starts browser sessions. Called by a worker when it starts and whenever its session is to be replaced; calls of
/// different workers run side by side.
pub trait SessionFactory: Send + Sync {
    /// Starts a driver and a browser on a profile folder of their own.
    ///
    /// Bounded by the implementation's `open` deadline. Dropping the future ends every process that was started and
    /// wipes the profile folder.
    ///
    /// # Errors
    /// [`SessionError::Unusable`] when another try is of no use, any other when it may help.
    fn open(&self, worker: WorkerId) -> BoxFuture<'_, Result<Box<dyn Session>, SessionError>>;

    /// The driver processes and profile folders that the sessions have on this machine. Called by `pool::monitor` every few
    /// seconds from a blocking thread; may block for some milliseconds per folder.
    fn footprint(&self) -> Footprint {
        Footprint::default()
    }
}

/// A live browser with its driver and its profile folder. Owned by one worker at a time.
///
/// Dropping it kills its processes and wipes its profile folder without waiting; [`Session::close`] ends it in order.
pub trait Session: Send {
    /// Its page.
    fn page(&mut self) -> &mut dyn Page;

    /// A switch that kills its processes, from anywhere and at any time.
    fn kill_switch(&self) -> KillSwitch;

    /// The process at the root of the session's tree, if it runs on this machine.
    fn root_pid(&self) -> Option<u32>;

    /// Whether the session may still be used: false after a missed deadline, a dropped command, a kill or the end of the
    /// driver. Never blocks.
    fn is_usable(&self) -> bool;

    /// The last lines that the driver printed, for a person who looks for the cause of a failure; may be empty. Never
    /// blocks, and also works on a session that is not usable.
    fn driver_output(&self) -> String;

    /// The median load time of its last pages; `None` before it has opened enough of them. Never blocks.
    fn median_page_time(&self) -> Option<Duration> {
        None
    }

    /// Waits until driver or browser have ended by themselves, where that is noticed without a request; otherwise for ever.
    /// Awaited while the worker is idle. Dropping the future loses nothing.
    fn ended(&self) -> BoxFuture<'_, SessionError> {
        Box::pin(std::future::pending())
    }

    /// Checks that driver and page answer, and measures the profile. Called while the worker is idle.
    ///
    /// # Errors
    /// Any [`SessionError`]; the session is then ended and replaced. Dropping the future makes it unusable.
    fn check_health(&mut self) -> BoxFuture<'_, Result<SessionHealth, SessionError>>;

    /// Makes it as good as new for another borrower: no window but its own, no dialog, an empty page, and neither cookies nor
    /// storage unless they are to be kept. Returns whether it is so; a session that is not is replaced. Called by a pool of
    /// sessions when one comes back. Default: an empty page, and true only if cookies are kept.
    ///
    /// # Errors
    /// Any [`SessionError`]; the session is then ended and replaced. Dropping the future makes it unusable.
    fn clean(&mut self, keeps_cookies: bool) -> BoxFuture<'_, Result<bool, SessionError>> {
        Box::pin(async move { self.page().goto("about:blank").await.map(|()| keeps_cookies) })
    }

    /// Closes the browser if the session is usable, kills what is left, wipes the profile folder, and checks both. Bounded by
    /// the implementation's `close` deadline. Never fails, but reports what it could not do. Dropping the future kills and
    /// wipes without checking.
    fn close(self: Box<Self>) -> BoxFuture<'static, CloseReport>;
}

/// The result of a health check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionHealth {
    /// How long the page took to answer through the driver, in microseconds.
    pub latency_micros: u64,
    /// Size of its profile folder in bytes.
    pub profile_bytes: u64,
    /// Whether the profile is larger than the settings allow: the session is healthy, but is to be recycled.
    pub is_outgrown: bool,
}

/// What closing a session left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloseReport {
    /// Processes that did not end and folders that could not be removed, each as a sentence for a person; empty if all went
    /// well.
    pub leftovers: Vec<String>,
}

impl CloseReport {
    /// Whether nothing was left behind.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.leftovers.is_empty()
    }
}

/// Kills the processes of one session. Cloneable, callable from anywhere, never blocks, idempotent.
#[derive(Clone)]
pub struct KillSwitch(Arc<dyn Fn() + Send + Sync>);

impl KillSwitch {
    /// A switch that calls `kill`, which must not block and may be called more than once.
    pub fn new(kill: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(kill))
    }

    /// Kills the processes.
    pub fn kill(&self) {
        (self.0)();
    }
}

impl fmt::Debug for KillSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KillSwitch")
    }
}

/// Reads how much memory is in use. Called by `pool::monitor` every few seconds from a blocking thread, never concurrently.
pub trait MemoryReader: Send {
    /// The memory of the host, and of the process trees with the given roots.
    ///
    /// Never fails: what cannot be read is left out or 0. May block for some milliseconds per hundred processes.
    fn read(&mut self, roots: &[(WorkerId, u32)]) -> MemoryReading;
}
