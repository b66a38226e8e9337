//! Removes a folder after this program was killed: a shell that waits for the end of the program.
//!
//! The watchdog of a process group (see `group`) kills the group and itself. The reaper runs outside, in a group of its own:
//! it reads a pipe until the system closes it with this process, waits until no process of the group runs, and removes the
//! content of the folder. Its working directory is the folder itself, so no path is resolved again that may have changed
//! meanwhile; the names inside are its arguments. It sends no signal: a reused process id costs nothing but its time.

#[cfg(unix)]
pub(crate) use unix::Reaper;

#[cfg(unix)]
mod unix {
    use std::io::Write;
    use std::os::unix::process::CommandExt;
    use std::path::Path;
    use std::process::{Child, ChildStdin, Command, Stdio};

    /// `$0` is the folder, `$1` its owner mark, removed last; the others are the entries to remove. Each line on its input
    /// is a process group, and the last one counts. Without `/proc`, a group counts as running while it can be signalled.
    /// Gives up after ten seconds and leaves the folder, with its mark, to the next sweep.
    const SCRIPT: &str = r#"
trap '' HUP INT TERM
group=
while read -r line; do group=$line; done
mark=$1
shift
runs() {
    [ "$group" ] || return 1
    [ -r /proc/self/stat ] || { kill -s 0 -- "-$group"; return; }
    for stat in /proc/[0-9]*/stat; do
        read -r line <"$stat" || continue
        set -- ${line##*) }
        [ "$3" = "$group" ] || continue
        case $1 in Z | X | x) ;; *) return 0 ;; esac
    done
    return 1
}
tries=100
while runs; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || exit 1
    sleep 0.1 || sleep 1
done
tries=20
until rm -rf -- "$@"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || exit 1
    sleep 0.1 || sleep 1
done
rm -f -- "$mark"
cd /
rmdir -- "$0" || : >"$0/$mark"
"#;

    /// A shell that removes one folder once this program has ended. Dropping it ends the shell and keeps the folder.
    #[derive(Debug)]
    pub(crate) struct Reaper {
        shell: Child,
        /// The system closes it with this process, however that ends.
        pipe: Option<ChildStdin>,
    }

    impl Reaper {
        /// Starts one for `folder`: it removes the entries `others`, then `mark`. Anything else in it stays, and the mark too.
        pub(crate) fn start(folder: &Path, mark: &str, others: &[&str]) -> std::io::Result<Self> {
            let current = std::env::var_os("PATH").unwrap_or_default();
            let mut path = std::ffi::OsString::from("/usr/bin:/bin:");
            path.push(current);
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", SCRIPT]).arg(folder).arg(mark).args(others);
            shell.current_dir(folder).env_clear().env("PATH", path).process_group(0);
            shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut shell = shell.spawn()?;
            let pipe = shell.stdin.take();
            Ok(Self { shell, pipe })
        }

        /// Makes it wait for the end of all processes of `group` first. Does not wait here.
        pub(crate) fn wait_for(&self, group: u32) {
            // the shell reads it at once, or has ended
            if let Some(Err(why)) = self.pipe.as_ref().map(|mut pipe| writeln!(pipe, "{group}")) {
                tracing::debug!(%why, "the reaper has ended; if this program is killed, the folder stays until the next start");
            }
        }

        /// Closes the pipe, as the system does when this program ends.
        #[cfg(test)]
        pub(crate) fn close_pipe(&mut self) {
            self.pipe = None;
        }

        #[cfg(test)]
        pub(crate) fn wait(&mut self) {
            self.shell.wait().unwrap();
        }
    }

    impl Drop for Reaper {
        fn drop(&mut self) {
            // not waited for yet, so the process id is still its own
            if let Err(why) = self.shell.kill().and_then(|()| self.shell.wait()) {
                tracing::debug!(%why, "the reaper could not be ended");
            }
        }
    }
}

/// Windows ends the processes with their Job object; the folder is swept at the next start.
#[cfg(not(unix))]
#[derive(Debug)]
pub(crate) struct Reaper;

#[cfg(not(unix))]
impl Reaper {
    pub(crate) fn start(_folder: &std::path::Path, _mark: &str, _others: &[&str]) -> std::io::Result<Self> {
        Ok(Self)
    }

    pub(crate) fn wait_for(&self, _group: u32) {}
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::Reaper;
    use std::fs;
    use std::os::unix::process::CommandExt;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    fn folder(base: &Path) -> PathBuf {
        let folder = base.join("w1 ab'$(touch x)\"\nc");
        fs::create_dir_all(folder.join("profile/Default")).unwrap();
        fs::write(folder.join("profile/Default/Cookies"), "secret").unwrap();
        fs::write(folder.join("owner"), "").unwrap();
        folder
    }

    fn until(what: &str, mut is_true: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is_true() {
            assert!(begun.elapsed() < Duration::from_secs(20), "timed out: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn the_folder_is_removed_once_the_group_has_ended_and_not_before() {
        let base = tempfile::tempdir().unwrap();
        let folder = folder(base.path());
        let mut member = Command::new("cat").stdin(Stdio::piped()).process_group(0).spawn().unwrap();
        let mut reaper = Reaper::start(&folder, "owner", &["profile", "tmp"]).unwrap();
        reaper.wait_for(member.id());
        reaper.close_pipe();
        // it checks every tenth of a second, so by now several times with the member alive
        std::thread::sleep(Duration::from_millis(400));
        assert!(folder.join("profile/Default/Cookies").is_file());
        drop(member.stdin.take()); // ends it; a zombie has ended, too
        until("the folder is gone", || !folder.exists());
        member.wait().unwrap();
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0, "a name is never a command");
    }

    #[test]
    fn a_dropped_reaper_removes_nothing() {
        let base = tempfile::tempdir().unwrap();
        let folder = folder(base.path());
        drop(Reaper::start(&folder, "owner", &["profile", "tmp"]).unwrap());
        assert!(folder.join("profile/Default/Cookies").is_file());
    }

    #[test]
    fn unknown_entries_stay_with_the_mark() {
        let base = tempfile::tempdir().unwrap();
        let folder = folder(base.path());
        fs::write(folder.join("letter"), "x").unwrap();
        let mut reaper = Reaper::start(&folder, "owner", &["profile", "tmp"]).unwrap();
        reaper.close_pipe();
        until("its part is gone", || !folder.join("profile").exists());
        reaper.wait();
        assert!(folder.join("letter").is_file() && folder.join("owner").is_file());
    }

    #[test]
    fn another_folder_at_the_same_path_is_not_touched() {
        let base = tempfile::tempdir().unwrap();
        let folder = folder(base.path());
        let mut reaper = Reaper::start(&folder, "owner", &["profile", "tmp"]).unwrap();
        let away = base.path().join("away");
        fs::rename(&folder, &away).unwrap();
        fs::create_dir_all(folder.join("profile")).unwrap();
        reaper.close_pipe();
        until("its own is empty", || !away.join("profile").exists());
        reaper.wait();
        assert!(folder.join("profile").is_dir());
    }
}
