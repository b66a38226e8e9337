//! Browser sessions in a resource pool, for work that is no order.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use super::{factory, on_blocking_thread};
use crate::backend::{Session, SessionError, SessionFactory};
use crate::config::PoolConfig;
use crate::executor::{Condition, Manage};
use crate::model::WorkerId;
use crate::pool::StartError;

/// Lends browser sessions through a [`crate::ResourcePool`]. A session that comes back is checked and cleaned (extra windows
/// closed, dialogs dismissed, an empty page, no cookies), and replaced when it no longer answers or has outgrown its profile.
pub struct BrowserSessions {
    factory: Arc<dyn SessionFactory>,
    keeps_cookies: bool,
    next: AtomicU16,
}

impl BrowserSessions {
    /// Sessions of one's own.
    #[must_use]
    pub fn new(factory: Arc<dyn SessionFactory>) -> Self {
        Self { factory, keeps_cookies: false, next: AtomicU16::new(1) }
    }

    /// Sessions of real browsers, as the settings of browser, profiles and timeouts say. Opens none yet.
    ///
    /// # Errors
    /// [`StartError::Browser`] when there is no usable browser; the text says how to mend it.
    pub async fn of_browsers(config: &PoolConfig) -> Result<Self, StartError> {
        let (browser, profiles, deadlines) = (config.browser.clone(), config.profiles.clone(), config.deadlines);
        let portal = config.site.base_url.clone();
        let find = move || Ok(factory(&browser, &profiles, deadlines, portal.as_ref())?);
        on_blocking_thread("looking for browsers", find).await.map(|sessions| Self::new(Arc::new(sessions)))
    }

    /// Leaves cookies and storage to the next borrower, such as a login that all are to share; default: they are forgotten.
    #[must_use]
    pub fn keep_cookies(self) -> Self {
        Self { keeps_cookies: true, ..self }
    }
}

impl Manage for BrowserSessions {
    type Resource = Box<dyn Session>;
    type Error = SessionError;

    async fn create(&self) -> Result<Box<dyn Session>, SessionError> {
        self.factory.open(WorkerId(self.next.fetch_add(1, Ordering::Relaxed))).await
    }

    async fn recycle(&self, session: &mut Box<dyn Session>) -> Result<Condition, SessionError> {
        if !session.is_usable() {
            return Ok(Condition::Dirty);
        }
        let is_clean = session.clean(self.keeps_cookies).await?;
        let health = session.check_health().await?;
        Ok(if is_clean && !health.is_outgrown { Condition::Clean } else { Condition::Dirty })
    }

    async fn destroy(&self, session: Box<dyn Session>) -> Result<(), SessionError> {
        let report = session.close().await;
        if report.is_clean() { Ok(()) } else { Err(SessionError::Unusable(report.leftovers.join("; "))) }
    }

    fn is_alive(&self, session: &Box<dyn Session>) -> bool {
        session.is_usable()
    }
}

impl fmt::Debug for BrowserSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrowserSessions").field("keeps_cookies", &self.keeps_cookies).finish_non_exhaustive()
    }
}
