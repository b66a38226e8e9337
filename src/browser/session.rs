//! One session: a driver, its browser and a profile folder that begin and end together.

use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::driver::ProcessExit;
use crate::backend::{BoxFuture, CloseReport, KillSwitch, Page, Session, SessionError, SessionHealth};
use crate::browser::profile::manager::Profile;
use crate::browser::webdriver::client::WebDriverCommand;
use crate::browser::webdriver::page::WebDriverPage;
use crate::config::Timeouts;

/// A live browser behind the seam of [`Session`].
#[derive(Debug)]
pub(crate) struct BrowserSession {
    page: WebDriverPage,
    remains: SessionCleanup,
    deadlines: Timeouts,
}

impl BrowserSession {
    pub(crate) fn new(page: WebDriverPage, remains: SessionCleanup, deadlines: Timeouts) -> Self {
        Self { page, remains, deadlines }
    }

    /// Has the browser end by itself, so that it writes nothing half.
    async fn ask_to_end(&mut self) -> Result<(), SessionError> {
        self.page.line.send(WebDriverCommand::delete_session(), self.deadlines.close).await.map(drop)
    }

    fn kill(&self) {
        self.page.line.kill();
    }

    /// Closes politely and gives the profile folder, which a browser can be started on again.
    ///
    /// # Errors
    /// When it did not close politely: its folder may hold something half, and is wiped.
    pub(crate) async fn into_profile(mut self) -> Result<Profile, SessionError> {
        self.ask_to_end().await?;
        self.kill();
        if let Some(left) = self.remains.ended().await {
            return Err(SessionError::Lost(left));
        }
        self.remains.profile.take().ok_or_else(|| SessionError::Lost("its profile folder is gone".to_owned()))
    }
}

impl Session for BrowserSession {
    fn page(&mut self) -> &mut dyn Page {
        &mut self.page
    }

    fn kill_switch(&self) -> KillSwitch {
        KillSwitch::new(self.page.line.killer())
    }

    fn root_pid(&self) -> Option<u32> {
        self.page.line.root_pid()
    }

    fn is_usable(&self) -> bool {
        !self.page.line.is_cut()
    }

    fn driver_output(&self) -> String {
        self.page.line.driver().words()
    }

    fn ended(&self) -> BoxFuture<'_, SessionError> {
        Box::pin(self.page.line.ended(true))
    }

    fn check_health(&mut self) -> BoxFuture<'_, Result<SessionHealth, SessionError>> {
        Box::pin(async move {
            let asked = Instant::now();
            self.page.script("probe", "return 1", serde_json::json!([])).await?;
            let latency_micros = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
            // a page that nobody works on may ask on; what it is answered must not pile up in the driver
            self.page.responses().await?;
            let (profile_bytes, is_outgrown) = self.remains.size();
            Ok(SessionHealth { latency_micros, profile_bytes, is_outgrown })
        })
    }

    fn page_time(&self) -> Option<Duration> {
        self.page.times.median()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, CloseReport> {
        Box::pin(async move {
            let mut session = *self;
            if session.is_usable() {
                // politely first: the browser writes nothing half then; whatever comes of it, the kill follows
                if let Err(why) = session.ask_to_end().await {
                    tracing::debug!(%why, "the session did not close politely");
                }
            }
            session.kill();
            CloseReport { leftovers: session.remains.clear().await }
        })
    }
}

impl Drop for BrowserSession {
    fn drop(&mut self) {
        // before the profile folder is wiped; a second kill after `close` does nothing
        self.kill();
    }
}

/// What a session leaves on this machine: processes that are ending, and a folder that is wiped after them. Dropping
/// it does both without waiting.
pub(crate) struct SessionCleanup {
    profile: Option<Profile>,
    end: Option<BoxFuture<'static, ProcessExit>>,
}

impl SessionCleanup {
    pub(crate) fn of(profile: Profile) -> Self {
        Self { profile: Some(profile), end: None }
    }

    pub(crate) fn profile(&self) -> Option<&Profile> {
        self.profile.as_ref()
    }

    /// Processes that must have ended before the folder is wiped.
    pub(crate) fn wait_for(&mut self, end: BoxFuture<'static, ProcessExit>) {
        self.end = Some(end);
    }

    /// The bytes of the profile folder, and whether they are more than settings allow.
    fn size(&self) -> (u64, bool) {
        // some hundred entries: shorter than handing it to another thread is worth
        self.profile.as_ref().map_or((0, false), |profile| {
            let bytes = profile.size();
            (bytes, !profile.allows(bytes))
        })
    }

    /// Waits for the processes, which must have been killed, and says what is left of them.
    async fn ended(&mut self) -> Option<String> {
        let left = match self.end.as_mut() {
            Some(end) => end.await.left,
            None => None,
        };
        self.end = None; // only when over: dropped in between, the rest is left to `Drop`
        left
    }

    /// Waits for the processes, which must have been killed, then wipes, and says what is left.
    pub(crate) async fn clear(&mut self) -> Vec<String> {
        let mut left: Vec<_> = self.ended().await.into_iter().collect();
        if let Some(profile) = self.profile.take() {
            left.extend(wipe(profile).await);
        }
        left
    }
}

impl Drop for SessionCleanup {
    fn drop(&mut self) {
        let (Some(profile), Ok(runtime)) = (self.profile.take(), Handle::try_current()) else {
            return; // without a runtime the profile is wiped here and now, by its own drop
        };
        let end = self.end.take();
        // holds the bare profile: should the runtime end before it, this future is dropped, and the profile wipes
        // itself, where remains would ask the ending runtime for another task, and that one again
        runtime.spawn(async move {
            let killed = match end {
                Some(end) => end.await.left,
                None => None,
            };
            for left in killed.into_iter().chain(wipe(profile).await) {
                tracing::warn!("{left}");
            }
        });
    }
}

/// Wipes away from the runtime's own threads, and says what is left.
async fn wipe(profile: Profile) -> Option<String> {
    match spawn_blocking(move || profile.wipe()).await {
        Ok(wiped) => wiped.err(),
        Err(why) => {
            tracing::debug!(%why, "the runtime is ending: the profile folder was wiped by being dropped");
            None
        }
    }
}

impl std::fmt::Debug for SessionCleanup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remains").field("profile", &self.profile).finish_non_exhaustive()
    }
}
