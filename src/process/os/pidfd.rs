//! Notices the end of a process that is not a child of this one, such as the browser of a driver.
//!
//! On Linux through a pidfd, which means this very process even after its id was reused. Elsewhere nothing is held, and
//! the driver reports the end of its browser.

use tokio::sync::watch;

/// A running process of another parent. Dropping it does not end the process.
#[derive(Debug)]
pub(crate) struct HeldProcess {
    has_ended: watch::Receiver<bool>,
    _watcher: AbortOnDrop,
}

/// Stops the task that waits for the end of the process.
#[derive(Debug)]
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl HeldProcess {
    /// Opens process `pid` if it belongs to process group `group`. None when it does not (a browser in a container may
    /// report an id that means another process here), when it has ended, or where the system has no pidfd. Must be called
    /// within a tokio runtime.
    #[cfg(target_os = "linux")]
    pub(crate) fn open(pid: u32, group: u32) -> Option<Self> {
        use rustix::process::{Pid, PidfdFlags, getpgid, pidfd_open};
        use tokio::io::Interest;
        use tokio::io::unix::AsyncFd;

        let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
        let opened = pidfd_open(pid, PidfdFlags::empty()).and_then(|handle| Ok((handle, getpgid(Some(pid))?)));
        let handle = match opened {
            Ok((handle, found)) if u32::try_from(found.as_raw_nonzero().get()) == Ok(group) => handle,
            Ok(_) => return None,
            Err(why) => {
                tracing::debug!(%why, ?pid, "the process of the browser cannot be watched");
                return None;
            }
        };
        #[expect(deprecated, reason = "sound with an owned descriptor; its replacement is unsafe")]
        let watched = AsyncFd::with_interest(handle, Interest::READABLE).ok()?;
        let (ended, has_ended) = watch::channel(false);
        let watcher = tokio::spawn(async move {
            // readable from the end of the process on
            if watched.readable().await.is_ok() {
                ended.send_replace(true);
            }
        });
        Some(Self { has_ended, _watcher: AbortOnDrop(watcher) })
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn open(_pid: u32, _group: u32) -> Option<Self> {
        None
    }

    /// Whether it is known to have ended. Never blocks.
    pub(crate) fn has_ended(&self) -> bool {
        *self.has_ended.borrow()
    }

    /// Waits for its end; for ever when the runtime ends before it.
    pub(crate) async fn ended(&self) {
        let mut has_ended = self.has_ended.clone();
        if has_ended.wait_for(|has_ended| *has_ended).await.is_err() {
            std::future::pending().await
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    #[tokio::test]
    async fn the_end_of_the_process_is_noticed_and_a_process_of_another_group_is_not_opened() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).process_group(0).spawn().unwrap();
        let pid = child.id();
        assert!(HeldProcess::open(pid, pid + 1).is_none(), "it is of another group");
        let process = HeldProcess::open(pid, pid).unwrap();
        assert!(!process.has_ended());
        drop(child.stdin.take()); // end of input ends it
        process.ended().await;
        assert!(process.has_ended());
        child.wait().unwrap();
        assert!(HeldProcess::open(pid, pid).is_none(), "it is gone");
    }
}
