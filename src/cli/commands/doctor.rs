//! `coupa-batch doctor`: what is installed, what is missing, and what to do about it.

use std::fmt::Write as _;

use crate::browser::locate;
use crate::browser::{Detection, Installation, ProfileManager, Program, detect_all, detect_headless_shell};
use crate::config::{BrowserChoice, PoolConfig};
use crate::host::{disk_free, host};
use crate::policy::{BYTES_PER_WORKER, workers_for};
use bytesize::ByteSize;

use super::demo::install_missing;
use crate::cli::args::DoctorArgs;
use crate::cli::exit::{CommandError, ExitReason};
use crate::cli::output;
use crate::config::layers;
use crate::credentials::LoginSource;

/// A batch so long that its length does not limit the workers.
const LONG_BATCH: usize = 10_000;
/// What a run gains by the headless shell (docs/benchmarks.md).
const SHELL_BRINGS: &str =
    "needs a third of the processor time and two thirds of the memory to start, but has no windows";
/// A batch soon fills a disk with less free space than this.
const LITTLE_ROOM: u64 = 1_000_000_000;

pub(crate) fn doctor(args: &DoctorArgs) -> Result<ExitReason, CommandError> {
    let mut config =
        layers::load_config(args.browser.to_settings(), args.file.config.as_deref()).map_err(CommandError::bad_call)?;
    if args.yes {
        let mut lines = Vec::new();
        install_missing(&config.browser, |line| {
            if args.json {
                lines.push(line.to_owned()); // standard output is for the one object
            } else {
                let _ = output::print(&format!("{line}\n")); // a reader that is gone stops no installation
            }
        })?;
    }
    let login = LoginSource::fill(&mut config);
    let checkup = Diagnosis::of(&config, login);
    if args.json { output::print_json(&checkup.to_json()) } else { output::print(&checkup.to_text()) }?;
    Ok(if checkup.installation.is_ok() { ExitReason::AllWell } else { ExitReason::NoBrowser })
}

struct Diagnosis {
    installation: Result<Installation, String>,
    findings: Vec<Detection>,
    /// `None` if this system has none, or if it is what would be used.
    headless_shell: Option<Detection>,
    host: crate::host::Host,
    workers: usize,
    /// Purpose, path and free space of each folder.
    folders: Vec<(&'static str, String, Option<u64>)>,
    login: LoginSource,
    warnings: Vec<String>,
}

impl Diagnosis {
    fn of(config: &PoolConfig, login: LoginSource) -> Self {
        let host = host();
        let processors = Some(host.processor_count).filter(|count| *count > 0);
        let workers = workers_for(LONG_BATCH, host.total_bytes, processors, config.worker_count, config.scaling);
        let mut warnings = Vec::new();
        let profiles = match ProfileManager::new(config) {
            Ok(profiles) => profiles.base().to_owned(),
            Err(why) => {
                warnings.push(format!(
                    "the folder for browser profiles cannot be used: {why}; set profile_dir to another one"
                ));
                config.profiles.base.clone().unwrap_or_else(std::env::temp_dir)
            }
        };
        let folders: Vec<_> = [("output", config.out.clone()), ("profiles", profiles)]
            .into_iter()
            .map(|(what, path)| (what, path.display().to_string(), disk_free(&path)))
            .collect();
        for (what, path, free) in &folders {
            if let Some(free) = free.filter(|free| *free < LITTLE_ROOM) {
                let free = ByteSize(free).display().si();
                warnings
                    .push(format!("only {free} free for {what} in {path}: free some space or choose another folder"));
            }
        }
        let needed = BYTES_PER_WORKER * workers as u64;
        if host.available_bytes > 0 && needed > host.available_bytes {
            let fits = (host.available_bytes / BYTES_PER_WORKER).max(1);
            warnings.push(format!(
                "{workers} browsers need about {} of memory, but {} are free: use --workers {fits}",
                ByteSize(needed).display().si(),
                ByteSize(host.available_bytes).display().si()
            ));
        }
        if let LoginSource::None(Some(why)) = &login
            && !why.is_absent()
        {
            warnings.push(why.to_string());
        }
        Self {
            installation: locate(&config.browser).map_err(|why| why.to_string()),
            findings: detect_all(&config.browser),
            headless_shell: (cfg!(target_os = "linux")
                && config.browser.choice != BrowserChoice::ChromiumHeadlessShell)
                .then(detect_headless_shell),
            host,
            workers,
            folders,
            login,
            warnings,
        }
    }

    fn to_text(&self) -> String {
        let mut text = format!("coupa-batch {}\n", env!("CARGO_PKG_VERSION"));
        let mut line = |mark: &str, what: &str| {
            let _ = writeln!(text, "{mark:<4} {what}"); // cannot fail on a String
        };
        for finding in &self.findings {
            let mark = if finding.is_usable() { "ok" } else { "-" };
            line(
                mark,
                &format!(
                    "{}: browser {}, driver {}",
                    finding.kind,
                    shown(finding.browser.as_ref()),
                    shown(finding.driver.as_ref())
                ),
            );
            for problem in &finding.problems {
                line("", problem);
            }
        }
        match &self.headless_shell {
            Some(shell) if shell.is_usable() => {
                line("ok", &format!("{}: `--browser chromium-headless-shell` {SHELL_BRINGS}", shell.kind))
            }
            Some(shell) => line(
                "-",
                &format!(
                    "{} is not usable here: once it is installed (on Debian the package chromium-headless-shell), \
                     `--browser chromium-headless-shell` {SHELL_BRINGS}",
                    shell.kind
                ),
            ),
            None => {}
        }
        match &self.installation {
            Ok(found) => line("ok", &format!("a run would use {} {}", found.kind, found.browser_version)),
            Err(why) => {
                line("FAIL", why);
                line("", "`coupa-batch doctor --yes` installs what is missing with the system's package manager");
            }
        }
        line(
            "ok",
            &format!("{}, {}, {} processors", self.host.system, self.host.architecture, self.host.processor_count),
        );
        let limit = if self.host.is_limited { " (the container's limit)" } else { "" };
        line(
            "ok",
            &format!(
                "memory: {} free of {}{limit}, for {} workers",
                ByteSize(self.host.available_bytes).display().si(),
                ByteSize(self.host.total_bytes).display().si(),
                self.workers
            ),
        );
        for (what, path, free) in &self.folders {
            let free = free.map_or_else(|| "unknown".to_owned(), |free| ByteSize(free).display().si().to_string());
            line("ok", &format!("disk for {what}: {free} free in {path}"));
        }
        match self.login.name() {
            Some(source) => line("ok", &format!("password: from {source}")),
            None => line("-", "password: none (not needed with a saved login, or if the portal has no login)"),
        }
        for warning in &self.warnings {
            line("WARN", warning);
        }
        text
    }

    fn to_json(&self) -> serde_json::Value {
        let program = |program: Option<&Program>| {
            program.map(|program| {
                serde_json::json!({
                    "path": program.path,
                    "version": program.version.as_ref().map(ToString::to_string),
                })
            })
        };
        let browsers: Vec<_> = self
            .findings
            .iter()
            .map(|finding| {
                serde_json::json!({
                    "kind": finding.kind.name(),
                    "browser": program(finding.browser.as_ref()),
                    "driver": program(finding.driver.as_ref()),
                    "is_usable": finding.is_usable(),
                    "problems": finding.problems,
                })
            })
            .collect();
        let folders: Vec<_> = self
            .folders
            .iter()
            .map(|(what, path, free)| serde_json::json!({ "for": what, "path": path, "free_bytes": free }))
            .collect();
        serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "is_usable": self.installation.is_ok(),
            "would_use": self.installation.as_ref().ok().map(|found| found.kind.name()),
            "problem": self.installation.as_ref().err(),
            "browsers": browsers,
            "has_headless_shell": self.headless_shell.as_ref().map(Detection::is_usable),
            "host": self.host,
            "folders": folders,
            "password_from": self.login.name(),
            "warnings": self.warnings,
        })
    }
}

fn shown(program: Option<&Program>) -> String {
    match program {
        None => "not found".to_owned(),
        Some(program) => {
            let version = program.version.as_ref().map_or_else(|| "unknown version".to_owned(), ToString::to_string);
            format!("{version} ({})", program.path.display())
        }
    }
}
