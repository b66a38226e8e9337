//! Who removes a folder when this program can not: a shell that waits for its end.
//!
//! The watchdog of a driver's process group (see `group`) ends the browsers and, with them, itself. The heir stands
//! outside of the group, in one of its own: it reads from us until the system closes the pipe with our process, waits
//! until nobody of the group runs, and removes what the folder holds. Its current folder is the folder itself, so that no
//! path is looked up again that somebody may have changed meanwhile; the names in it are its arguments. It sends no
//! signal: a number that was given to somebody else costs nothing but its patience.

#[cfg(unix)]
pub(crate) use unix::Reaper;

#[cfg(unix)]
mod unix {
    use std::io::Write;
    use std::os::unix::process::CommandExt;
    use std::path::Path;
    use std::process::{Child, ChildStdin, Command, Stdio};

    /// `$0` is the folder, `$1` its mark, which goes last; the others are what else may be in it. Each line that it reads
    /// is a process group. Where the system has no `/proc`, a group counts as running while it can be signalled. Gives up
    /// after ten seconds, and leaves the folder with its mark to the next sweep.
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

    /// A shell that removes one folder after the end of this program. Dropping it ends the shell and leaves the folder.
    #[derive(Debug)]
    pub(crate) struct Reaper {
        shell: Child,
        /// The system closes it with our process, however that ends.
        leash: Option<ChildStdin>,
    }

    impl Reaper {
        /// One for `folder`, of which `mark` goes last and `others` before it; anything else is left, and the mark with it.
        pub(crate) fn of(folder: &Path, mark: &str, others: &[&str]) -> std::io::Result<Self> {
            let own = std::env::var_os("PATH").unwrap_or_default();
            let mut path = std::ffi::OsString::from("/usr/bin:/bin:");
            path.push(own);
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", SCRIPT]).arg(folder).arg(mark).args(others);
            shell.current_dir(folder).env_clear().env("PATH", path).process_group(0);
            shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut shell = shell.spawn()?;
            let leash = shell.stdin.take();
            Ok(Self { shell, leash })
        }

        /// Has it wait until nobody of this process group runs any more. Does not wait itself.
        pub(crate) fn wait_for(&self, group: u32) {
            // it is read at once, or there is nobody to read it
            if let Some(Err(why)) = self.leash.as_ref().map(|mut leash| writeln!(leash, "{group}")) {
                tracing::debug!(%why, "nobody would remove the folder if this program were killed");
            }
        }

        /// As the system does when this program ends.
        #[cfg(test)]
        pub(crate) fn let_go(&mut self) {
            self.leash = None;
        }

        #[cfg(test)]
        pub(crate) fn wait(&mut self) {
            self.shell.wait().unwrap();
        }
    }

    impl Drop for Reaper {
        fn drop(&mut self) {
            // a child that was not waited for: its number is still its own
            if let Err(why) = self.shell.kill().and_then(|()| self.shell.wait()) {
                tracing::debug!(%why, "the shell that waits for the end of this program cannot be ended");
            }
        }
    }
}

/// Windows ends the processes with their Job object; their folder is swept at the next start.
#[cfg(not(unix))]
#[derive(Debug)]
pub(crate) struct Reaper;

#[cfg(not(unix))]
impl Reaper {
    pub(crate) fn of(_folder: &std::path::Path, _mark: &str, _others: &[&str]) -> std::io::Result<Self> {
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

    fn until(what: &str, mut is_so: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < Duration::from_secs(20), "it never came: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn it_removes_the_folder_when_nobody_of_the_group_runs_and_not_before() {
        let base = tempfile::tempdir().unwrap();
        let folder = folder(base.path());
        let mut member = Command::new("cat").stdin(Stdio::piped()).process_group(0).spawn().unwrap();
        let mut heir = Reaper::of(&folder, "owner", &["profile", "tmp"]).unwrap();
        heir.wait_for(member.id());
        heir.let_go();
        // it looks every tenth of a second: with the member alive it has looked several times
        std::thread::sleep(Duration::from_millis(400));
        assert!(folder.join("profile/Default/Cookies").is_file());
        drop(member.stdin.take()); // ends it; a zombie has ended, too
        until("the folder is gone", || !folder.exists());
        member.wait().unwrap();
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0, "a name is never a command");
    }

    #[test]
    fn dismissed_it_removes_nothing() {
        let base = tempfile::tempdir().unwrap();
        let folder = folder(base.path());
        drop(Reaper::of(&folder, "owner", &["profile", "tmp"]).unwrap());
        assert!(folder.join("profile/Default/Cookies").is_file());
    }

    #[test]
    fn what_it_does_not_know_stays_with_the_mark() {
        let base = tempfile::tempdir().unwrap();
        let folder = folder(base.path());
        fs::write(folder.join("letter"), "x").unwrap();
        let mut heir = Reaper::of(&folder, "owner", &["profile", "tmp"]).unwrap();
        heir.let_go();
        until("its part is gone", || !folder.join("profile").exists());
        heir.wait();
        assert!(folder.join("letter").is_file() && folder.join("owner").is_file());
    }

    #[test]
    fn another_folder_that_has_taken_the_place_is_not_touched() {
        let base = tempfile::tempdir().unwrap();
        let folder = folder(base.path());
        let mut heir = Reaper::of(&folder, "owner", &["profile", "tmp"]).unwrap();
        let away = base.path().join("away");
        fs::rename(&folder, &away).unwrap();
        fs::create_dir_all(folder.join("profile")).unwrap();
        heir.let_go();
        until("its own is empty", || !away.join("profile").exists());
        heir.wait();
        assert!(folder.join("profile").is_dir());
    }
}
