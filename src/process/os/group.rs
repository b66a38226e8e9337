//! The processes of one session as one thing that can be ended: the driver and everything that it started.
//!
//! On Unix a process group with the driver at its head (browsers stay in it), on Windows a Job object. Signals go
//! through the owned child alone, and never after its head was reaped and its members were signalled: a number that
//! the system has given to somebody else meanwhile is never hit.

use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

/// How long killed processes may take to be gone. A kill cannot be refused, but a process in an uninterruptible read
/// ends only after it.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// One driver with everything that it started. Dropping it kills them all.
#[derive(Debug)]
pub(crate) struct ProcessGroup {
    pid: Option<u32>,
    head: Mutex<Leader>,
}

#[derive(Debug)]
struct Leader {
    /// None once the group has been killed and handed over to be reaped.
    child: Option<Box<dyn ChildWrapper>>,
    /// The watchdog's pipe: the system closes it with our process, however that ends.
    _leash: Option<ChildStdin>,
}

/// Starts the head with a watchdog beside it, in the same group: a shell that waits for the end of what it reads from
/// us, and then kills the group. Without it all browsers would live on when this program is killed. A signal bound to
/// the parent's death was rejected: it comes with the end of the *thread* that started the child.
#[cfg(unix)]
const WITH_WATCHDOG: &str = r#"exec 3<&0 </dev/null; { read -r _ <&3; kill -KILL 0; } & exec "$0" "$@" 3<&-"#;

impl ProcessGroup {
    /// Starts `program` as the head of a group of its own; `prepare` sets its arguments and environment. Its output is
    /// piped, its input is none. Must be called within a tokio runtime.
    pub(crate) fn start(program: &Path, prepare: impl FnOnce(&mut Command)) -> io::Result<Self> {
        #[cfg(unix)]
        let mut command = {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", WITH_WATCHDOG]).arg(program).stdin(Stdio::piped());
            shell
        };
        #[cfg(windows)]
        let mut command = Command::new(program);
        #[cfg(windows)]
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        prepare(&mut command);
        let mut wrap = CommandWrap::from(command);
        #[cfg(unix)]
        wrap.wrap(process_wrap::tokio::ProcessGroup::leader());
        #[cfg(windows)]
        wrap.wrap(process_wrap::tokio::JobObject);
        // on Windows this also makes the system end the job with our last handle to it, so with our process
        wrap.wrap(KillOnDrop);
        let mut child = wrap.spawn()?;
        let leash = child.stdin().take(); // or waiting for the child would drop it
        Ok(Self { pid: child.id(), head: Mutex::new(Leader { child: Some(child), _leash: leash }) })
    }

    /// The head's process id.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// How many processes of the group run; none where the system does not tell.
    pub(crate) fn member_count(&self) -> Option<usize> {
        if cfg!(target_os = "linux") { Some(alive_in_group(self.pid?).len()) } else { None }
    }

    /// The head's output, once.
    pub(crate) fn take_output(&self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        let mut head = self.lock();
        head.child.as_mut().map_or((None, None), |child| (child.stdout().take(), child.stderr().take()))
    }

    /// Ends all processes of the group; does not wait. Does nothing when they have been ended before.
    pub(crate) fn kill(&self) {
        if let Some(child) = self.lock().child.as_mut() {
            kill_all(child.as_mut());
        }
    }

    /// Waits for the end of the head, however it comes, then ends everybody else, reaps, and checks.
    ///
    /// Never returns while the head lives. The second value says what would not go, as a sentence.
    pub(crate) async fn ended(&self) -> (Option<ExitStatus>, Option<String>) {
        let status = poll_fn(|context| {
            let mut head = self.lock();
            // the head alone, not the wrapper's wait for all: that one waits for browsers which nobody has killed yet
            let Some(child) = head.child.as_mut() else { return std::task::Poll::Ready(None) };
            let waited = {
                let mut wait = child.inner_mut().wait();
                Pin::new(&mut wait).poll(context)
            };
            waited.map(|status| {
                // under the same lock as the reaping: nobody can signal the group's number later
                kill_all(child.as_mut());
                status.ok()
            })
        })
        .await;
        let child = self.lock().child.take();
        let Some(mut child) = child else { return (status, None) };
        // reaps those that became our own children, as happens to the first process of a container
        let _ = timeout(GONE_WITHIN, child.wait()).await;
        let left = self.wait_until_gone().await;
        (status, left)
    }

    /// Polls, because no system tells of the end of a group whose members are not our children.
    async fn wait_until_gone(&self) -> Option<String> {
        let pid = self.pid?;
        let deadline = Instant::now() + GONE_WITHIN;
        loop {
            let alive = alive_in_group(pid);
            if alive.is_empty() {
                return None;
            }
            if Instant::now() >= deadline {
                return Some(format!(
                    "processes {alive:?} of the browser did not end within {GONE_WITHIN:?} after being killed; end them by hand"
                ));
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Leader> {
        // the value is valid after any panic: it is an Option that is taken in one step
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.kill();
    }
}

fn kill_all(child: &mut dyn ChildWrapper) {
    // the only error that a kill of one's own group can give is that it is gone already
    if let Err(why) = child.start_kill() {
        tracing::trace!(%why, "nothing was left to kill");
    }
}

/// The members of the group that still run. A zombie has ended; that its parent does not collect it is not our concern.
#[cfg(unix)]
pub(crate) fn alive_in_group(group: u32) -> Vec<u32> {
    let exists = i32::try_from(group)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .is_some_and(|pid| rustix::process::test_kill_process_group(pid).is_ok());
    if !exists {
        return Vec::new();
    }
    let Ok(processes) = std::fs::read_dir("/proc") else { return vec![group] }; // not Linux: the group is all we know
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            // "pid (name) state ppid pgrp …"; the name may hold anything, so count from its last parenthesis
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
            let state = fields.next().unwrap_or("X");
            let own_group = fields.nth(1).and_then(|pgrp| pgrp.parse::<u32>().ok());
            own_group == Some(group) && !matches!(state, "Z" | "X" | "x")
        })
        .collect()
}

/// Terminating a Job object ends all its processes in one step.
#[cfg(windows)]
pub(crate) fn alive_in_group(_job: u32) -> Vec<u32> {
    Vec::new()
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::io::AsyncReadExt;

    /// A head, its watchdog, and two processes that the head's child has left behind.
    fn family() -> ProcessGroup {
        let script = ["-c", "(sleep 1000 & sleep 1000) & wait"];
        ProcessGroup::start(Path::new("/bin/sh"), |command| _ = command.args(script)).unwrap()
    }

    async fn until(what: impl Fn() -> bool) {
        let all = async {
            while !what() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(20), all).await.expect("it never came true");
    }

    #[tokio::test]
    async fn a_kill_ends_the_whole_family_and_can_be_repeated() {
        let group = family();
        let pid = group.pid().unwrap();
        until(|| alive_in_group(pid).len() >= 4).await;
        group.kill();
        group.kill();
        let (status, left) = group.ended().await;
        assert!(status.is_some_and(|status| !status.success()));
        assert_eq!(left, None);
        assert_eq!(alive_in_group(pid), Vec::<u32>::new());
        group.kill();
    }

    #[tokio::test]
    async fn when_the_head_dies_by_itself_the_others_are_ended_too() {
        let group = family();
        let pid = group.pid().unwrap();
        until(|| alive_in_group(pid).len() >= 4).await;
        let raw = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(raw, rustix::process::Signal::KILL).unwrap();
        let (_, left) = group.ended().await;
        assert_eq!((left, alive_in_group(pid)), (None, Vec::new()));
    }

    #[tokio::test]
    async fn the_end_of_our_side_of_the_pipe_ends_the_family() {
        let group = family();
        let pid = group.pid().unwrap();
        until(|| alive_in_group(pid).len() >= 4).await;
        drop(group.lock()._leash.take());
        let (status, left) = group.ended().await;
        assert!(status.is_some() && left.is_none());
        assert_eq!(alive_in_group(pid), Vec::<u32>::new());
    }

    #[tokio::test]
    async fn the_head_gets_no_input() {
        let script = ["-c", "read -r line || echo no input"];
        let group = ProcessGroup::start(Path::new("/bin/sh"), |command| _ = command.args(script)).unwrap();
        let mut said = String::new();
        let mut output = group.take_output().0.unwrap();
        // the watchdog holds the output open until the group is killed, which the end of the head brings about
        let (read, _) = tokio::join!(output.read_to_string(&mut said), group.ended());
        read.unwrap();
        assert_eq!(said.trim(), "no input");
    }

    #[test]
    fn nothing_survives_the_end_of_the_runtime() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let pid = runtime.block_on(async {
            let group = Arc::new(family());
            let pid = group.pid().unwrap();
            until(|| alive_in_group(pid).len() >= 4).await;
            tokio::spawn(async move { group.ended().await });
            tokio::task::yield_now().await;
            pid
        });
        drop(runtime);
        while !alive_in_group(pid).is_empty() {
            std::thread::yield_now();
        }
    }
}
