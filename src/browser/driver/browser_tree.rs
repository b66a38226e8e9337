//! One browser among several of the same driver: found by its profile folder, ended alone, never its neighbours.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::browser::driver::{Driver, ProcessExit};
use crate::process::os::mark::is_browser_on;

/// How long a browser that was killed may take to be gone, and a driver to answer that it has none.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// The processes of one browser of a driver that has others.
#[derive(Clone, Debug)]
pub(crate) struct BrowserTree {
    group: u32,
    profile: PathBuf,
    /// Whether the driver may be starting the browser at this moment.
    is_coming: Arc<AtomicBool>,
    /// Whether it was there, and was killed.
    was_killed: Arc<AtomicBool>,
}

impl BrowserTree {
    pub(crate) fn new(group: u32, profile: &Path) -> Self {
        Self { group, profile: profile.to_owned(), is_coming: Arc::default(), was_killed: Arc::default() }
    }

    /// The driver is told to start the browser; until [`BrowserTree::has_come`] it may appear at any moment.
    pub(crate) fn comes(&self) {
        self.is_coming.store(true, Ordering::Release);
    }

    /// The driver has answered: the browser is there, or will never be.
    pub(crate) fn has_come(&self) {
        self.is_coming.store(false, Ordering::Release);
    }

    /// Ends the browser; does not wait.
    pub(crate) fn kill(&self) {
        let members = self.members();
        if !members.is_empty() {
            self.was_killed.store(true, Ordering::Release);
        }
        for pid in members {
            kill_member(pid, |pid| belongs(pid, self.group, &self.profile));
        }
    }

    /// Ends the browser and waits until it is gone. A driver that neither starts it nor answers meanwhile is ended with all
    /// of its browsers.
    pub(crate) async fn gone(&self, driver: &Driver) -> ProcessExit {
        let begun = Instant::now();
        loop {
            let members = self.members();
            // a driver whose browser is killed while it starts notices that after a minute, and starts no other one
            let may_come = self.is_coming.load(Ordering::Acquire) && !self.was_killed.load(Ordering::Acquire);
            if members.is_empty() && !(may_come && driver.is_alive()) {
                return ProcessExit { status: "ended".to_owned(), left: None };
            }
            if begun.elapsed() >= GONE_WITHIN {
                driver.kill();
                let end = driver.ended().await;
                return ProcessExit { status: "ended with its driver".to_owned(), left: end.left };
            }
            self.kill();
            sleep(Duration::from_millis(20)).await; // nothing tells of the end of another process's children
        }
    }

    fn members(&self) -> Vec<u32> {
        crate::process::os::group::alive_in_group(self.group)
            .into_iter()
            .filter(|pid| belongs(*pid, self.group, &self.profile))
            .collect()
    }
}

/// Whether this process, of this group, was started on this profile; browsers hand the word on to all their parts.
fn belongs(pid: u32, group: u32, profile: &Path) -> bool {
    if pid == group {
        return false; // the driver itself
    }
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    is_browser_on(&line, profile)
}

/// Through a descriptor, so that a number which was given to somebody else meanwhile is never hit.
#[cfg(target_os = "linux")]
fn kill_member(pid: u32, is_meant: impl Fn(u32) -> bool) {
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    let Some(raw) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
    // an error means that it is gone already
    let Ok(handle) = pidfd_open(raw, PidfdFlags::empty()) else { return };
    if is_meant(pid)
        && let Err(why) = pidfd_send_signal(&handle, Signal::KILL)
    {
        tracing::trace!(%why, pid, "nothing was left to kill");
    }
}

/// Settings refuse shared drivers there.
#[cfg(not(target_os = "linux"))]
fn kill_member(_pid: u32, _is_meant: impl Fn(u32) -> bool) {}
