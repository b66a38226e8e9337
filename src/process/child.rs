//! A child process with everything it starts: started, listened to, killed, waited for.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::process::os::group::{GroupKillGuard, ProcessGroup, StopSignal};
use crate::process::os::memory::resident_bytes;
use crate::process::output::CapturedOutput;

/// How long to read on for the last lines of a process that has ended.
const LAST_OUTPUT_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a child process is not there.
#[derive(Debug, Error)]
pub(crate) enum ProcessError {
    /// The system did not start the program.
    #[error("{} could not be started", program.display())]
    Spawn {
        /// The program file.
        program: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The program ended before it was ready.
    #[error("{} ended before it was ready ({status}); its output: {output}", program.display())]
    ExitedEarly {
        /// The program file.
        program: PathBuf,
        /// Its exit status.
        status: String,
        /// Its last lines of output.
        output: String,
    },
}

/// How a child process ended.
#[derive(Clone, Debug)]
pub(crate) struct ProcessExit {
    /// Its exit status, such as `exit status: 1`.
    pub(crate) status: String,
    /// Its exit code; none if a signal ended it.
    pub(crate) code: Option<i32>,
    /// A sentence about processes that survived the kill; none if all are gone.
    pub(crate) left: Option<String>,
}

/// A running child process at the head of its own process group (Unix) or Job object (Windows). Dropping it kills the
/// whole group without waiting.
#[derive(Debug)]
pub(crate) struct ManagedProcess {
    program: PathBuf,
    group: Arc<ProcessGroup>,
    output: Arc<CapturedOutput>,
    /// Empty once the output of a process that has ended was read to its end.
    readers: Mutex<Vec<JoinHandle<()>>>,
    exit: watch::Receiver<Option<ProcessExit>>,
    started: Instant,
    is_killed: AtomicBool,
}

impl ManagedProcess {
    /// Starts `program`; `prepare` sets its arguments and environment. `name` appears beside its output in the log.
    /// `resource` is dropped once no process of the group is left, such as the port it listens on. Must be called
    /// within a tokio runtime.
    ///
    /// # Errors
    /// [`ProcessError::Spawn`].
    pub(crate) fn start(
        program: &Path,
        name: String,
        resource: impl Send + 'static,
        prepare: impl FnOnce(&mut Command),
    ) -> Result<Self, ProcessError> {
        let group = ProcessGroup::start(program, prepare)
            .map_err(|source| ProcessError::Spawn { program: program.to_owned(), source })?;
        let (group, output) = (Arc::new(group), Arc::new(CapturedOutput::new(name)));
        let (stdout, stderr) = group.take_output();
        let stdout = stdout.map(|stdout| tokio::spawn(output.clone().read(stdout)));
        let stderr = stderr.map(|stderr| tokio::spawn(output.clone().read(stderr)));
        let (ended, exit) = watch::channel(None);
        tokio::spawn(wait_for_exit(GroupKillGuard(group.clone()), resource, ended));
        Ok(Self {
            program: program.to_owned(),
            group,
            output,
            readers: Mutex::new(stdout.into_iter().chain(stderr).collect()),
            exit,
            started: Instant::now(),
            is_killed: AtomicBool::new(false),
        })
    }

    /// Waits for the first line of output in which `parse` finds something. Without a deadline of its own.
    ///
    /// # Errors
    /// [`ProcessError::ExitedEarly`] when the process ends without such a line.
    pub(crate) async fn wait_for_line<T>(&self, parse: impl Fn(&str) -> Option<T>) -> Result<T, ProcessError> {
        tokio::select! {
            found = self.output.find_line(&parse) => return Ok(found),
            _ = self.exited() => {}
        }
        let ProcessExit { status, .. } = self.exited().await;
        let output = self.last_output().await;
        Err(ProcessError::ExitedEarly { program: self.program.clone(), status, output })
    }

    /// The last lines of a process that has ended: they may still be in its pipes, which have ended with it.
    pub(crate) async fn last_output(&self) -> String {
        let readers = std::mem::take(&mut *self.readers.lock().unwrap_or_else(PoisonError::into_inner));
        for reader in readers {
            if timeout(LAST_OUTPUT_TIMEOUT, reader).await.is_err() {
                tracing::debug!("the output of a process that has ended is still open");
            }
        }
        self.output()
    }

    /// Its last lines of output, for an error message.
    pub(crate) fn output(&self) -> String {
        self.output.to_string()
    }

    /// The process id of the head of the group.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.group.pid()
    }

    /// How many processes of the group run; none where the system does not tell.
    pub(crate) fn member_count(&self) -> Option<usize> {
        self.group.member_count()
    }

    /// Resident memory of the group in bytes; none where the system does not tell. Reads files of the system.
    pub(crate) fn memory_bytes(&self) -> Option<u64> {
        if self.is_alive() { resident_bytes(&self.group.members()) } else { None }
    }

    /// How long ago it was started.
    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Whether any process of the group may still run.
    pub(crate) fn is_alive(&self) -> bool {
        self.exit.borrow().is_none()
    }

    /// Whether [`ManagedProcess::kill`] was called.
    pub(crate) fn is_killed(&self) -> bool {
        self.is_killed.load(Ordering::Acquire)
    }

    /// Kills the whole group without waiting. Does nothing the second time.
    pub(crate) fn kill(&self) {
        self.is_killed.store(true, Ordering::Release);
        self.group.kill();
    }

    /// Asks the whole group to end, where the system has signals; elsewhere kills it. Does nothing once it has ended.
    pub(crate) fn signal(&self, signal: StopSignal) {
        self.group.signal(signal);
    }

    /// A way to kill the whole group from elsewhere.
    pub(crate) fn killer(&self) -> impl Fn() + Send + Sync + 'static {
        let group = self.group.clone();
        move || group.kill()
    }

    /// Waits until the head has ended, however that comes, and nothing of its group is left. Never kills a living head.
    pub(crate) fn exited(&self) -> impl Future<Output = ProcessExit> + Send + 'static {
        let mut exit = self.exit.clone();
        async move {
            let exit = exit.wait_for(Option::is_some).await.ok().and_then(|exit| exit.clone());
            exit.unwrap_or_else(|| ProcessExit { status: "ended with the program".to_owned(), code: None, left: None })
        }
    }
}

impl Drop for ManagedProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Holds `resource` until nothing of the group is left, however long others hold the process.
async fn wait_for_exit(guard: GroupKillGuard, resource: impl Send, ended: watch::Sender<Option<ProcessExit>>) {
    let (status, left) = guard.0.ended().await;
    let code = status.and_then(|status| status.code());
    let status = status.map_or_else(|| "unknown exit status".to_owned(), |status| status.to_string());
    tracing::debug!(%status, pid = ?guard.0.pid(), "child process ended");
    drop(resource);
    ended.send_replace(Some(ProcessExit { status, code, left }));
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    fn shell(script: &str, resource: impl Send + 'static) -> ManagedProcess {
        let prepare = |command: &mut Command| _ = command.args(["-c", script]);
        ManagedProcess::start(Path::new("/bin/sh"), "test".to_owned(), resource, prepare).unwrap()
    }

    #[tokio::test]
    async fn a_process_is_ready_with_the_line_that_is_waited_for() {
        let process = shell("echo starting; echo port 17; exec sleep 1000", ());
        let port = process.wait_for_line(|line| line.strip_prefix("port ")?.parse::<u16>().ok()).await.unwrap();
        assert_eq!((port, process.is_alive(), process.is_killed()), (17, true, false));
        process.kill();
        let exit = process.exited().await;
        assert!(exit.status.contains("signal: 9") && exit.left.is_none(), "{exit:?}");
        assert!(!process.is_alive() && process.is_killed());
    }

    #[tokio::test]
    async fn a_process_that_ends_early_is_quoted_with_its_exit_status() {
        let process = shell("echo a library is missing >&2; exit 127", ());
        let error = process.wait_for_line(|_| None::<()>).await.unwrap_err().to_string();
        assert!(error.contains("exit status: 127") && error.contains("a library is missing"), "{error}");
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let missing = Path::new("/nowhere/program");
        // on Unix a shell starts the program, and it is the shell that reports
        let error = match ManagedProcess::start(missing, "test".to_owned(), (), |_| {}) {
            Ok(process) => process.wait_for_line(|_| None::<()>).await.unwrap_err(),
            Err(error) => error,
        };
        assert!(error.to_string().contains("/nowhere/program"), "{error}");
    }

    #[tokio::test]
    async fn the_resource_is_kept_until_nothing_of_the_group_is_left() {
        let resource = Arc::new(());
        let process = shell("exec sleep 1000", resource.clone());
        assert_eq!(Arc::strong_count(&resource), 2);
        let exited = process.exited();
        drop(process);
        exited.await;
        assert_eq!(Arc::strong_count(&resource), 1);
    }
}
