//! Floor 4: the only place that picks implementations.

use std::sync::Arc;

use tracing::{info, warn};

use crate::browser::BrowserFactory;
use crate::config::PoolConfig;
use crate::gauge::SystemGauge;
use crate::journal::MemoryJournal;
use crate::pool::{PersistentWorkerPool, StartError};
use crate::ports::SessionError;
use crate::site::{CoupaSite, SiteError};

impl PersistentWorkerPool {
    /// Starts a pool of real browsers: finds browser and driver, removes what an earlier program that was killed has
    /// left, and starts the workers side by side. Returns when browser and recipe are known to be usable; the first
    /// worker that is ready takes the first order.
    ///
    /// A pool whose configuration has no `base_url` lends sessions and takes no orders.
    ///
    /// Dropping the future starts nothing.
    ///
    /// # Errors
    /// [`StartError::Browser`] when there is no usable browser (the text says how to mend it), [`StartError::Recipe`]
    /// when the site recipe cannot be used, [`StartError::Output`] when the output folder cannot be written or another
    /// program works in it. Nothing was left running.
    pub async fn start(config: PoolConfig) -> Result<Self, StartError> {
        let (browser, profiles, deadlines) = (config.browser.clone(), config.profiles.clone(), config.deadlines);
        // programs are asked for their versions and folders are removed: not on a thread of the runtime
        let sessions = tokio::task::spawn_blocking(move || {
            let sessions = BrowserFactory::new(&browser, &profiles, deadlines)?;
            match sessions.profiles().sweep() {
                Ok(swept) if swept.removed.is_empty() => {}
                Ok(swept) => info!(folders = swept.removed.len(), "removed what an earlier run had left"),
                Err(why) => warn!("what an earlier run may have left cannot be removed: {why}"),
            }
            Ok::<_, SessionError>(sessions)
        })
        .await
        .map_err(|broke| SessionError::Unusable(format!("looking for browsers broke off: {broke}")))??;
        info!(browser = %sessions.installation().browser.display(), version = %sessions.installation().browser_version, "browser found");
        let site = match config.site.base_url {
            Some(_) => {
                let (site, out) = (config.site.clone(), config.out.clone());
                let opened = tokio::task::spawn_blocking(move || CoupaSite::open(&site, &out, deadlines)).await;
                let broke = |why| StartError::Output(format!("opening the output folder broke off: {why}"));
                Some(opened.map_err(broke)?.map_err(|error| match error {
                    SiteError::Output(why) => StartError::Output(why.to_string()),
                    other => StartError::Recipe(other.to_string()),
                })?)
            }
            None => None,
        };
        let mut builder = Self::builder(config)
            .sessions(Arc::new(sessions))
            .journal(Arc::new(MemoryJournal::new()))
            .gauge(Box::new(SystemGauge::new()))
            .seed(jiff::Timestamp::now().as_millisecond().unsigned_abs());
        if let Some(site) = site {
            builder = builder.site(Arc::new(site));
        }
        builder.start()
    }
}
