//! Getting in without a run: what `coupa-batch login` does.
pub(crate) mod inspect;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::login::SharedLogin;
use crate::backend::{AttemptError, Cookie, LoginStore, Page, RejectionStore};
use crate::config::{SiteConfig, Timeouts};
use crate::site::context::PortalContext;
use crate::site::recipe::parse::RecipeError;
use crate::site::recipe::selectors::check_all;

/// The way into a portal.
#[derive(Debug)]
pub struct InteractiveLogin {
    pub(crate) login: SharedLogin,
}

impl InteractiveLogin {
    /// That of the portal of `config`.
    ///
    /// # Errors
    /// [`RecipeError`] when there is no base address or the recipe cannot be used.
    pub fn new(config: &SiteConfig, deadlines: Timeouts) -> Result<Self, RecipeError> {
        let context = Arc::new(PortalContext::new(config, PathBuf::new(), deadlines)?);
        Ok(Self { login: SharedLogin::new(context, config.credentials.clone()) })
    }

    /// The same, which first tries the login that is saved there; the newest, when it is called for several.
    #[must_use]
    pub fn with_store(self, store: Arc<dyn LoginStore>) -> Self {
        Self { login: self.login.with_store(store) }
    }

    /// The same, which remembers there what the portal refuses. What it has refused before is sent anyway when a
    /// person asks for it.
    #[must_use]
    pub fn with_rejections(self, rejections: Arc<dyn RejectionStore>, is_asked_for: bool) -> Self {
        Self { login: self.login.with_rejections(rejections, is_asked_for) }
    }

    /// Logs in through the form with the credentials of the configuration, and returns the cookies of that login.
    /// Dropping the future makes the session unusable.
    ///
    /// # Errors
    /// [`AttemptError`]: refused, no form, or the portal's or the session's trouble.
    pub async fn log_in(&self, page: &mut dyn Page) -> Result<Vec<Cookie>, AttemptError> {
        check_all(page, &self.login.context().recipe, &self.login.context().recipe_name).await?;
        self.login.log_in(page).await?;
        Ok(page.cookies().await?)
    }

    /// Whether a login was made here: false when the portal required none, so that nothing is known of the
    /// password.
    pub async fn has_logged_in(&self) -> bool {
        self.login.is_made().await
    }

    /// Opens the portal and waits until somebody has logged in by hand, at most `patience`; returns the cookies of that
    /// login. Dropping the future makes the session unusable.
    ///
    /// # Errors
    /// [`AttemptError`]: nobody did in time, or the portal's or the session's trouble, such as a window that was
    /// closed.
    pub async fn wait_for_person(&self, page: &mut dyn Page, patience: Duration) -> Result<Vec<Cookie>, AttemptError> {
        check_all(page, &self.login.context().recipe, &self.login.context().recipe_name).await?;
        self.login.wait_for_person(page, patience).await
    }
}
