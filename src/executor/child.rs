//! A child process as a job: started, listened to, ended with all that it started.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::process::os::group::{GroupKillGuard, ProcessGroup};

/// How much of each output is kept. What a longer one ends with matters most.
const KEPT_BYTES: usize = 1 << 20;
/// How long to read on after the end: a process that left its group may hold the pipe open.
const LAST_OUTPUT_TIMEOUT: Duration = Duration::from_secs(1);

/// A program with its arguments. Its input is empty. Its environment is this program's, without the variables of this
/// program's own settings (`COUPA_BATCH_*`, `COUPA_USERNAME`, `COUPA_PASSWORD`), and with what is added.
#[derive(Clone)]
pub struct ProcessCommand {
    program: PathBuf,
    args: Vec<OsString>,
    env: BTreeMap<OsString, OsString>,
    dir: Option<PathBuf>,
}

impl ProcessCommand {
    /// A program by its path, or by a name that is found in the search path.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), args: Vec::new(), env: BTreeMap::new(), dir: None }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// The folder that it works in; default this program's.
    #[must_use]
    pub fn current_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    fn prepare(&self, command: &mut Command) {
        command.args(&self.args).envs(&self.env);
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
    }

    /// On Unix a shell starts the program and would only print that there is none: so it is looked for first.
    #[cfg(unix)]
    fn check(&self) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let is_program =
            |path: &Path| path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
        let base = self.dir.as_deref().unwrap_or(Path::new(""));
        let is_path = self.program.components().count() > 1;
        let found = if is_path {
            is_program(&base.join(&self.program))
        } else {
            let own = self.env.get(std::ffi::OsStr::new("PATH")).cloned();
            let path = own.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
            std::env::split_paths(&path).any(|folder| is_program(&base.join(folder).join(&self.program)))
        };
        if let Some(dir) = self.dir.as_ref().filter(|dir| !dir.is_dir()) {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no folder {}", dir.display())));
        }
        if found {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::NotFound, "no such program, or it may not be run"))
        }
    }

    #[cfg(windows)]
    fn check(&self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for ProcessCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // arguments and environment may hold secrets
        f.debug_struct("ProcessCommand").field("program", &self.program).finish_non_exhaustive()
    }
}

/// What a child process printed: the last MiB of each output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessOutput {
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// Whether the beginning of one of them was left out.
    pub is_truncated: bool,
}

/// How a child process ended.
#[derive(Debug)]
pub(super) struct ProcessEnd {
    pub(super) success: bool,
    pub(super) code: Option<i32>,
    pub(super) status: String,
    pub(super) output: ProcessOutput,
    /// A sentence about processes that survived the kill.
    pub(super) left: Option<String>,
}

/// A running child process. Dropping it kills the whole tree; a task of its own waits for the end of that.
pub(super) struct Child {
    group: Arc<ProcessGroup>,
    end: JoinHandle<ProcessEnd>,
}

impl Child {
    /// Starts `command`; `permit` is dropped once nothing of its tree is left.
    pub(super) fn start(command: &ProcessCommand, permit: impl Send + 'static) -> io::Result<Self> {
        command.check()?;
        let group = Arc::new(ProcessGroup::start(&command.program, |started| command.prepare(started))?);
        let end = tokio::spawn(until_gone(GroupKillGuard(group.clone()), permit));
        Ok(Self { group, end })
    }

    pub(super) fn kill(&self) {
        self.group.kill();
    }

    /// Waits until nothing of its tree is left. Without a deadline before the kill, within seconds after it.
    pub(super) async fn ended(&mut self) -> ProcessEnd {
        match (&mut self.end).await {
            Ok(end) => end,
            Err(_) => ProcessEnd {
                success: false,
                code: None,
                status: "ended with the program".to_owned(),
                output: ProcessOutput::default(),
                left: None,
            },
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn until_gone(group: GroupKillGuard, permit: impl Send) -> ProcessEnd {
    let (stdout, stderr) = group.0.take_output();
    let (out, err) = (Arc::<Tail>::default(), Arc::<Tail>::default());
    let mut readers = tokio::task::JoinSet::new();
    stdout.into_iter().for_each(|pipe| _ = readers.spawn(out.clone().read(pipe)));
    stderr.into_iter().for_each(|pipe| _ = readers.spawn(err.clone().read(pipe)));
    let (status, left) = group.0.ended().await;
    if timeout(LAST_OUTPUT_TIMEOUT, async { while readers.join_next().await.is_some() {} }).await.is_err() {
        tracing::debug!("the output of a process that has ended is still open");
    }
    drop(permit);
    let ((stdout, is_out_cut), (stderr, is_err_cut)) = (out.text(), err.text());
    ProcessEnd {
        success: status.is_some_and(|status| status.success()),
        code: status.and_then(|status| status.code()),
        status: status.map_or_else(|| "unknown exit status".to_owned(), |status| status.to_string()),
        output: ProcessOutput { stdout, stderr, is_truncated: is_out_cut || is_err_cut },
        left,
    }
}

/// The end of an output.
#[derive(Default)]
struct Tail(Mutex<(Vec<u8>, bool)>);

impl Tail {
    async fn read(self: Arc<Self>, mut pipe: impl AsyncRead + Unpin) {
        let mut part = vec![0; 8 * 1_024];
        loop {
            match pipe.read(&mut part).await {
                Ok(0) => return,
                Ok(length) => self.push(&part[..length]),
                Err(why) => {
                    tracing::debug!(%why, "the output of a process cannot be read");
                    return;
                }
            }
        }
    }

    fn push(&self, part: &[u8]) {
        let (kept, is_cut) = &mut *self.lock();
        kept.extend_from_slice(part);
        // rarely, since each cut moves all that is kept
        if kept.len() > 2 * KEPT_BYTES {
            kept.drain(..kept.len() - KEPT_BYTES);
            *is_cut = true;
        }
    }

    fn text(&self) -> (String, bool) {
        let (kept, is_cut) = &*self.lock();
        let from = kept.len().saturating_sub(KEPT_BYTES);
        (String::from_utf8_lossy(&kept[from..]).into_owned(), *is_cut || from > 0)
    }

    fn lock(&self) -> MutexGuard<'_, (Vec<u8>, bool)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_output_is_kept() {
        let tail = Tail::default();
        (0..400).for_each(|number| tail.push(format!("{number:>8191}\n").as_bytes()));
        let (text, is_cut) = tail.text();
        assert!(is_cut && text.len() == KEPT_BYTES && text.ends_with("399\n"));
        assert_eq!(Tail::default().text(), (String::new(), false));
    }
}
