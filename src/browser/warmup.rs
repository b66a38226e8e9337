//! Starts a browser once for nothing but the profile that it makes, so that later sessions need not make it anew.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;

use super::factory::BrowserFactory;
use crate::backend::SessionError;
use crate::browser::profile::template::ProfileSource;
use crate::model::WorkerId;

/// How long a run must have lasted. It costs a browser's start, once per version of the browser: a run that is over
/// sooner would not get that back, and its first sessions would have to share the processor with it.
const AFTER: Duration = Duration::from_secs(30);

/// Of no worker: they begin at 1.
const NOBODY: WorkerId = WorkerId(0);

/// The warming of one run, at most one. Dropping it ends one that is under way.
#[derive(Debug, Default)]
pub(crate) struct ProfileWarmup(OnceLock<JoinHandle<()>>);

impl ProfileWarmup {
    /// Has a template made after a while, if one is lacking and none is being made. Does not wait.
    pub(crate) fn begin(&self, factory: &BrowserFactory) {
        if self.0.get().is_some() || !factory.profiles().lacks_warmed() {
            return;
        }
        self.0.get_or_init(|| {
            let factory = factory.without_warming();
            tokio::spawn(async move {
                sleep(AFTER).await;
                match factory.warm().await {
                    Ok(()) => tracing::debug!("a profile template was warmed up for later sessions"),
                    Err(why) => tracing::debug!(%why, "no profile template was warmed up"),
                }
            })
        });
    }
}

impl Drop for ProfileWarmup {
    fn drop(&mut self) {
        if let Some(task) = self.0.get() {
            task.abort();
        }
    }
}

impl BrowserFactory {
    /// Starts a browser once, opens no page in it, closes it, and keeps its profile without caches as what later
    /// sessions of this version begin on, also those of later runs. Does nothing when that is there, or when the user has
    /// a template of his own. Done by itself in a run that has lasted for half a minute.
    ///
    /// Bounded as opening and closing a session are. Dropping the future leaves nothing behind.
    ///
    /// # Errors
    /// [`SessionError`] when the browser does not start or close, or the template cannot be written; sessions are started
    /// as before then.
    pub async fn warm(&self) -> Result<(), SessionError> {
        if !self.profiles().lacks_warmed() {
            return Ok(());
        }
        let profile = self.start_once(NOBODY, &ProfileSource::BuiltIn).await?.into_profile().await?;
        let profiles = self.profiles().clone();
        let kept = spawn_blocking(move || {
            let kept = profiles.keep_warmed(&profile);
            profile.wipe().and(kept)
        });
        let kept = kept.await.map_err(|why| why.to_string()).flatten();
        kept.map_err(|what| SessionError::Io { what, source: std::io::ErrorKind::Other.into() })
    }
}
