//! One driver process: started, listened to, asked how it is, kept, ended.
pub(crate) mod browser_tree;
pub(crate) mod fleet;
pub(crate) mod seat;
pub(crate) mod slots;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::backend::{BoxFuture, SessionError};
use crate::browser::install::locate::Installation;
use crate::process::health::HealthState;
use crate::process::os::group::ProcessGroup;
use crate::process::os::mark::FOLDER_VARIABLE;
use crate::process::output::{CapturedOutput, listen};
use crate::process::ports::PortLease;

/// How long the reading of what it said may go on once it has ended.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(1);
/// How often the processes are looked at while a browser starts.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long there may be no browser before it counts as gone: a driver on a machine that is full is slow to start it.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(5);
/// Where a driver works.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DriverEnv<'a> {
    /// What it is started for, as a mark in its environment.
    pub(crate) folder: Option<&'a Path>,
    /// The folder for its and its browsers' temporary files.
    pub(crate) temp: Option<&'a Path>,
    /// Whether it carries several sessions, none of which would end it when it falls silent.
    pub(crate) is_shared: bool,
}

impl DriverEnv<'_> {
    /// Whose driver it is, for the log: `w1` for that worker's, `d1` for the first shared one.
    fn name(&self) -> String {
        let name = self.folder.and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        name.split('-').next().unwrap_or_default().to_owned()
    }
}

/// A running driver. Dropping it ends the driver and every browser that it started.
#[derive(Debug)]
pub(crate) struct Driver {
    port: u16,
    group: Arc<ProcessGroup>,
    words: Arc<CapturedOutput>,
    end: watch::Receiver<Option<ProcessExit>>,
    started: Instant,
    vitals: Arc<HealthState>,
    is_killed: AtomicBool,
    /// Whether what was made for it alone is removed.
    cleared: watch::Sender<bool>,
}

/// How a driver ended.
#[derive(Clone, Debug)]
pub(crate) struct ProcessExit {
    /// Its exit status, as text.
    pub(crate) status: String,
    /// What would not go, as a sentence.
    pub(crate) left: Option<String>,
}

impl Driver {
    /// Starts the driver on this port of the loopback interface and returns when it listens there. It is asked how it is
    /// every `health_interval` from then on.
    ///
    /// `ends` is given what to wait for before anything that the driver may use is removed.
    ///
    /// Unbounded: the caller has a deadline for all of opening. Dropping the future ends what was started.
    pub(crate) async fn start(
        installation: &Installation,
        ground: DriverEnv<'_>,
        lease: PortLease,
        health_interval: Duration,
        ends: impl FnOnce(BoxFuture<'static, ProcessExit>),
    ) -> Result<Self, SessionError> {
        let group = ProcessGroup::start(&installation.driver, |command| {
            // port 0 lets the driver choose one that is free at that very moment; it listens on loopback alone
            command.arg(format!("--port={}", lease.number()));
            scrub(command);
            if let Some(folder) = ground.folder {
                command.env(FOLDER_VARIABLE, folder); // should it ever survive us, a sweep knows whose it was
            }
            if let Some(temp) = ground.temp {
                command.envs([("TMPDIR", temp), ("TEMP", temp), ("TMP", temp)]);
            }
        })
        .map_err(|why| {
            SessionError::NotStarted(format!("{} cannot be started: {why}", installation.driver.display()))
        })?;
        let group = Arc::new(group);
        let words = Arc::new(CapturedOutput::of(ground.name()));
        let (told, mut port) = watch::channel(None);
        let (stdout, stderr) = group.take_output();
        let listeners = [
            stdout.map(|stdout| tokio::spawn(listen(stdout, words.clone(), Some(told)))),
            stderr.map(|stderr| tokio::spawn(listen(stderr, words.clone(), None))),
        ];
        let (ended, end) = watch::channel(None);
        tokio::spawn(keep(KillOnDrop(group.clone()), lease, ended));
        let ground_is_shared = ground.is_shared;
        // dropped with this future, a driver that has not spoken yet is ended
        let mut driver = Self {
            port: 0,
            group,
            words,
            end,
            started: Instant::now(),
            vitals: Arc::default(),
            is_killed: AtomicBool::default(),
            cleared: watch::Sender::new(false),
        };
        ends(Box::pin(driver.ended()));
        let heard = tokio::select! {
            heard = port.wait_for(Option::is_some) => heard.ok().and_then(|port| *port),
            _ = driver.end.wait_for(Option::is_some) => None,
        };
        match heard {
            Some(port) => {
                driver.port = port;
                let (group, vitals, end) = (driver.group.clone(), driver.vitals.clone(), driver.ended());
                let watching = vitals.look_in(port, health_interval, move || {
                    if ground_is_shared {
                        group.kill();
                    }
                });
                tokio::spawn(async move {
                    tokio::select! {
                        () = watching => {}
                        _ = end => {}
                    }
                });
                Ok(driver)
            }
            None => {
                // its last words may still be in the pipes, which have ended with it
                for listener in listeners.into_iter().flatten() {
                    let _ = timeout(LAST_WORDS_WITHIN, listener).await;
                }
                Err(SessionError::NotStarted(format!(
                    "{} ended before it listened on a port; it said: {}",
                    installation.driver.display(),
                    driver.words()
                )))
            }
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// The port of the loopback interface that it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.group.pid()
    }

    /// Its last lines, for an error message.
    pub(crate) fn words(&self) -> String {
        self.words.to_string()
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.end.borrow().is_none()
    }

    /// Returns when, since the call, no other process has run beside the driver for a while: the browser that it was
    /// told to start is gone. A driver that speaks to its browser through a pipe finds that out after a minute only.
    pub(crate) async fn without_browser(&self) {
        let own = self.group.member_count();
        let mut since = Instant::now();
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while since.elapsed() < GIVEN_UP_AFTER {
            looks.tick().await;
            if own.is_none() {
                return std::future::pending().await;
            }
            if self.group.member_count() > own {
                since = Instant::now();
            }
        }
    }

    /// Ends it and its browsers; does not wait.
    pub(crate) fn kill(&self) {
        self.is_killed.store(true, Ordering::Release);
        self.group.kill();
    }

    /// The same, because it answers nobody any more.
    pub(crate) fn give_up(&self) {
        self.vitals.give_up();
        self.group.kill();
    }

    /// Whether it was told to end since nobody needs it.
    pub(crate) fn is_killed(&self) -> bool {
        self.is_killed.load(Ordering::Acquire)
    }

    /// Whether it answered its last health check.
    pub(crate) fn is_healthy(&self) -> bool {
        self.vitals.is_well()
    }

    /// How long it took to answer its last health check, in microseconds.
    pub(crate) fn health_micros(&self) -> Option<u64> {
        self.vitals.answer_micros()
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Tells when what was made for it alone is removed.
    pub(crate) fn cleared(&self) -> watch::Receiver<bool> {
        self.cleared.subscribe()
    }

    /// The other end of [`Driver::cleared`].
    pub(crate) fn clearing(&self) -> watch::Sender<bool> {
        self.cleared.clone()
    }

    /// What ends it from elsewhere.
    pub(crate) fn killer(&self) -> impl Fn() + Send + Sync + 'static {
        let group = self.group.clone();
        move || group.kill()
    }

    /// Waits until it has ended, its browsers are gone and that has been checked.
    pub(crate) fn ended(&self) -> impl Future<Output = ProcessExit> + Send + 'static {
        let mut end = self.end.clone();
        async move {
            let end = end.wait_for(Option::is_some).await.ok().and_then(|end| end.clone());
            end.unwrap_or_else(|| ProcessExit { status: "ended with the program".to_owned(), left: None })
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Ends the group when the task that keeps it is dropped with its runtime, or unwinds.
struct KillOnDrop(Arc<ProcessGroup>);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// Has the port until nobody can listen there any more, however long others hold the driver.
async fn keep(keeper: KillOnDrop, lease: PortLease, ended: watch::Sender<Option<ProcessExit>>) {
    let (status, left) = keeper.0.ended().await;
    let status = status.map_or_else(|| "unknown exit status".to_owned(), |status| status.to_string());
    tracing::debug!(%status, pid = ?keeper.0.pid(), "the driver has ended");
    drop(lease);
    ended.send_replace(Some(ProcessExit { status, left }));
}

/// The login of the portal and our own settings are no business of the browser's.
fn scrub(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("COUPA_BATCH_") || matches!(text.as_ref(), "COUPA_PASSWORD" | "COUPA_USERNAME") {
            command.env_remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[tokio::test]
    async fn a_driver_that_dies_at_start_is_quoted() {
        use crate::browser::{BrowserKind, Version};
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
            let port =
                crate::process::ports::PortAllocator::new(None).take(&std::collections::BTreeSet::new()).unwrap();
            Driver::start(installation, DriverEnv::default(), port, Duration::from_secs(10), drop).await
        };
        let why = start(&installation).await.unwrap_err().to_string();
        assert!(why.contains("a library is missing"), "{why}");
        installation.driver = folder.path().join("absent");
        let why = start(&installation).await.unwrap_err().to_string();
        assert!(why.contains("absent") && why.contains("not found"), "{why}");
    }
}
