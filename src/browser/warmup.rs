//! Profile pre-warming: starts a browser once so that later sessions begin on the files it has made.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::backend::SessionError;
use crate::browser::launcher::SessionLauncher;
use crate::browser::profile::template::ProfileSource;
use crate::fs::blocking::blocking;
use crate::model::WorkerId;

/// How long a run must have lasted. Pre-warming costs one browser start per version of the browser: a shorter run would
/// not get that back, and its first sessions would have to share the processor with it.
const DELAY: Duration = Duration::from_secs(30);

/// Belongs to no worker: these begin at 1.
const NO_WORKER: WorkerId = WorkerId(0);

/// Pre-warming under way. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct ProfileWarmup(JoinHandle<()>);

impl ProfileWarmup {
    /// Makes a template after half a minute, unless there is one by then.
    pub(crate) fn start(launcher: SessionLauncher) -> Self {
        Self(tokio::spawn(async move {
            sleep(DELAY).await;
            match warm(&launcher).await {
                Ok(()) => tracing::debug!("made a profile template for later sessions"),
                Err(why) => tracing::debug!(%why, "no profile template was made"),
            }
        }))
    }
}

impl Drop for ProfileWarmup {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts a browser, opens no page, closes it and saves its profile as the template; see
/// [`crate::browser::BrowserFactory::warm`].
pub(crate) async fn warm(launcher: &SessionLauncher) -> Result<(), SessionError> {
    if !launcher.profiles.lacks_warm_template() {
        return Ok(());
    }
    let session = launcher.start(NO_WORKER, &ProfileSource::BuiltIn, launcher.deadline()).await?;
    let profile = session.into_profile().await?;
    let profiles = launcher.profiles.clone();
    let saved = blocking("saving a profile template", move || profiles.save_warm_template(&profile)).await;
    saved
        .map_err(std::io::Error::other)
        .flatten()
        .map_err(|source| SessionError::Io { what: "the profile template could not be saved".to_owned(), source })
}
