//! Installs a browser and its driver with the package manager of the system.
//!
//! Tested on Debian; the commands for other systems are those that their package managers document.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::config::BrowserChoice;

/// How long one command may take: 300 MB over a slow connection.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Commands that would install a browser and its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallPlan {
    /// The commands in their order, each as program and arguments.
    pub commands: Vec<Vec<String>>,
    /// What they do, as a sentence for the person who is asked.
    pub explains: String,
}

impl fmt::Display for InstallPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.explains)?;
        self.commands.iter().try_for_each(|command| write!(f, "\n  {}", command.join(" ")))
    }
}

/// Why the installation failed; each message says what to do instead.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InstallError {
    /// No known package manager of this system has the browser.
    #[error("{0}")]
    NoWay(String),
    /// A command failed.
    #[error("{command}: {why}; run it in a terminal to see more, or install the browser in another way")]
    Command {
        /// The command line.
        command: String,
        /// How it failed.
        why: String,
    },
}

/// Known package managers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PackageManager {
    /// Debian.
    Apt,
    /// Ubuntu, with other package names.
    AptUbuntu,
    /// Fedora and related systems.
    Dnf,
    /// macOS.
    Brew,
    /// Windows.
    Winget,
}

/// Plans how to install the browser of `choice` and its driver on this system.
///
/// # Errors
/// [`InstallError::NoWay`] when the system's package manager is unknown or does not have that browser, or when
/// installing needs root and there is no `sudo`.
pub fn plan(choice: BrowserChoice) -> Result<InstallPlan, InstallError> {
    let manager = detect().ok_or_else(|| {
        InstallError::NoWay(
            "no known package manager was found on this machine: install a browser and its driver by hand".to_owned(),
        )
    })?;
    let privilege = privilege()?;
    manager.plan(choice, privilege)
}

/// Prefix of commands that need administrator rights.
fn privilege() -> Result<&'static [&'static str], InstallError> {
    #[cfg(target_os = "linux")]
    {
        if rustix::process::geteuid().is_root() {
            return Ok(&[]);
        }
        if which::which("sudo").is_ok() {
            return Ok(&["sudo"]);
        }
        Err(InstallError::NoWay("installing needs root, and there is no sudo: run the same command as root".to_owned()))
    }
    #[cfg(not(target_os = "linux"))]
    Ok(&[]) // brew and winget ask for them
}

fn detect() -> Option<PackageManager> {
    let has = |program: &str| which::which(program).is_ok();
    if cfg!(windows) {
        return has("winget").then_some(PackageManager::Winget);
    }
    if cfg!(target_os = "macos") {
        return has("brew").then_some(PackageManager::Brew);
    }
    if has("apt-get") {
        let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        let is_ubuntu = release.lines().any(|line| line.trim() == "ID=ubuntu");
        return Some(if is_ubuntu { PackageManager::AptUbuntu } else { PackageManager::Apt });
    }
    has("dnf").then_some(PackageManager::Dnf)
}

impl PackageManager {
    fn plan(self, choice: BrowserChoice, privilege: &[&str]) -> Result<InstallPlan, InstallError> {
        use BrowserChoice as B;
        let apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"];
        let install = [&apt[..], &["install", "-y", "--no-install-recommends"]].concat();
        let update = [&apt[..], &["update"]].concat();
        let winget =
            ["winget", "install", "--accept-source-agreements", "--accept-package-agreements", "--exact", "--id"];
        let (what, commands): (&str, Vec<Vec<&str>>) = match (self, choice) {
            (Self::Apt, B::Auto | B::Chromium) => (
                "Chromium and ChromeDriver from Debian",
                vec![update, [&install[..], &["chromium", "chromium-driver"]].concat()],
            ),
            (Self::Apt, B::ChromiumHeadlessShell) => (
                "Chromium, its headless shell and ChromeDriver from Debian",
                vec![update, [&install[..], &["chromium", "chromium-headless-shell", "chromium-driver"]].concat()],
            ),
            (Self::AptUbuntu, B::Auto | B::Chromium) => (
                "Chromium and ChromeDriver from Ubuntu",
                vec![update, [&install[..], &["chromium-browser", "chromium-chromedriver"]].concat()],
            ),
            (Self::Dnf, B::Auto | B::Chromium) => {
                ("Chromium and ChromeDriver", vec![vec!["dnf", "install", "-y", "chromium", "chromedriver"]])
            }
            (Self::Brew, B::Auto | B::Chrome) => (
                "Google Chrome and ChromeDriver",
                vec![vec!["brew", "install", "--cask", "google-chrome", "chromedriver"]],
            ),
            (Self::Winget, B::Auto | B::Edge) => (
                "Microsoft Edge and its driver",
                vec![[&winget[..], &["Microsoft.Edge"]].concat(), [&winget[..], &["Microsoft.EdgeDriver"]].concat()],
            ),
            (Self::Winget, B::Chrome) => (
                "Google Chrome and ChromeDriver",
                vec![[&winget[..], &["Google.Chrome"]].concat(), [&winget[..], &["Chromium.ChromeDriver"]].concat()],
            ),
            (Self::Apt | Self::AptUbuntu | Self::Dnf, B::Edge | B::Chrome)
            | (Self::AptUbuntu | Self::Dnf, B::ChromiumHeadlessShell)
            | (Self::Brew, B::Edge | B::Chromium | B::ChromiumHeadlessShell)
            | (Self::Winget, B::Chromium | B::ChromiumHeadlessShell) => {
                return Err(InstallError::NoWay(format!(
                    "the package manager of this system does not have {choice} with its driver: install both by hand, \
                     or set browser to auto"
                )));
            }
        };
        let full = |command: Vec<&str>| privilege.iter().copied().chain(command).map(str::to_owned).collect();
        Ok(InstallPlan {
            commands: commands.into_iter().map(full).collect(),
            explains: format!("this installs {what}"),
        })
    }
}

/// Runs the commands of `plan` one after another and passes every line of output to `line`. Blocks for minutes.
///
/// # Errors
/// [`InstallError::Command`] for the first command that fails or takes longer than 15 minutes; the others are not run.
pub fn install(plan: &InstallPlan, mut line: impl FnMut(&str)) -> Result<(), InstallError> {
    plan.commands.iter().try_for_each(|command| {
        line(&format!("$ {}", command.join(" ")));
        run(command, &mut line).map_err(|why| InstallError::Command { command: command.join(" "), why })
    })
}

fn run(command: &[String], line: &mut impl FnMut(&str)) -> Result<(), String> {
    let (program, args) = command.split_first().ok_or("the command is empty")?;
    // standard input is inherited: sudo asks for a password on the terminal
    let child = Command::new(program).args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|why| format!("it could not be started: {why}"))?;
    let (sender, lines) = mpsc::channel();
    let outputs: [Option<Box<dyn Read + Send>>; 2] =
        [child.stdout.take().map(|out| Box::new(out) as _), child.stderr.take().map(|out| Box::new(out) as _)];
    for output in outputs.into_iter().flatten() {
        let sender = sender.clone();
        thread::spawn(move || {
            for text in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let _ = sender.send(String::from_utf8_lossy(&text).trim_end().to_owned());
            }
        });
    }
    drop(sender);
    let mut last = String::new();
    let until = Instant::now() + COMMAND_TIMEOUT;
    loop {
        match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(text) => {
                line(&text);
                if !text.is_empty() {
                    last = text;
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                end(&mut child);
                return Err(format!("it did not end within {} min", COMMAND_TIMEOUT.as_secs() / 60));
            }
        }
    }
    let status = child.wait().map_err(|why| format!("its exit status could not be read: {why}"))?;
    if status.success() { Ok(()) } else { Err(format!("it failed ({status}); its last line: {last}")) }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_gets_both_packages_and_sudo_only_when_needed() {
        let as_root = PackageManager::Apt.plan(BrowserChoice::Auto, &[]).unwrap();
        let lines: Vec<_> = as_root.commands.iter().map(|command| command.join(" ")).collect();
        assert_eq!(
            lines,
            [
                "env DEBIAN_FRONTEND=noninteractive apt-get update",
                "env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium chromium-driver",
            ]
        );
        let as_user = PackageManager::Apt.plan(BrowserChoice::Chromium, &["sudo"]).unwrap();
        assert!(as_user.commands.iter().all(|command| command[0] == "sudo"));
    }

    #[test]
    fn a_browser_that_the_system_does_not_have_is_refused_with_what_to_do() {
        let why = PackageManager::Apt.plan(BrowserChoice::Edge, &[]).unwrap_err().to_string();
        assert!(why.contains("by hand"), "{why}");
    }

    #[cfg(unix)]
    #[test]
    fn output_is_passed_on_and_a_failure_names_the_command() {
        let plan = |script: &str| InstallPlan {
            commands: vec![vec!["sh".into(), "-c".into(), script.into()]],
            explains: "this tests".into(),
        };
        let mut lines = Vec::new();
        install(&plan("echo one; echo two"), |line| lines.push(line.to_owned())).unwrap();
        assert_eq!(lines[1..], ["one", "two"]);
        let why = install(&plan("echo broken >&2; exit 3"), |_| {}).unwrap_err().to_string();
        assert!(why.contains("sh -c") && why.contains("broken"), "{why}");
    }
}
