//! The seam to a browser session and to whatever starts one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{BoxFuture, Page, SessionError};
use crate::model::{Footprint, WorkerId};

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

    /// What stands on this machine for the sessions: driver processes and profile folders. Asked by `pool::monitor`
    /// every few seconds from a blocking thread; may block for some milliseconds per folder.
    fn footprint(&self) -> Footprint {
        Footprint::default()
    }
}

/// A live browser with its driver and its profile folder. Owned by one worker at a time.
///
/// Dropping it kills its processes and wipes its profile folder without waiting; [`Session::close`] is the polite way.
pub trait Session: Send {
    /// The verbs.
    fn page(&mut self) -> &mut dyn Page;

    /// Ends the processes from anywhere, at any time.
    fn kill_switch(&self) -> KillSwitch;

    /// The process at the root of the session's tree, if it runs on this machine.
    fn root_pid(&self) -> Option<u32>;

    /// Whether the session may still be spoken to: false after a missed deadline, a command dropped midway, a kill or
    /// the end of the driver. Never blocks.
    fn is_usable(&self) -> bool;

    /// The last lines that the driver printed, for a person who looks for the cause of a failure; may be empty. Never
    /// blocks, and can be asked of a session that is not usable.
    fn driver_output(&self) -> String;

    /// The median time of its last pages, from going there until the driver said that they are there; `None` before it
    /// has opened enough of them to tell. Never blocks.
    fn page_time(&self) -> Option<Duration> {
        None
    }

    /// Waits until driver or browser have ended by themselves, as far as that is noticed without asking; else for ever.
    /// Awaited while the worker is idle. Dropping the future loses nothing.
    fn ended(&self) -> BoxFuture<'_, SessionError> {
        Box::pin(std::future::pending())
    }

    /// Asks driver and page for a sign of life, and looks at the profile. Called while the worker is idle.
    ///
    /// # Errors
    /// Any [`SessionError`]; the session is then ended and replaced. Dropping the future makes it unusable.
    fn check_health(&mut self) -> BoxFuture<'_, Result<SessionHealth, SessionError>>;

    /// Closes politely if the session is usable, then kills what is left, wipes the profile folder and checks both.
    /// Bounded by the implementation's `close` deadline; never fails, but reports what it could not do. Dropping the
    /// future kills and wipes without checking.
    fn close(self: Box<Self>) -> BoxFuture<'static, CloseReport>;
}

/// What a probe found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionHealth {
    /// How long the page took to answer, by way of the driver, in microseconds.
    pub latency_micros: u64,
    /// Bytes of its profile folder.
    pub profile_bytes: u64,
    /// Whether these are more than settings allow: it is well, but to be replaced.
    pub is_outgrown: bool,
}

/// What closing a session left behind: nothing, if all is well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloseReport {
    /// Processes that would not end, or folders that could not be removed, each as a sentence for a person.
    pub leftovers: Vec<String>,
}

impl CloseReport {
    /// Whether nothing was left behind.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.leftovers.is_empty()
    }
}

/// Ends the processes of one session: cloneable, callable from anywhere, never blocks, idempotent.
#[derive(Clone)]
pub struct KillSwitch(Arc<dyn Fn() + Send + Sync>);

impl KillSwitch {
    /// A switch that calls `kill`, which must not block and must bear being called again.
    pub fn new(kill: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(kill))
    }

    /// Ends the processes.
    pub fn kill(&self) {
        (self.0)();
    }
}

impl fmt::Debug for KillSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KillSwitch")
    }
}
