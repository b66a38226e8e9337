//! Starts sessions: profile, driver, browser, in this order and under one deadline.

use std::path::Path;
use std::sync::Arc;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::session::{BrowserSession, SessionCleanup};
use crate::backend::{BoxFuture, Session, SessionError, SessionFactory};
use crate::browser::driver::fleet::{DriverPool, LeaseRequest};
use crate::browser::install::locate::{Installation, locate};
use crate::browser::profile::manager::{Profile, ProfileManager};
use crate::browser::profile::template::ProfileSource;
use crate::browser::warmup::ProfileWarmup;
use crate::browser::webdriver::capabilities;
use crate::browser::webdriver::client::SessionClient;
use crate::browser::webdriver::network_log;
use crate::browser::webdriver::network_policy::NetworkPolicy;
use crate::browser::webdriver::page::WebDriverPage;
use crate::config::{BrowserConfig, ProfileConfig, Timeouts};
use crate::model::{Footprint, WorkerId};

/// Starts sessions of the browser that is installed, each with a driver process and a profile folder of its own.
#[derive(Clone, Debug)]
pub struct BrowserFactory {
    installation: Installation,
    browser: BrowserConfig,
    profiles: ProfileManager,
    deadlines: Timeouts,
    fleet: Arc<DriverPool>,
    warming: Arc<ProfileWarmup>,
    walls: NetworkPolicy,
}

impl BrowserFactory {
    /// Finds browser and driver and prepares the folder of the profiles. Blocks for up to some seconds: programs are
    /// asked for their versions.
    ///
    /// # Errors
    /// [`SessionError::Unusable`], with how to mend it, when there is no browser or no driver or they do not match;
    /// [`SessionError::Io`] when the folder of the profiles cannot be used.
    pub fn new(browser: &BrowserConfig, profiles: &ProfileConfig, deadlines: Timeouts) -> Result<Self, SessionError> {
        let installation = locate(browser).map_err(|why| SessionError::Unusable(why.to_string()))?;
        if !browser.headless && !has_display() {
            return Err(SessionError::Unusable(
                "there is no display for the browsers' windows: leave --headed out, or run it under a desktop (or xvfb-run)"
                    .to_owned(),
            ));
        }
        let profiles = ProfileManager::new(profiles).map_err(|source| SessionError::Io {
            what: "the folder of the browser profiles cannot be used".to_owned(),
            source,
        })?;
        let profiles = profiles.with_warmed(installation.kind.word(), installation.browser_version.to_string());
        let fleet = DriverPool::new(installation.clone(), &browser.drivers, profiles.clone());
        let (browser, warming, walls) = (browser.clone(), Arc::default(), NetworkPolicy::default());
        Ok(Self { installation, browser, profiles, deadlines, fleet, warming, walls })
    }

    /// From now on sessions reach no host of this machine or of a private network but that of `portal`, those of
    /// [`BrowserConfig::private_hosts`] and the proxies of the environment (`http_proxy` and its like). What a name leads
    /// to is not looked at; every number is, and so are the names of this machine.
    #[must_use]
    pub fn within(mut self, portal: &Url) -> Self {
        self.walls = NetworkPolicy::around(portal, &self.browser.private_hosts);
        self
    }

    /// What was found.
    #[must_use]
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// The maker of the profile folders; its `sweep` removes what ended programs have left.
    #[must_use]
    pub fn profiles(&self) -> &ProfileManager {
        &self.profiles
    }

    async fn start(&self, worker: WorkerId) -> Result<BrowserSession, SessionError> {
        let until = Instant::now() + self.deadlines.open;
        let origin = self.profiles.origin();
        let mut has_failed = false;
        let why = loop {
            let why = match self.start_on(worker, &origin, until, false).await {
                Ok(session) => return Ok(session),
                Err(why) => why,
            };
            let (may_be_the_template, may_pass) = match why {
                SessionError::NotStarted(_) => (origin != ProfileSource::BuiltIn, true),
                SessionError::Io { .. } => (origin != ProfileSource::BuiltIn, false),
                _ => (false, false),
            };
            if !may_be_the_template || Instant::now() >= until {
                return Err(why);
            }
            // browsers die of many things, and once is no proof against the template
            if !may_pass || std::mem::replace(&mut has_failed, true) {
                break why;
            }
        };
        // whatever else is wrong shows there as well
        let Ok(session) = self.start_on(worker, &ProfileSource::BuiltIn, until, false).await else { return Err(why) };
        let profiles = self.profiles.clone();
        let given_up = spawn_blocking(move || profiles.give_up_on(&origin, &why.to_string())).await;
        if let Err(why) = given_up {
            tracing::debug!(%why, "the runtime is ending");
        }
        Ok(session)
    }

    /// The same, but for the warming of a template, which holds one of these itself.
    pub(crate) fn without_warming(&self) -> Self {
        Self { warming: Arc::default(), ..self.clone() }
    }

    /// A session on a profile of this origin and on no other, with a driver of its own.
    pub(crate) async fn start_once(
        &self,
        worker: WorkerId,
        origin: &ProfileSource,
    ) -> Result<BrowserSession, SessionError> {
        self.start_on(worker, origin, Instant::now() + self.deadlines.open, true).await
    }

    async fn start_on(
        &self,
        worker: WorkerId,
        origin: &ProfileSource,
        until: Instant,
        is_alone: bool,
    ) -> Result<BrowserSession, SessionError> {
        let (profiles, origin) = (self.profiles.clone(), origin.clone());
        let io = |source| SessionError::Io {
            what: format!("a profile folder cannot be made in {}", self.profiles.base().display()),
            source,
        };
        let profile = spawn_blocking(move || profiles.create_from(worker, &origin))
            .await
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(io)?;
        let mut remains = SessionCleanup::of(profile);
        let failure = match timeout_at(until, self.connect(&mut remains, LeaseRequest { worker, is_alone })).await {
            Ok(Ok(line)) => {
                let dialect = self.installation.kind.dialect();
                let page = WebDriverPage::new(line, dialect, self.deadlines, self.walls.clone());
                return Ok(BrowserSession::new(page, remains, self.deadlines));
            }
            Ok(Err(why)) => why,
            Err(_) => SessionError::NotStarted(format!(
                "{} was not ready within {:?}; if this machine is merely slow, raise startup_timeout",
                self.installation.kind, self.deadlines.open
            )),
        };
        // the driver was dropped, so killed: when this error is read there is neither a process nor a folder any more
        for left in remains.clear().await {
            tracing::warn!("{left}");
        }
        Err(failure)
    }

    async fn connect(&self, remains: &mut SessionCleanup, guest: LeaseRequest) -> Result<SessionClient, SessionError> {
        let Some(plot) = remains.profile().map(Profile::plot) else {
            return Err(SessionError::Lost("its profile folder is gone".to_owned()));
        };
        let seat = self.fleet.seat(&plot, guest, |end| remains.wait_for(end)).await?;
        if let Some((profile, group)) = remains.profile().zip(seat.driver.pid()) {
            profile.lives_with(group);
        }
        let dialect = self.installation.kind.dialect();
        let line = SessionClient::open(seat, dialect, &self.capabilities(&plot.profile)).await?;
        // part of opening, whose deadline is the caller's: a browser that has just started is slow to answer
        network_log::listen(&line, dialect, self.deadlines.open).await?;
        Ok(line)
    }

    fn capabilities(&self, profile: &Path) -> serde_json::Value {
        capabilities::new_session(&self.installation, &self.browser, &self.deadlines, profile, &self.walls)
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
            self.fleet.keep_up();
            let session = self.start(worker).await?;
            self.warming.begin(self);
            Ok(Box::new(session) as Box<dyn Session>)
        })
    }

    fn footprint(&self) -> Footprint {
        let (profile_count, largest_profile_bytes) = self.profiles.footprint();
        Footprint { drivers: self.fleet.views(), profile_count, largest_profile_bytes }
    }
}
