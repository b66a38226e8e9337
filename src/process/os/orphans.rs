//! Processes that a program which is gone has left running.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};

use crate::process::os::mark::{FOLDER_VARIABLE, is_browser_on};

/// How long killed processes may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// A process that runs on one of the folders that it was looked for on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrphanedProcess {
    /// Its id.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
}

/// The processes that run on these folders: browsers that were started on a profile inside, and drivers that were started
/// for one. Nothing else is enough: not the current folder, not an open file. Blocks while all processes are looked at.
#[must_use]
pub(crate) fn processes_on(folders: &[PathBuf]) -> Vec<OrphanedProcess> {
    let Ok(mut system) = System::new() else { return Vec::new() };
    let what =
        ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always).with_environ(UpdateKind::Always).without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, what);
    let found = system.processes().iter().filter(|(_, process)| is_alive(process)).filter_map(|(pid, process)| {
        let folder = folders.iter().find(|folder| runs_on(process, folder))?;
        let name = process.name().to_string_lossy().into_owned();
        Some(OrphanedProcess { pid: pid.as_u32(), name, folder: folder.clone() })
    });
    found.collect()
}

fn runs_on(process: &Process, folder: &Path) -> bool {
    let variable = format!("{FOLDER_VARIABLE}=");
    let is_inside = |word: &OsStr| {
        let path = word.to_str().and_then(|word| word.strip_prefix(&variable));
        path.is_some_and(|path| Path::new(path).starts_with(folder))
    };
    let words = process.cmd().iter().flat_map(|word| [word.as_encoded_bytes(), b"\0"]);
    is_browser_on(&words.flatten().copied().collect::<Vec<_>>(), folder)
        || process.environ().iter().any(|word| is_inside(word))
}

/// Ends these processes and waits up to five seconds until they are gone. Blocks.
///
/// # Errors
/// Those that are still there, as a sentence for a person.
pub(crate) fn end_processes(remnants: &[OrphanedProcess]) -> Result<(), String> {
    let Ok(mut system) = System::new() else { return Ok(()) };
    let mut pids: Vec<_> = remnants.iter().map(|remnant| Pid::from_u32(remnant.pid)).collect();
    let folders: Vec<_> = remnants.iter().map(|remnant| remnant.folder.clone()).collect();
    // looked at anew: a number may have become somebody else's since
    let again = processes_on(&folders);
    pids.retain(|pid| again.iter().any(|remnant| remnant.pid == pid.as_u32()));
    let begun = Instant::now();
    let what = ProcessRefreshKind::nothing().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, what);
    for process in pids.iter().filter_map(|pid| system.process(*pid)) {
        process.kill(); // what cannot be killed is still there below
    }
    loop {
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, what);
        pids.retain(|pid| system.process(*pid).is_some_and(is_alive));
        if pids.is_empty() {
            return Ok(());
        }
        if begun.elapsed() >= GONE_WITHIN {
            let shown: Vec<_> = pids.iter().map(ToString::to_string).collect();
            return Err(format!(
                "processes {} did not end within {GONE_WITHIN:?} after being killed; end them by hand",
                shown.join(", ")
            ));
        }
        thread::sleep(Duration::from_millis(10)); // no system tells of the end of a process that is not our child
    }
}

/// Whether process `pid` runs and has done so at `since`, in seconds since 1970: the number was not given to another one
/// later.
#[must_use]
pub(crate) fn has_run_since(pid: u32, since: u64) -> bool {
    let Ok(mut system) = System::new() else { return false };
    let pid = Pid::from_u32(pid);
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[pid]),
        true,
        ProcessRefreshKind::nothing().without_tasks(),
    );
    // a second for the rounding of both
    system.process(pid).is_some_and(|process| is_alive(process) && process.start_time() <= since.saturating_add(1))
}

/// A zombie has ended; that its parent does not collect it is not our concern.
fn is_alive(process: &Process) -> bool {
    !matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_run_since_is_told_from_one_with_its_number() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert!(has_run_since(std::process::id(), now));
        assert!(!has_run_since(std::process::id(), 1_000_000), "it did not run in 1970");
        assert!(!has_run_since(u32::MAX - 7, now));
    }

    #[cfg(unix)]
    #[test]
    fn only_processes_that_were_started_for_a_folder_are_ended() {
        use std::process::{Command, Stdio};
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("w1-abcdef");
        std::fs::create_dir(&own).unwrap();
        let start = |words: &[&str], variable: &str, value: &Path| {
            let mut command = Command::new("sh");
            command.args(["-c", "echo; read -r _", "sh"]).args(words).env(variable, value).current_dir(&own);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            // until it has spoken, it may still be a copy of this program
            std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
            child
        };
        let inside = format!("--user-data-dir={}/profile", own.display());
        let beside = format!("--user-data-dir={}-other/profile", own.display());
        let mut ours = [start(&[&inside], "X", Path::new("x")), start(&[], FOLDER_VARIABLE, &own)];
        let mut others = [
            start(&[&beside], "X", Path::new("x")),
            start(&[&own.display().to_string()], "TMPDIR", &own),
            start(&[], FOLDER_VARIABLE, folder.path()),
        ];
        let mut found = processes_on(std::slice::from_ref(&own));
        found.sort_by_key(|remnant| remnant.pid);
        let mut expected = ours.each_ref().map(std::process::Child::id);
        expected.sort_unstable();
        assert_eq!(found.iter().map(|remnant| remnant.pid).collect::<Vec<_>>(), expected);
        end_processes(&found).unwrap();
        for child in &mut ours {
            assert!(!child.wait().unwrap().success());
        }
        for child in &mut others {
            drop(child.stdin.take());
            assert!(child.wait().unwrap().code().is_some(), "it was not killed");
        }
    }
}
