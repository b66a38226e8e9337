//! A child process and everything it starts, killed as one.
//!
//! On Unix a process group led by the child (browsers stay in it), on Windows a Job object. Signals are sent only through
//! the owned child, and never after its leader was reaped and its members were signalled: so a reused process id is never
//! hit.

use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop};
use serde::Deserialize;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

/// How long killed processes may take to end. A kill cannot be refused, but a process ends only after an uninterruptible
/// read.
const EXIT_TIMEOUT: Duration = Duration::from_secs(5);

/// A process group led by one child. Dropping it kills all its processes.
#[derive(Debug)]
pub(crate) struct ProcessGroup {
    pid: Option<u32>,
    leader: Mutex<Leader>,
}

#[derive(Debug)]
struct Leader {
    /// None once the group has been killed and is being reaped.
    child: Option<Box<dyn ChildWrapper>>,
    /// Pipe to the watchdog: the system closes it with this process, however that ends.
    _pipe: Option<ChildStdin>,
}

/// Starts the leader with a watchdog in the same group: a shell that waits until its pipe from this process closes, and
/// then kills the group. Without it all browsers would survive when this program is killed. A parent-death signal was
/// rejected: it is sent when the *thread* that started the child ends. It ignores the signals that ask the group to end,
/// from its first moment: whoever does not heed them must still end with this program.
#[cfg(unix)]
const WITH_WATCHDOG: &str = concat!(
    "exec 3<&0 </dev/null; trap '' HUP INT QUIT TERM; { read -r _ <&3; kill -KILL 0; } & ",
    "trap - HUP INT QUIT TERM; exec \"$0\" \"$@\" 3<&-"
);

/// Signal that asks a process to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum StopSignal {
    /// SIGTERM, the usual one.
    #[default]
    Term,
    /// SIGINT, as Ctrl-C sends it.
    Int,
    /// SIGQUIT, with which some servers finish their requests first.
    Quit,
    /// SIGHUP.
    Hup,
}

impl ProcessGroup {
    /// Starts `program` as leader of a new group; `prepare` sets its arguments and environment. Its output is piped, its
    /// input is empty. Must be called within a tokio runtime.
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
        remove_secrets(&mut command);
        prepare(&mut command);
        let mut wrap = CommandWrap::from(command);
        #[cfg(unix)]
        wrap.wrap(process_wrap::tokio::ProcessGroup::leader());
        #[cfg(windows)]
        wrap.wrap(process_wrap::tokio::JobObject);
        // on Windows this also makes the system end the job when its last handle closes, so with this process
        wrap.wrap(KillOnDrop);
        let mut child = wrap.spawn()?;
        let pipe = child.stdin().take(); // waiting for the child would drop it
        Ok(Self { pid: child.id(), leader: Mutex::new(Leader { child: Some(child), _pipe: pipe }) })
    }

    /// Process id of the leader.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// How many processes of the group run; none where the system does not tell.
    pub(crate) fn member_count(&self) -> Option<usize> {
        if cfg!(target_os = "linux") { Some(alive_in_group(self.pid?).len()) } else { None }
    }

    /// Process ids of the group; where the system does not tell, that of the leader.
    pub(crate) fn members(&self) -> Vec<u32> {
        let Some(pid) = self.pid else { return Vec::new() };
        if cfg!(target_os = "linux") { alive_in_group(pid) } else { vec![pid] }
    }

    /// Standard output and error of the leader; only the first call returns them.
    pub(crate) fn take_output(&self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        let mut leader = self.lock();
        leader.child.as_mut().map_or((None, None), |child| (child.stdout().take(), child.stderr().take()))
    }

    /// Kills all processes of the group without waiting. Does nothing the second time.
    pub(crate) fn kill(&self) {
        if let Some(child) = self.lock().child.as_mut() {
            kill_all(child.as_mut());
        }
    }

    /// Asks all processes of the group to end, without waiting; kills them where the system has no signals.
    pub(crate) fn signal(&self, signal: StopSignal) {
        #[cfg(unix)]
        if let Some(child) = self.lock().child.as_ref() {
            use rustix::process::Signal;
            let signal = match signal {
                StopSignal::Term => Signal::TERM,
                StopSignal::Int => Signal::INT,
                StopSignal::Quit => Signal::QUIT,
                StopSignal::Hup => Signal::HUP,
            };
            if let Err(why) = child.signal(signal.as_raw()) {
                tracing::trace!(%why, "process group is gone already");
            }
        }
        #[cfg(windows)]
        {
            let _ = signal;
            self.kill();
        }
    }

    /// Waits for the end of the leader, however it comes, then kills and reaps the others and checks that all are gone.
    ///
    /// Never returns while the leader runs. The second value is a sentence about processes that survived.
    pub(crate) async fn ended(&self) -> (Option<ExitStatus>, Option<String>) {
        let status = poll_fn(|context| {
            let mut leader = self.lock();
            // the leader alone; the wrapper's own wait is for all, and nobody has killed the others yet
            let Some(child) = leader.child.as_mut() else { return std::task::Poll::Ready(None) };
            let waited = {
                let mut wait = child.inner_mut().wait();
                Pin::new(&mut wait).poll(context)
            };
            waited.map(|status| {
                // under the same lock as the reaping: nobody can signal the id of the group later
                kill_all(child.as_mut());
                status.ok()
            })
        })
        .await;
        let child = self.lock().child.take();
        let Some(mut child) = child else { return (status, None) };
        // reaps those that became children of this process, as happens to the first process of a container; those that do
        // not end in time are reported below
        let _ = timeout(EXIT_TIMEOUT, child.wait()).await;
        let left = self.wait_until_gone().await;
        (status, left)
    }

    /// Polls, because no system reports the end of processes that are not children of this one.
    async fn wait_until_gone(&self) -> Option<String> {
        let pid = self.pid?;
        let deadline = Instant::now() + EXIT_TIMEOUT;
        loop {
            let alive = alive_in_group(pid);
            if alive.is_empty() {
                return None;
            }
            if Instant::now() >= deadline {
                return Some(still_running(&alive, EXIT_TIMEOUT));
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Leader> {
        // valid after any panic: an Option that is taken in one step
        self.leader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The login of the portal and our own settings are for no child process.
fn remove_secrets(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("COUPA_BATCH_") || matches!(text.as_ref(), "COUPA_PASSWORD" | "COUPA_USERNAME") {
            command.env_remove(&name);
        }
    }
}

fn kill_all(child: &mut dyn ChildWrapper) {
    // the only possible error is that the group is gone already
    if let Err(why) = child.start_kill() {
        tracing::trace!(%why, "process group is gone already");
    }
}

/// The message about processes that did not end in time.
pub(super) fn still_running(pids: &[u32], waited: Duration) -> String {
    let list = pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let (noun, object) = if pids.len() == 1 { ("process", "it") } else { ("processes", "them") };
    format!("{noun} {list} did not end within {} s of being killed; end {object} by hand", waited.as_secs())
}

/// The running processes of the group. A zombie has ended, whether or not its parent reaps it.
#[cfg(unix)]
fn alive_in_group(group: u32) -> Vec<u32> {
    let exists = i32::try_from(group)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .is_some_and(|pid| rustix::process::test_kill_process_group(pid).is_ok());
    if !exists {
        return Vec::new();
    }
    let Ok(processes) = std::fs::read_dir("/proc") else { return vec![group] }; // not Linux: nothing but the group is known
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            // "pid (name) state ppid pgrp …"; the name may contain anything, so count from the last parenthesis
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
fn alive_in_group(_job: u32) -> Vec<u32> {
    Vec::new()
}

/// Kills the group when the task that waits for it is dropped with its runtime, or unwinds.
pub(crate) struct GroupKillGuard(pub(crate) Arc<ProcessGroup>);

impl Drop for GroupKillGuard {
    fn drop(&mut self) {
        self.0.kill();
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::io::AsyncReadExt;

    /// A leader, its watchdog, and two processes left behind by a child of the leader.
    fn tree() -> ProcessGroup {
        let script = ["-c", "(sleep 1000 & sleep 1000) & wait"];
        ProcessGroup::start(Path::new("/bin/sh"), |command| _ = command.args(script)).unwrap()
    }

    async fn until(what: impl Fn() -> bool) {
        let all = async {
            while !what() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(20), all).await.expect("timed out");
    }

    #[tokio::test]
    async fn a_kill_ends_the_whole_group_and_can_be_repeated() {
        let group = tree();
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
    async fn when_the_leader_dies_the_others_are_killed() {
        let group = tree();
        let pid = group.pid().unwrap();
        until(|| alive_in_group(pid).len() >= 4).await;
        let raw = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(raw, rustix::process::Signal::KILL).unwrap();
        let (_, left) = group.ended().await;
        assert_eq!((left, alive_in_group(pid)), (None, Vec::new()));
    }

    #[tokio::test]
    async fn closing_the_pipe_kills_the_group() {
        let group = tree();
        let pid = group.pid().unwrap();
        until(|| alive_in_group(pid).len() >= 4).await;
        drop(group.lock()._pipe.take());
        let (status, left) = group.ended().await;
        assert!(status.is_some() && left.is_none());
        assert_eq!(alive_in_group(pid), Vec::<u32>::new());
    }

    #[tokio::test]
    async fn a_signal_asks_all_but_the_watchdog_and_can_be_ignored() {
        let script = ["-c", "trap 'echo asked' TERM; echo ready; while :; do sleep 1000 & wait; done"];
        let group = ProcessGroup::start(Path::new("/bin/sh"), |command| _ = command.args(script)).unwrap();
        let mut output = tokio::io::BufReader::new(group.take_output().0.unwrap());
        let mut line = String::new();
        tokio::io::AsyncBufReadExt::read_line(&mut output, &mut line).await.unwrap();
        group.signal(StopSignal::Term);
        tokio::io::AsyncBufReadExt::read_line(&mut output, &mut line).await.unwrap();
        assert_eq!(line, "ready\nasked\n");
        // the watchdog is there still: it ends the group with the pipe
        drop(group.lock()._pipe.take());
        let (status, left) = group.ended().await;
        assert!(status.is_some_and(|status| !status.success()) && left.is_none());
    }

    #[tokio::test]
    async fn the_leader_gets_no_input() {
        let script = ["-c", "read -r line || echo no input"];
        let group = ProcessGroup::start(Path::new("/bin/sh"), |command| _ = command.args(script)).unwrap();
        let mut said = String::new();
        let mut output = group.take_output().0.unwrap();
        // the watchdog holds the output open until the group is killed, when its leader has ended
        let (read, _) = tokio::join!(output.read_to_string(&mut said), group.ended());
        read.unwrap();
        assert_eq!(said.trim(), "no input");
    }

    #[test]
    fn nothing_survives_the_end_of_the_runtime() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let pid = runtime.block_on(async {
            let group = Arc::new(tree());
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
