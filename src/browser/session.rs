//! One browser session: driver, browser and profile folder, which begin and end together.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::backend::{BoxFuture, CloseReport, KillSwitch, Page, Session, SessionError, SessionHealth};
use crate::browser::profile::manager::Profile;
use crate::browser::webdriver::client::WebDriverCommand;
use crate::browser::webdriver::page::WebDriverPage;
use crate::config::Timeouts;
use crate::fs::blocking::blocking;
use crate::process::child::ProcessExit;

/// A running browser as a [`Session`]. Dropping it kills the browser and wipes the profile without waiting.
#[derive(Debug)]
pub(crate) struct BrowserSession {
    page: WebDriverPage,
    cleanup: SessionCleanup,
    timeouts: Timeouts,
}

impl BrowserSession {
    pub(crate) fn new(page: WebDriverPage, cleanup: SessionCleanup, timeouts: Timeouts) -> Self {
        Self { page, cleanup, timeouts }
    }

    /// Lets the browser end by itself, so that it leaves no truncated file.
    async fn quit(&mut self) -> Result<(), SessionError> {
        self.page.client.send(WebDriverCommand::delete_session(), self.timeouts.close).await.map(drop)
    }

    fn kill(&self) {
        self.page.client.kill();
    }

    /// Closes the browser and returns its profile folder, which a browser can be started on again.
    ///
    /// # Errors
    /// When it did not close by itself: the folder may hold truncated files and is wiped.
    pub(crate) async fn into_profile(mut self) -> Result<Profile, SessionError> {
        self.quit().await?;
        self.kill();
        if let Some(left) = self.cleanup.wait().await {
            return Err(SessionError::Lost(left));
        }
        self.cleanup.profile.take().ok_or_else(|| SessionError::Lost("its profile folder is gone".to_owned()))
    }
}

impl Session for BrowserSession {
    fn page(&mut self) -> &mut dyn Page {
        &mut self.page
    }

    fn kill_switch(&self) -> KillSwitch {
        let (is_broken, kill) = (self.page.client.broken_flag(), self.page.client.driver().killer());
        KillSwitch::new(move || {
            is_broken.store(true, Ordering::Release);
            kill();
        })
    }

    fn root_pid(&self) -> Option<u32> {
        self.page.client.driver().pid()
    }

    fn is_usable(&self) -> bool {
        !self.page.client.is_broken()
    }

    fn driver_output(&self) -> String {
        self.page.client.driver().output()
    }

    fn ended(&self) -> BoxFuture<'_, SessionError> {
        Box::pin(self.page.client.ended(true))
    }

    fn check_health(&mut self) -> BoxFuture<'_, Result<SessionHealth, SessionError>> {
        Box::pin(async move {
            let sent = Instant::now();
            self.page.script("probe", "return 1", serde_json::json!([])).await?;
            let latency_micros = u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX);
            // an idle page may go on sending requests; their responses must not pile up in the driver
            self.page.responses().await?;
            let (profile_bytes, is_outgrown) = self.cleanup.size();
            Ok(SessionHealth { latency_micros, profile_bytes, is_outgrown })
        })
    }

    fn clean(&mut self, keeps_cookies: bool) -> BoxFuture<'_, Result<bool, SessionError>> {
        Box::pin(async move { self.page.clean(keeps_cookies).await.map(|()| true) })
    }

    fn median_page_time(&self) -> Option<Duration> {
        self.page.times.median()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, CloseReport> {
        Box::pin(async move {
            let mut session = *self;
            if session.is_usable() {
                // first by itself, so that it leaves no truncated file; the kill follows in any case
                if let Err(why) = session.quit().await {
                    tracing::debug!(%why, "the browser did not close by itself");
                }
            }
            session.kill();
            CloseReport { leftovers: session.cleanup.clear().await }
        })
    }
}

impl Drop for BrowserSession {
    fn drop(&mut self) {
        // before the profile folder is wiped; a second kill after `close` does nothing
        self.kill();
    }
}

/// Cleans up after a session: waits for its processes to end, then wipes its folder. Dropping it does so in the background.
pub(crate) struct SessionCleanup {
    profile: Option<Profile>,
    exited: Option<BoxFuture<'static, ProcessExit>>,
}

impl SessionCleanup {
    pub(crate) fn new(profile: Profile) -> Self {
        Self { profile: Some(profile), exited: None }
    }

    pub(crate) fn profile(&self) -> Option<&Profile> {
        self.profile.as_ref()
    }

    /// Sets the processes that must have ended before the folder is wiped.
    pub(crate) fn wait_for(&mut self, exited: BoxFuture<'static, ProcessExit>) {
        self.exited = Some(exited);
    }

    /// Size of the profile folder in bytes, and whether it is above `profile_max_size`.
    fn size(&self) -> (u64, bool) {
        // some hundred entries: not worth another thread
        self.profile.as_ref().map_or((0, false), |profile| {
            let bytes = profile.size();
            (bytes, !profile.allows(bytes))
        })
    }

    /// Waits for the processes, which must have been killed, and returns what is left of them.
    async fn wait(&mut self) -> Option<String> {
        let left = match self.exited.as_mut() {
            Some(exited) => exited.await.left,
            None => None,
        };
        self.exited = None; // only now: if dropped before, `Drop` does the rest
        left
    }

    /// Waits for the processes, which must have been killed, then wipes the folder, and returns what is left.
    pub(crate) async fn clear(&mut self) -> Vec<String> {
        let mut left: Vec<_> = self.wait().await.into_iter().collect();
        if let Some(profile) = self.profile.take() {
            left.extend(wipe(profile).await);
        }
        left
    }
}

impl Drop for SessionCleanup {
    fn drop(&mut self) {
        let (Some(profile), Ok(runtime)) = (self.profile.take(), Handle::try_current()) else {
            return; // without a runtime, dropping the profile wipes it here and now
        };
        let exited = self.exited.take();
        // holds the bare profile: should the runtime end first, this future is dropped and the profile wipes itself, where
        // `SessionCleanup` would ask the ending runtime for another task, and so on
        runtime.spawn(async move {
            let survivors = match exited {
                Some(exited) => exited.await.left,
                None => None,
            };
            for left in survivors.into_iter().chain(wipe(profile).await) {
                tracing::warn!("{left}");
            }
        });
    }
}

/// Wipes the folder on a blocking thread, and returns what is left.
async fn wipe(profile: Profile) -> Option<String> {
    match blocking("removing a profile folder", move || profile.wipe()).await {
        Ok(wiped) => wiped.err(),
        Err(why) => {
            tracing::debug!(%why, "the runtime is ending; the profile folder was wiped when dropped");
            None
        }
    }
}

impl std::fmt::Debug for SessionCleanup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionCleanup").field("profile", &self.profile).finish_non_exhaustive()
    }
}
