//! Versions of installed programs.

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long a program may take to print its version. Generous: the first start of a browser from a cold disk is slow.
const VERSION_TIMEOUT: Duration = Duration::from_secs(20);

/// A version such as `156.0.8078.79`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    text: String,
    major: u32,
}

impl Version {
    /// The first word of `text` that is a version.
    pub(crate) fn find_in(text: &str) -> Option<Self> {
        text.split_whitespace().find_map(|word| {
            let parts: Vec<&str> = word.split('.').collect();
            let is_version = parts.len() >= 2 && parts.iter().all(|part| part.parse::<u32>().is_ok());
            is_version.then(|| Self { text: word.to_owned(), major: parts[0].parse().unwrap_or_default() })
        })
    }

    /// The part that browser and driver must agree on.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.major
    }

    fn parts(&self) -> Vec<u32> {
        self.text.split('.').filter_map(|part| part.parse().ok()).collect()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// Output of `--version`, and the version in it.
#[derive(Clone, Debug)]
pub(crate) struct ReportedVersion {
    pub(crate) text: String,
    pub(crate) version: Version,
}

/// Version of a browser. On Windows browsers open a window instead of printing it: there it is the name of the newest
/// version folder beside the program.
pub(crate) fn of_browser(program: &Path) -> Result<ReportedVersion, String> {
    if cfg!(windows) { from_folders(program) } else { of_program(program) }
}

/// Asks the program `$0` for its version, and kills it when standard input ends: whoever asked may have been killed, and a
/// program that does not tell its version would outlive it.
#[cfg(unix)]
const ASK: &str = r#"exec 3<&0 </dev/null
"$0" --version 3<&- &
asked=$!
{ read -r _ <&3; kill -KILL "$asked"; } >/dev/null 2>&1 &
guard=$!
exec 3<&-
wait "$asked"
status=$?
kill "$guard" 2>/dev/null
exit "$status""#;

#[cfg(unix)]
fn question(program: &Path) -> std::io::Result<Command> {
    use std::os::unix::fs::PermissionsExt;

    // the shell would tell what it cannot start in words of its own, and not by an error; a bare name it looks up as usual
    if program.components().count() > 1 {
        let file = std::fs::metadata(program)?;
        if !file.is_file() || file.permissions().mode() & 0o111 == 0 {
            return Err(std::io::ErrorKind::PermissionDenied.into());
        }
    }
    let mut command = Command::new("/bin/sh");
    command.args(["-c", ASK]).arg(program).stdin(Stdio::piped());
    Ok(command)
}

#[cfg(not(unix))]
fn question(program: &Path) -> std::io::Result<Command> {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null());
    Ok(command)
}

/// Version that a program prints with `--version`.
pub(crate) fn of_program(program: &Path) -> Result<ReportedVersion, String> {
    let mut child = question(program)
        .and_then(|mut command| {
            command
                .stdout(Stdio::piped())
                .stderr(Stdio::null()) // Debian's chromium wrapper prints a harmless shell warning there
                .spawn()
        })
        .map_err(|why| format!("{} cannot be started: {why}", program.display()))?;
    let Some(mut stdout) = child.stdout.take() else {
        return Err(format!("{} has no output to read", program.display()));
    };
    let (sender, output) = mpsc::channel();
    // on a thread, because reading a pipe has no deadline; the thread ends with the pipe
    thread::spawn(move || {
        let mut text = String::new();
        let read = stdout.by_ref().take(4096).read_to_string(&mut text);
        let _ = sender.send(read.map(|_| text));
    });
    let text = output.recv_timeout(VERSION_TIMEOUT);
    if text.is_err() {
        let _ = child.kill();
    }
    let _ = child.wait();
    match text {
        Ok(Ok(text)) => match Version::find_in(&text) {
            Some(version) => Ok(ReportedVersion { text: text.trim().to_owned(), version }),
            None => Err(format!("{} --version printed no version but \"{}\"", program.display(), text.trim())),
        },
        Ok(Err(why)) => Err(format!("the output of {} cannot be read: {why}", program.display())),
        Err(_) => Err(format!("{} --version did not end within {} s", program.display(), VERSION_TIMEOUT.as_secs())),
    }
}

fn from_folders(program: &Path) -> Result<ReportedVersion, String> {
    let folder = program.parent().unwrap_or(Path::new("."));
    std::fs::read_dir(folder)
        .map_err(|why| format!("{} cannot be read: {why}", folder.display()))?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            entry.file_type().ok()?.is_dir().then(|| Version::find_in(&name))?
        })
        .max_by_key(Version::parts)
        .map(|version| ReportedVersion { text: format!("{} {version}", program.display()), version })
        .ok_or_else(|| format!("no folder beside {} is named like a version", program.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_among_other_words() {
        for (text, version, major) in [
            ("Chromium 156.0.8078.79 built on Debian GNU/Linux 12 (bookworm)", "156.0.8078.79", 156),
            ("ChromeDriver 156.0.8078.79 (a21ce95-refs/branch-heads/8078@{#1704})", "156.0.8078.79", 156),
            ("Microsoft Edge WebDriver 141.0.3537.71 (9fd6a6)", "141.0.3537.71", 141),
        ] {
            let found = Version::find_in(text).unwrap();
            assert_eq!((found.to_string().as_str(), found.major()), (version, major));
        }
        assert_eq!(Version::find_in("no version here, not even 12"), None);
    }

    #[test]
    fn the_newest_folder_beside_the_program_wins() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["99.0.1.1", "141.0.3537.71", "141.0.3537.8", "Dictionaries"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let reported = from_folders(&folder.path().join("msedge.exe")).unwrap();
        assert_eq!(reported.version.to_string(), "141.0.3537.71");
    }
}
