//! Finds the installed browser and opens sessions of it.

use std::sync::{Arc, OnceLock};

use tokio::time::Instant;
use url::Url;

use crate::backend::{BoxFuture, Session, SessionError, SessionFactory};
use crate::browser::driver::pool::DriverPool;
use crate::browser::install::locate::{Installation, locate};
use crate::browser::launcher::SessionLauncher;
use crate::browser::profile::manager::ProfileManager;
use crate::browser::profile::template::ProfileSource;
use crate::browser::session::BrowserSession;
#[cfg(feature = "internals")]
use crate::browser::warmup;
use crate::browser::warmup::ProfileWarmup;
use crate::browser::webdriver::capabilities::SessionPurpose;
use crate::config::{BrowserConfig, ProfileConfig, Timeouts};
use crate::fs::blocking::blocking;
use crate::model::{Footprint, WorkerId};
use crate::net::network_policy::NetworkPolicy;

/// Opens sessions of the installed browser, each with its own driver process and profile folder.
#[derive(Clone, Debug)]
pub struct BrowserFactory {
    launcher: SessionLauncher,
    warmup: Arc<OnceLock<ProfileWarmup>>,
}

impl BrowserFactory {
    /// Finds browser and driver and prepares the folder of the profiles. Blocks for up to some seconds: programs are
    /// asked for their versions.
    ///
    /// # Errors
    /// [`SessionError::Unusable`], with what to do, when browser or driver are missing or do not match;
    /// [`SessionError::Io`] when the folder of the profiles cannot be used.
    pub fn new(browser: &BrowserConfig, profiles: &ProfileConfig, timeouts: Timeouts) -> Result<Self, SessionError> {
        let installation = locate(browser).map_err(|why| SessionError::Unusable(why.to_string()))?;
        if !browser.headless && !installation.kind.has_windows() {
            return Err(SessionError::Unusable(format!("{} has no windows: leave out --headed", installation.kind)));
        }
        if !browser.headless && !has_display() {
            return Err(SessionError::Unusable(
                "there is no display for browser windows: leave out --headed, or run under a desktop (or xvfb-run)"
                    .to_owned(),
            ));
        }
        let profiles = ProfileManager::of(profiles).map_err(|source| SessionError::Io {
            what: "the folder of the browser profiles cannot be used".to_owned(),
            source,
        })?;
        let profiles = profiles.with_warm_template(installation.kind.word(), &installation.browser_version.to_string());
        let launcher = SessionLauncher {
            drivers: Arc::new(DriverPool::new(installation.clone(), &browser.drivers)),
            installation,
            browser: browser.clone(),
            profiles,
            timeouts,
            network_policy: NetworkPolicy::default(),
            purpose: SessionPurpose::Tab,
        };
        Ok(Self { launcher, warmup: Arc::default() })
    }

    /// Restricts sessions from now on: of this machine and of private networks they reach only the host of `portal`,
    /// [`BrowserConfig::private_hosts`] and the proxies of the environment (`http_proxy` and similar). Names are not
    /// resolved for this check; numeric addresses and the names of this machine are covered.
    #[must_use]
    pub fn within(mut self, portal: &Url) -> Self {
        self.launcher.network_policy = NetworkPolicy::around(portal, &self.launcher.browser.private_hosts);
        self
    }

    /// Sessions of this factory load no pictures and refuse downloads, until one is given a folder for them: for orders
    /// in frames, whose files come by HTTP. Clones that were made before are not affected.
    #[must_use]
    pub fn for_frames(mut self) -> Self {
        self.launcher.purpose = SessionPurpose::Frames;
        self
    }

    /// What its browsers may reach.
    #[must_use]
    pub fn network_policy(&self) -> &NetworkPolicy {
        &self.launcher.network_policy
    }

    /// The browser and driver that were found.
    #[must_use]
    pub fn installation(&self) -> &Installation {
        &self.launcher.installation
    }

    /// The manager of the profile folders; its `sweep` removes what ended programs have left.
    #[must_use]
    pub fn profiles(&self) -> &ProfileManager {
        &self.launcher.profiles
    }

    /// Makes the profile template that later sessions of this browser version begin on, in this and in later runs:
    /// starts a browser, opens no page, closes it and keeps its profile without caches. Does nothing when there is one,
    /// or when the user has a template (`profile_template`). A run that has lasted half a minute does this by itself.
    ///
    /// Takes as long as opening and closing a session may. Dropping the future leaves nothing behind.
    ///
    /// # Errors
    /// [`SessionError`] when the browser does not start or close, or the template cannot be saved; sessions start
    /// without it then.
    #[cfg(feature = "internals")]
    pub async fn warm(&self) -> Result<(), SessionError> {
        warmup::warm(&self.launcher).await
    }

    /// Starts a session on the preferred profile source; on the built-in one, when no browser starts on the preferred.
    async fn start(&self, worker: WorkerId) -> Result<BrowserSession, SessionError> {
        let until = self.launcher.deadline();
        let source = self.profiles().source();
        let mut has_failed = false;
        let error = loop {
            let error = match self.launcher.start(worker, &source, until).await {
                Ok(session) => return Ok(session),
                Err(error) => error,
            };
            let (may_be_the_template, may_pass) = match error {
                SessionError::NotStarted(_) => (source != ProfileSource::BuiltIn, true),
                SessionError::Io { .. } => (source != ProfileSource::BuiltIn, false),
                _ => (false, false),
            };
            if !may_be_the_template || Instant::now() >= until {
                return Err(error);
            }
            // browsers fail to start for many reasons: once does not prove that it is the template
            if !may_pass || std::mem::replace(&mut has_failed, true) {
                break error;
            }
        };
        // if something else is wrong, it fails on the built-in one as well
        let Ok(session) = self.launcher.start(worker, &ProfileSource::BuiltIn, until).await else {
            return Err(error);
        };
        let profiles = self.profiles().clone();
        let rejected =
            blocking("removing a profile template", move || profiles.reject_source(&source, &error.to_string())).await;
        if let Err(why) = rejected {
            tracing::debug!(%why, "the runtime is ending");
        }
        Ok(session)
    }
}

/// Whether windows can be shown. Only on Linux is it known beforehand.
fn has_display() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}

impl SessionFactory for BrowserFactory {
    fn open(&self, worker: WorkerId) -> BoxFuture<'_, Result<Box<dyn Session>, SessionError>> {
        Box::pin(async move {
            let session = self.start(worker).await?;
            if self.profiles().lacks_warm_template() {
                self.warmup.get_or_init(|| ProfileWarmup::start(self.launcher.clone()));
            }
            Ok(Box::new(session) as Box<dyn Session>)
        })
    }

    fn footprint(&self) -> Footprint {
        let (profile_count, largest_profile_bytes) = self.profiles().footprint();
        Footprint { drivers: self.launcher.drivers.statuses(), profile_count, largest_profile_bytes }
    }
}
