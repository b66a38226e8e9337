//! Floor 4: the only place that picks implementations.

#![cfg_attr(
    not(feature = "cli"),
    allow(dead_code, unused_imports, reason = "part of it is for the command line alone")
)]
mod browser_sessions;
mod executor;

use std::path::PathBuf;
use std::sync::Arc;

use tracing::{info, warn};
use url::Url;

use crate::backend::{
    History, Journal, LoginStore, LoginStoreError, RejectionStore, Session, SessionError, SessionFactory,
};
use crate::browser::BrowserFactory;
use crate::config::{BrowserConfig, Canary, LaneChoice, PoolConfig, ProfileConfig, SiteConfig, Timeouts};
use crate::credentials::{CookieFile, RejectedLogins, SavedLoginFile, usual_folder};
use crate::download::OutputLock;
use crate::fs::blocking::blocking;
use crate::host::HostMemory;
use crate::journal::MemoryJournal;
use crate::model::{RunId, WorkerId};
use crate::net::reachable;
use crate::pool::{PersistentWorkerPool, StartError};
use crate::site::{PortalSite, RecipeError, SharedLogin};

pub use browser_sessions::BrowserSessions;

pub(crate) use crate::browser::{Sweep, sweep};

/// What a run opens before its pool.
pub(crate) struct StartOptions {
    /// The output folder; kept until the pool has ended. Without one the pool takes no orders.
    pub(crate) claim: Option<Arc<OutputLock>>,
    /// The record of the run; default one that lives as long as the program.
    pub(crate) journal: Arc<dyn Journal>,
    /// Its name, under which evidence of failed attempts is kept; default the time.
    pub(crate) run: RunId,
    /// What the record holds of a run that is being resumed; default nothing.
    pub(crate) history: History,
    /// How many orders there will be, if that is known; see [`crate::pool::PoolBuilder::expect_orders`].
    pub(crate) order_count: Option<usize>,
    /// The order that must pass before any other one is started; default none. See [`crate::pool::PoolBuilder`].
    pub(crate) canary: Option<Canary>,
}

impl Default for StartOptions {
    fn default() -> Self {
        let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        Self {
            claim: None,
            journal: Arc::new(MemoryJournal::new()),
            run: RunId::new(&now),
            history: History::default(),
            order_count: None,
            canary: None,
        }
    }
}

impl PersistentWorkerPool {
    /// Starts a pool of real browsers: finds browser and driver, removes what an earlier program that was killed has
    /// left, and starts the workers side by side. Returns when browser and recipe are known to be usable; the first
    /// worker that is ready takes the first order.
    ///
    /// A login that `coupa-batch login` saved for the portal, and the cookies of the configuration, are tried before
    /// its credentials, the newer one first. A password that the portal refused in an earlier run is not sent.
    ///
    /// A pool whose configuration has no `base_url` lends sessions and takes no orders.
    ///
    /// Dropping the future starts nothing.
    ///
    /// # Errors
    /// [`StartError::Browser`] when there is no usable browser (the text says how to fix it), [`StartError::Recipe`]
    /// when the site recipe cannot be used, [`StartError::Portal`] when a plain connection already shows that the
    /// portal's address cannot be opened (asked before any browser is looked for), [`StartError::Output`] when the
    /// output folder cannot be written or another program works in it. Nothing was left running.
    pub async fn start(config: PoolConfig) -> Result<Self, StartError> {
        let out = config.out.clone();
        let claim = match config.site.base_url {
            Some(_) => Some(Arc::new(
                on_blocking_thread("locking the output folder", move || {
                    OutputLock::take(&out).map_err(|why| StartError::Output(why.into()))
                })
                .await?,
            )),
            None => None,
        };
        Self::start_with(config, StartOptions { claim, ..StartOptions::default() }).await
    }

    /// [`PersistentWorkerPool::start`] in an output folder that was claimed before, on a record of the caller's own,
    /// and perhaps in the middle of a run.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn start_with(config: PoolConfig, setup: StartOptions) -> Result<Self, StartError> {
        let StartOptions { claim, journal, run, history, order_count, canary } = setup;
        let (browser, profiles, deadlines) = (config.browser.clone(), config.profiles.clone(), config.deadlines);
        let (memory_max, portal) = (config.memory.max, config.site.base_url.clone());
        let has_frames = portal.is_some() && config.site.lane != LaneChoice::Tab;
        if let (Some(portal), true) = (&portal, claim.is_some()) {
            check_reachable(portal).await?;
        }
        // programs are asked for their versions and folders are removed: not on a thread of the runtime
        let sessions = on_blocking_thread("looking for browsers", move || {
            let sessions = factory(&browser, &profiles, deadlines, portal.as_ref())?;
            let sessions = if has_frames { sessions.for_frames() } else { sessions };
            match sweep(sessions.profiles(), Sweep::default()) {
                Ok(swept) => {
                    if !swept.removed.is_empty() {
                        let (folders, processes) = (swept.removed.len(), swept.ended.len());
                        info!(folders, processes, "removed leftovers of an earlier run");
                    }
                    swept.left.iter().for_each(|left| warn!("left behind by an earlier run: {left}"));
                }
                Err(why) => warn!("leftovers of earlier runs cannot be removed: {why}"),
            }
            Ok(sessions)
        })
        .await?;
        info!(browser = %sessions.installation().browser.display(), version = %sessions.installation().browser_version, "browser found");
        let recipe = |why: RecipeError| StartError::Recipe(why.into());
        let site = match claim {
            Some(claim) => {
                let refusals = refusals(&config.site).map(|refusals| Arc::new(refusals) as Arc<dyn RejectionStore>);
                let login = SharedLogin::of(&config.site, claim.out(), deadlines, saved_logins(&config.site), refusals);
                let site = PortalSite::with_login(&config.site, claim, &run, login.map_err(recipe)?);
                Some(site.reaching(sessions.network_policy().clone()))
            }
            None => None,
        };
        let mut builder = Self::builder(config)
            .sessions(Arc::new(sessions))
            .journal(journal)
            .resume(history)
            .canary(canary)
            .memory(Box::new(HostMemory::new().within(memory_max)))
            .seed(jiff::Timestamp::now().as_millisecond().unsigned_abs());
        if let Some(count) = order_count {
            builder = builder.expect_orders(count);
        }
        if let Some(site) = site {
            builder = builder.site(Arc::new(site));
        }
        builder.start()
    }
}

/// The logins that a portal's sessions may begin with: exported cookies, and what `coupa-batch login` saved.
#[must_use]
pub fn saved_logins(site: &SiteConfig) -> Vec<Arc<dyn LoginStore>> {
    let Some(base) = &site.base_url else { return Vec::new() };
    let cookies = site.cookies.as_ref().zip(base.host_str()).map(|(path, host)| CookieFile::of(path, host));
    let file = login_folder(site).map(|folder| SavedLoginFile::of(&folder, base));
    let cookies = cookies.map(|file| Arc::new(file) as Arc<dyn LoginStore>);
    cookies.into_iter().chain(file.map(|file| Arc::new(file) as Arc<dyn LoginStore>)).collect()
}

/// Where it is remembered what the portal refused; none when this user has no home.
#[must_use]
pub fn refusals(site: &SiteConfig) -> Option<RejectedLogins> {
    Some(RejectedLogins::of(&login_folder(site)?, site.base_url.as_ref()?))
}

fn login_folder(site: &SiteConfig) -> Option<PathBuf> {
    site.login_dir.clone().or_else(usual_folder)
}

/// Whether what is given to log in with can be of use, as far as that is known without asking the portal. Blocks for up
/// to a second.
///
/// # Errors
/// [`LoginStoreError`] when the file of cookies cannot be used, or when there is nothing else than a user name and a
/// password that the portal has refused before.
pub fn check_login(site: &SiteConfig) -> Result<(), LoginStoreError> {
    let Some(base) = &site.base_url else { return Ok(()) };
    if let Some((path, host)) = site.cookies.as_ref().zip(base.host_str()) {
        return CookieFile::of(path, host).load().map(drop);
    }
    let has_saved = saved_logins(site).iter().any(|store| store.load().is_ok_and(|saved| saved.is_some()));
    if let (Some(credentials), Some(refusals), false) = (&site.credentials, refusals(site), has_saved) {
        match refusals.refused_at(&credentials.username, &credentials.password) {
            Ok(Some(at)) => return Err(LoginStoreError::Refused { portal: base.to_string(), at }),
            Ok(None) => {}
            Err(why) => warn!("{why}"),
        }
    }
    Ok(())
}

/// One session without a pool, for what a person does in it. Close it, or it is killed when dropped.
///
/// # Errors
/// [`StartError::Browser`] when there is no usable browser, or it does not start.
pub async fn lone_session(config: &PoolConfig) -> Result<Box<dyn Session>, StartError> {
    let (browser, profiles, deadlines) = (config.browser.clone(), config.profiles.clone(), config.deadlines);
    let portal = config.site.base_url.clone();
    if let Some(portal) = &portal {
        check_reachable(portal).await?;
    }
    let sessions = on_blocking_thread("looking for browsers", move || {
        Ok(factory(&browser, &profiles, deadlines, portal.as_ref())?)
    })
    .await?;
    Ok(sessions.open(WorkerId(1)).await?)
}

async fn check_reachable(portal: &Url) -> Result<(), StartError> {
    reachable::check(portal).await.map_err(|why| StartError::Portal(why.into()))
}

/// Sessions for one portal are kept away from everything else that only this machine or its network reaches.
fn factory(
    browser: &BrowserConfig,
    profiles: &ProfileConfig,
    deadlines: Timeouts,
    portal: Option<&Url>,
) -> Result<BrowserFactory, SessionError> {
    let sessions = BrowserFactory::new(browser, profiles, deadlines)?;
    Ok(match portal {
        Some(portal) => sessions.within(portal),
        None => sessions,
    })
}

/// Runs `work` on a thread for blocking work.
async fn on_blocking_thread<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> Result<T, StartError> + Send + 'static,
) -> Result<T, StartError> {
    blocking(what, work).await.map_err(|why| StartError::Browser(SessionError::Unusable(why.to_string())))?
}
