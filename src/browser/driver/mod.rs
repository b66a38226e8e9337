//! WebDriver server of one session (`chromedriver`, `msedgedriver`): one driver process per browser.

pub(crate) mod pool;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::backend::{BoxFuture, SessionError};
use crate::browser::install::locate::Installation;
use crate::process::child::{ManagedProcess, ProcessError, ProcessExit};
use crate::process::health::{self, HealthState};
use crate::process::os::orphans::FOLDER_VARIABLE;
use crate::process::ports::PortLease;

/// How often the processes are counted while a browser starts.
const COUNT_INTERVAL: Duration = Duration::from_millis(250);
/// How long a driver may have no browser before the browser counts as gone: under full load a driver is slow to start it.
const BROWSER_GONE_AFTER: Duration = Duration::from_secs(5);

/// The folders a driver works in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DriverEnv<'a> {
    /// The session folder it is started for, named in its environment.
    pub(crate) folder: Option<&'a Path>,
    /// Temporary files of the driver and its browser.
    pub(crate) temp: Option<&'a Path>,
}

impl DriverEnv<'_> {
    /// Name of the driver in the log: `w1` for that of worker 1.
    fn name(&self) -> String {
        let name = self.folder.and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        name.split('-').next().unwrap_or_default().to_owned()
    }
}

/// A running driver. Dropping it kills the driver and its browser.
#[derive(Debug)]
pub(crate) struct Driver {
    process: ManagedProcess,
    port: u16,
    health: Arc<HealthState>,
}

impl Driver {
    /// Starts a driver on `port` of the loopback interface and returns once it listens. From then on its health is
    /// checked every `health_interval`.
    ///
    /// `on_exit` receives the future to wait for before anything that the driver may use is removed.
    ///
    /// Has no deadline of its own. Dropping the future kills what was started.
    ///
    /// # Errors
    /// [`SessionError::NotStarted`], with the last output of the driver.
    pub(crate) async fn start(
        installation: &Installation,
        env: DriverEnv<'_>,
        port: PortLease,
        health_interval: Duration,
        on_exit: impl FnOnce(BoxFuture<'static, ProcessExit>),
    ) -> Result<Self, SessionError> {
        // port 0 lets the driver choose one that is free at that very moment; it listens on loopback alone
        let port_argument = format!("--port={}", port.number());
        let process = ManagedProcess::start(&installation.driver, env.name(), port, |command| {
            command.arg(port_argument);
            if let Some(folder) = env.folder {
                command.env(FOLDER_VARIABLE, folder); // should it ever survive this program, a sweep finds it by this
            }
            if let Some(temp) = env.temp {
                command.envs([("TMPDIR", temp), ("TEMP", temp), ("TMP", temp)]);
            }
        })
        .map_err(not_started)?;
        on_exit(Box::pin(process.exited()));
        let port = process.wait_for_line(port_in).await.map_err(not_started)?;
        let driver = Self { process, port, health: Arc::default() };
        let checks = driver.health.clone().check_every(driver.status_url(), health_interval);
        let exited = driver.exited();
        tokio::spawn(async move {
            tokio::select! {
                () = checks => {}
                _ = exited => {}
            }
        });
        Ok(driver)
    }

    /// Base address of its WebDriver endpoints.
    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Address of its health check (W3C WebDriver, section 8.3).
    fn status_url(&self) -> String {
        format!("{}status", self.address())
    }

    /// Whether it responds now, asked on a connection of its own; takes two seconds at most.
    pub(crate) async fn responds(&self) -> bool {
        health::response_time(&self.status_url()).await.is_some()
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// Its last lines of output, for an error message.
    pub(crate) fn output(&self) -> String {
        self.process.output()
    }

    /// Whether the driver or its browser may still run.
    pub(crate) fn is_alive(&self) -> bool {
        self.process.is_alive()
    }

    /// Returns when, since the call, no other process has run beside the driver for five seconds: the browser it was told
    /// to start is gone. A driver that talks to its browser through a pipe reports that only after a minute.
    pub(crate) async fn browser_gone(&self) {
        let Some(own) = self.process.member_count() else { return std::future::pending().await };
        let mut last_seen = Instant::now();
        let mut ticks = interval(COUNT_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while last_seen.elapsed() < BROWSER_GONE_AFTER {
            ticks.tick().await;
            if self.process.member_count() > Some(own) {
                last_seen = Instant::now();
            }
        }
    }

    /// Kills the driver and its browser without waiting.
    pub(crate) fn kill(&self) {
        self.process.kill();
    }

    /// A way to kill both from elsewhere.
    pub(crate) fn killer(&self) -> impl Fn() + Send + Sync + 'static {
        self.process.killer()
    }

    /// Waits until the driver has ended and none of its processes is left.
    pub(crate) fn exited(&self) -> impl Future<Output = ProcessExit> + Send + 'static {
        self.process.exited()
    }
}

fn not_started(error: ProcessError) -> SessionError {
    SessionError::NotStarted(match &error {
        ProcessError::Spawn { source, .. } => format!("{error}: {source}"),
        ProcessError::ExitedEarly { .. } => error.to_string(),
    })
}

/// The port in "… was started successfully on port 36547."; the line before it says "on port 0".
fn port_in(line: &str) -> Option<u16> {
    let (before, after) = line.split_once(" on port ")?;
    if !before.contains("started successfully") {
        return None;
    }
    after.trim_end_matches('.').split_whitespace().next()?.parse().ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_the_lines_of_both_drivers_and_from_no_other() {
        for (line, port) in [
            ("ChromeDriver was started successfully on port 36547.", Some(36547)),
            ("Microsoft Edge WebDriver was started successfully on port 9515.", Some(9515)),
            ("ChromeDriver was started successfully on port 9515", Some(9515)),
            ("Starting ChromeDriver 156.0.8078.79 (a21ce95) on port 0", None),
            ("Starting ChromeDriver 156.0.8078.79 (a21ce95) on port 17", None),
            ("Only local connections are allowed.", None),
        ] {
            assert_eq!(port_in(line), port, "{line}");
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_driver_that_dies_at_start_is_quoted() {
        use crate::browser::BrowserKind;
        use crate::browser::install::version::Version;
        use crate::process::ports::PortAllocator;
        use std::collections::BTreeSet;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("driver");
        let write = "printf '#!/bin/sh\\necho a library is missing >&2\\nexit 127\\n' > \"$1\"; chmod 755 \"$1\"";
        assert!(std::process::Command::new("sh").args(["-c", write, "sh"]).arg(&path).status().unwrap().success());
        let version = Version::find_in("1.2").unwrap();
        let mut installation = Installation {
            kind: BrowserKind::Chromium,
            browser: "/b".into(),
            browser_version: version.clone(),
            driver: path,
            driver_version: version,
        };
        let start = async |installation: &Installation| {
            let port = PortAllocator::new(None).take(&BTreeSet::new()).unwrap();
            Driver::start(installation, DriverEnv::default(), port, Duration::from_secs(10), drop).await
        };
        let error = start(&installation).await.unwrap_err().to_string();
        assert!(error.contains("a library is missing"), "{error}");
        installation.driver = folder.path().join("absent");
        let error = start(&installation).await.unwrap_err().to_string();
        assert!(error.contains("absent") && error.contains("not found"), "{error}");
    }
}
