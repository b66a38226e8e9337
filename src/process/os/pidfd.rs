//! The browser's own process, as its driver names it: whether it has ended, and a way to end it alone.
//!
//! On Linux it is held by a descriptor (pidfd), which stands for this very process even after its number was given to
//! another one. Elsewhere it is not held, and what becomes of it is learnt from the driver.

use std::sync::Arc;

use tokio::sync::watch;

/// A browser's main process. Dropping it lets go of the process, which runs on.
#[derive(Clone, Debug)]
pub(crate) struct HeldProcess {
    has_ended: watch::Receiver<bool>,
    _watching: Arc<AbortOnDrop>,
}

/// Ends the task that waits for the end of the process.
#[derive(Debug)]
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl HeldProcess {
    /// Takes hold of process `pid` if it belongs to the process group `group`. None when it does not (a browser in a
    /// sandbox of its own system may tell a number that is somebody else's here), when it is gone, or where the system
    /// knows no such hold. Must be called within a tokio runtime.
    #[cfg(target_os = "linux")]
    pub(crate) fn hold(pid: u32, group: u32) -> Option<Self> {
        use rustix::process::{Pid, PidfdFlags, getpgid, pidfd_open};
        use tokio::io::Interest;
        use tokio::io::unix::AsyncFd;

        let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
        let held = pidfd_open(pid, PidfdFlags::empty()).and_then(|handle| Ok((handle, getpgid(Some(pid))?)));
        let handle = match held {
            Ok((handle, found)) if u32::try_from(found.as_raw_nonzero().get()) == Ok(group) => handle,
            Ok(_) => return None,
            Err(why) => {
                tracing::debug!(%why, ?pid, "the browser's process cannot be held");
                return None;
            }
        };
        #[expect(deprecated, reason = "sound with a descriptor that is owned; what takes its place is unsafe")]
        let watched = AsyncFd::with_interest(handle, Interest::READABLE).ok()?;
        let (told, has_ended) = watch::channel(false);
        let watching = tokio::spawn(async move {
            // readable from the end of the process on
            if watched.readable().await.is_ok() {
                told.send_replace(true);
            }
        });
        Some(Self { has_ended, _watching: Arc::new(AbortOnDrop(watching)) })
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn hold(_pid: u32, _group: u32) -> Option<Self> {
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
    async fn the_end_of_the_process_is_told_and_another_groups_process_is_not_held() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).process_group(0).spawn().unwrap();
        let pid = child.id();
        assert!(HeldProcess::hold(pid, pid + 1).is_none(), "it is of another group");
        let process = HeldProcess::hold(pid, pid).unwrap();
        assert!(!process.has_ended());
        drop(child.stdin.take()); // end of input ends it
        process.ended().await;
        assert!(process.has_ended());
        child.wait().unwrap();
        assert!(HeldProcess::hold(pid, pid).is_none(), "it is gone");
    }
}
