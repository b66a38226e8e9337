//! Starts one session: profile folder, driver, browser, in this order and under one deadline.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, timeout_at};

use crate::backend::SessionError;
use crate::browser::driver::DriverEnv;
use crate::browser::driver::pool::DriverPool;
use crate::browser::install::locate::Installation;
use crate::browser::profile::manager::{Profile, ProfileManager};
use crate::browser::profile::template::ProfileSource;
use crate::browser::session::{BrowserSession, SessionCleanup};
use crate::browser::webdriver::capabilities::{self, SessionPurpose};
use crate::browser::webdriver::client::{SessionClient, WebDriverCommand};
use crate::browser::webdriver::network_log;
use crate::browser::webdriver::page::WebDriverPage;
use crate::browser::webdriver::settle;
use crate::browser::webdriver::vendor::Vendor;
use crate::config::{BrowserConfig, Timeouts};
use crate::fs::blocking::blocking;
use crate::fs::private;
use crate::model::WorkerId;
use crate::net::network_policy::NetworkPolicy;

/// What every session of a factory is started with.
#[derive(Clone, Debug)]
pub(crate) struct SessionLauncher {
    pub(crate) installation: Installation,
    pub(crate) browser: BrowserConfig,
    pub(crate) profiles: ProfileManager,
    pub(crate) timeouts: Timeouts,
    pub(crate) drivers: Arc<DriverPool>,
    pub(crate) network_policy: NetworkPolicy,
    pub(crate) purpose: SessionPurpose,
}

impl SessionLauncher {
    /// When a session that is started now must be ready (`startup_timeout`).
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.timeouts.open
    }

    /// Starts a session for `worker` on a new profile made from `source`. When this returns an error, or its future is
    /// dropped, neither process nor folder stays.
    ///
    /// # Errors
    /// [`SessionError::NotStarted`], [`SessionError::Io`] when the profile folder cannot be made.
    pub(crate) async fn start(
        &self,
        worker: WorkerId,
        source: &ProfileSource,
        until: Instant,
    ) -> Result<BrowserSession, SessionError> {
        let (profiles, source) = (self.profiles.clone(), source.clone());
        let io = |source| SessionError::Io {
            what: format!("a profile folder cannot be made in {}", self.profiles.base().display()),
            source,
        };
        let profile = blocking("making a profile folder", move || profiles.create_from(worker, &source))
            .await
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(io)?;
        let mut cleanup = SessionCleanup::new(profile);
        let failure = match timeout_at(until, self.connect(&mut cleanup, worker)).await {
            Ok(Ok(client)) => {
                let vendor = self.installation.kind.vendor();
                let policy = self.network_policy.clone();
                let is_logged = self.purpose == SessionPurpose::Tab;
                let page = WebDriverPage::new(client, vendor, self.timeouts, policy, is_logged);
                return Ok(BrowserSession::new(page, cleanup, self.timeouts));
            }
            Ok(Err(error)) => error,
            Err(_) => SessionError::NotStarted(format!(
                "{} was not ready within {} s; on a slow machine raise startup_timeout",
                self.installation.kind,
                self.timeouts.open.as_secs_f32()
            )),
        };
        // the driver was dropped, so killed: when this error is read, neither process nor folder is there any more
        for left in cleanup.clear().await {
            tracing::warn!("{left}");
        }
        Err(failure)
    }

    async fn connect(&self, cleanup: &mut SessionCleanup, worker: WorkerId) -> Result<SessionClient, SessionError> {
        let Some(paths) = cleanup.profile().map(Profile::paths) else {
            return Err(SessionError::Lost("its profile folder is gone".to_owned()));
        };
        let env = DriverEnv { folder: Some(&paths.folder), temp: Some(&paths.temp) };
        let installation = self.startable(paths.folder.clone()).await?;
        let driver = self.drivers.start(worker, env, |exited| cleanup.wait_for(exited)).await?;
        if let Some((profile, group)) = cleanup.profile().zip(driver.pid()) {
            profile.remove_after_group(group);
        }
        let vendor = self.installation.kind.vendor();
        let capabilities = capabilities::new_session(
            &installation,
            &self.browser,
            &self.timeouts,
            &paths.profile,
            &self.network_policy,
            self.purpose,
        );
        let client = SessionClient::open(driver, vendor, &capabilities).await?;
        // part of opening, whose deadline is the caller's: a browser that has just started is slow to respond
        match self.purpose {
            SessionPurpose::Tab => network_log::enable(&client, vendor, self.timeouts.open).await?,
            SessionPurpose::Frames => deny_downloads(&client, vendor, self.timeouts.open).await?,
        }
        settle::track_requests(&client, vendor, self.timeouts.open).await?;
        Ok(client)
    }

    /// The installation as a driver can start it: in place of a browser that needs more than switches a script, which lies
    /// in the session's folder and goes with it.
    async fn startable(&self, folder: PathBuf) -> Result<Installation, SessionError> {
        let mut installation = self.installation.clone();
        let Some(text) = installation.kind.shell_script(&installation.browser) else { return Ok(installation) };
        let path = folder.join("start-browser");
        installation.browser.clone_from(&path);
        let written = blocking("writing a script", move || write_program(&path, &text))
            .await
            .map_err(std::io::Error::other)
            .flatten();
        written.map_err(|source| SessionError::Io { what: "the script that starts the browser".to_owned(), source })?;
        Ok(installation)
    }
}

fn write_program(path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::write(path, text)?;
    private::restrict(path)
}

/// Has the browser refuse every download, until a session sets a folder for them: what a page starts by itself must leave no
/// file.
async fn deny_downloads(client: &SessionClient, vendor: &Vendor, deadline: Duration) -> Result<(), SessionError> {
    let body = json!({ "cmd": "Browser.setDownloadBehavior", "params": { "behavior": "deny" } });
    client.send(WebDriverCommand::post("deny downloads", vendor.devtools, &body), deadline).await.map(drop)
}
