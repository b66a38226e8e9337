//! Finds and ends processes that a program left running when it ended.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};

use crate::model::OrphanedProcess;
use crate::process::os::group::still_running;

/// Environment variable of a driver that names the session folder it was started for.
pub(crate) const FOLDER_VARIABLE: &str = "COUPA_SESSION_FOLDER";

/// Switch of a browser that names its profile folder.
const USER_DATA: &str = "--user-data-dir=";

/// Whether this command line, each argument followed by a NUL as in `/proc/PID/cmdline`, is that of a browser on `folder` or
/// a folder inside.
///
/// After its start Chromium sometimes rewrites its command line as a single argument with spaces, over its environment; so
/// a single argument is searched.
fn is_browser_on(command_line: &[u8], folder: &Path) -> bool {
    let wanted = [USER_DATA.as_bytes(), folder.as_os_str().as_encoded_bytes()].concat();
    let ends_there = |rest: &[u8]| matches!(rest.first(), None | Some(b'/' | b'\\'));
    let line = command_line.strip_suffix(b"\0").unwrap_or(command_line);
    if line.contains(&0) {
        let mut words = line.split(|byte| *byte == 0);
        return words.any(|word| word.strip_prefix(wanted.as_slice()).is_some_and(ends_there));
    }
    let starts = (0..line.len()).filter(|at| *at == 0 || line[at - 1] == b' ');
    let mut rests = starts.filter_map(|at| line[at..].strip_prefix(wanted.as_slice()));
    rests.any(|rest| ends_there(rest) || rest.starts_with(b" "))
}

/// How long killed processes may take to end.
const EXIT_TIMEOUT: Duration = Duration::from_secs(5);

/// Finds the processes that run on these folders: browsers started on a profile inside, and drivers started for one. A
/// working directory or an open file is not enough. Blocks while it examines all processes.
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
    let is_inside = |entry: &OsStr| {
        let path = entry.to_str().and_then(|entry| entry.strip_prefix(&variable));
        path.is_some_and(|path| Path::new(path).starts_with(folder))
    };
    let line = process.cmd().iter().flat_map(|argument| [argument.as_encoded_bytes(), b"\0"]);
    is_browser_on(&line.flatten().copied().collect::<Vec<_>>(), folder)
        || process.environ().iter().any(|entry| is_inside(entry))
}

/// Kills these processes and waits up to five seconds for their end. Blocks.
///
/// # Errors
/// A sentence about those that still run.
pub(crate) fn end_processes(orphans: &[OrphanedProcess]) -> Result<(), String> {
    let Ok(mut system) = System::new() else { return Ok(()) };
    let mut pids: Vec<_> = orphans.iter().map(|orphan| Pid::from_u32(orphan.pid)).collect();
    let folders: Vec<_> = orphans.iter().map(|orphan| orphan.folder.clone()).collect();
    // searched again: an id may have been reused since
    let again = processes_on(&folders);
    pids.retain(|pid| again.iter().any(|orphan| orphan.pid == pid.as_u32()));
    let begun = Instant::now();
    let what = ProcessRefreshKind::nothing().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, what);
    for process in pids.iter().filter_map(|pid| system.process(*pid)) {
        process.kill(); // one that cannot be killed is reported below
    }
    loop {
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, what);
        pids.retain(|pid| system.process(*pid).is_some_and(is_alive));
        if pids.is_empty() {
            return Ok(());
        }
        if begun.elapsed() >= EXIT_TIMEOUT {
            let pids: Vec<_> = pids.iter().map(|pid| pid.as_u32()).collect();
            return Err(still_running(&pids, EXIT_TIMEOUT));
        }
        thread::sleep(Duration::from_millis(10)); // no system reports the end of a process that is not a child of this one
    }
}

/// Whether process `pid` runs and ran at `since` already, in seconds since 1970: so its id was not reused later.
pub(crate) fn has_run_since(pid: u32, since: u64) -> bool {
    let Ok(mut system) = System::new() else { return false };
    let pid = Pid::from_u32(pid);
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[pid]),
        true,
        ProcessRefreshKind::nothing().without_tasks(),
    );
    // one second for rounding
    system.process(pid).is_some_and(|process| is_alive(process) && process.start_time() <= since.saturating_add(1))
}

/// A zombie has ended, whether or not its parent reaps it.
fn is_alive(process: &Process) -> bool {
    !matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_ran_then_is_distinguished_from_one_with_its_id() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert!(has_run_since(std::process::id(), now));
        assert!(!has_run_since(std::process::id(), 1_000_000), "it did not run in 1970");
        assert!(!has_run_since(u32::MAX - 7, now));
    }

    #[cfg(unix)]
    #[test]
    fn only_processes_started_for_a_folder_are_ended() {
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
        found.sort_by_key(|orphan| orphan.pid);
        let mut expected = ours.each_ref().map(std::process::Child::id);
        expected.sort_unstable();
        assert_eq!(found.iter().map(|orphan| orphan.pid).collect::<Vec<_>>(), expected);
        end_processes(&found).unwrap();
        for child in &mut ours {
            assert!(!child.wait().unwrap().success());
        }
        for child in &mut others {
            drop(child.stdin.take());
            assert!(child.wait().unwrap().code().is_some(), "it was not killed");
        }
    }

    #[test]
    fn a_browser_is_recognised_whether_its_arguments_are_separate_or_one() {
        let own = Path::new("/tmp/a b/w1-abcdef");
        let lines = [
            ("chromium\0--headless\0--user-data-dir=/tmp/a b/w1-abcdef/profile\0--x\0", true),
            ("chromium\0--user-data-dir=/tmp/a b/w1-abcdef\0", true),
            ("chromium --headless --user-data-dir=/tmp/a b/w1-abcdef/profile --x\0", true),
            ("chromium --user-data-dir=/tmp/a b/w1-abcdef --x", true),
            ("chromium --user-data-dir=/tmp/a b/w1-abcdef", true),
            ("chromium\0--user-data-dir=/tmp/a b/w1-abcdef-other/profile\0", false),
            ("chromium --user-data-dir=/tmp/a b/w1-abcdefg --x", false),
            ("chromium\0--user-data-dir=/tmp/a b\0", false),
            ("chromium --x--user-data-dir=/tmp/a b/w1-abcdef", false),
            // mentions it
            ("grep\0-r\0start --user-data-dir=/tmp/a b/w1-abcdef/profile\0.\0", false),
            ("", false),
        ];
        for (line, is_it) in lines {
            assert_eq!(is_browser_on(line.as_bytes(), own), is_it, "{line:?}");
        }
    }
}
