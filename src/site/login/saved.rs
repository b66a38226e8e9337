//! What outlives a run: saved logins, and passwords that the portal has refused.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::state::{LoginState, SharedLogin};
use crate::backend::{AttemptError, Cookie, LoginStore, LoginStoreError, Page, SavedLogin, SessionError};
use crate::config::Credentials;
use crate::fs::blocking::blocking;
use crate::model::FailureKind;

/// How long reading or writing it may take.
const DISK_DEADLINE: Duration = Duration::from_secs(30);

impl SharedLogin {
    /// Adopts the newest saved login that was not tried yet. Returns whether there was one.
    pub(crate) async fn take_saved(&self, shared: &mut LoginState) -> Result<bool, AttemptError> {
        let mut found = Vec::new();
        let mut unusable = None;
        for (place, store) in self.stores.iter().enumerate() {
            match read(store).await {
                Ok(Some(saved)) if !shared.tried.contains(&(place, saved.saved_at)) => found.push((place, saved)),
                Ok(_) => {}
                Err(why) => unusable = Some(why),
            }
        }
        let newest = found.into_iter().max_by_key(|(_, saved)| saved.saved_at);
        if let Some(why) = unusable {
            // there is no other way to log in
            if newest.is_none() && self.credentials.is_none() && shared.tried.is_empty() {
                return Err(AttemptError::new(FailureKind::LoginRefused, why.to_string()));
            }
            match (&newest, &self.credentials) {
                (Some(_), _) => tracing::warn!("using another saved login instead: {why}"),
                (None, Some(_)) => tracing::warn!("logging in with the user name instead: {why}"),
                // this is repeated every few seconds
                (None, None) => tracing::debug!("there is no new login yet: {why}"),
            }
        }
        let Some((place, saved)) = newest else { return Ok(false) };
        tracing::info!(saved_at = %saved.saved_at, "using a saved login");
        shared.tried.push((place, saved.saved_at));
        self.adopt(shared, saved.cookies);
        Ok(true)
    }

    /// Gives the session the cookies of the login.
    pub(crate) async fn apply_cookies(&self, page: &mut dyn Page, cookies: &[Cookie]) -> Result<(), AttemptError> {
        // a browser takes cookies for the host that it shows; this page is shown without a login
        let address = self.context.at(&self.context.recipe.address.login);
        self.go(page, &address).await?;
        for cookie in cookies {
            // cookies with this prefix must not name a domain
            let domain = cookie.domain.clone().filter(|_| !cookie.name.starts_with("__Host-"));
            match page.add_cookies(&[Cookie { domain, ..cookie.clone() }]).await {
                // the login may work without the cookie that this browser refuses
                Err(SessionError::Refused(_)) => tracing::debug!(name = cookie.name, "the browser refused a cookie"),
                other => other?,
            }
        }
        Ok(())
    }

    /// When the portal refused these in an earlier run, unless that does not count.
    pub(crate) async fn refused_before(&self, credentials: &Credentials) -> Option<Timestamp> {
        let memory = self.rejections.clone().filter(|_| !self.is_asked_for)?;
        let Credentials { username, password } = credentials.clone();
        let found = on_a_blocking_thread(move || memory.refused_at(&username, &password)).await;
        // a pair that is not remembered is sent once
        found.unwrap_or_else(|why| {
            tracing::warn!("{why}");
            None
        })
    }

    pub(crate) async fn remember_refusal(&self, credentials: &Credentials) {
        let Some(memory) = self.rejections.clone() else { return };
        let Credentials { username, password } = credentials.clone();
        if let Err(why) = on_a_blocking_thread(move || memory.remember(&username, &password)).await {
            tracing::warn!("a later run will send the refused password once more: {why}");
        }
    }
}

/// What a store holds.
async fn read(store: &Arc<dyn LoginStore>) -> Result<Option<SavedLogin>, LoginStoreError> {
    let store = Arc::clone(store);
    on_a_blocking_thread(move || store.load()).await
}

async fn on_a_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LoginStoreError> + Send + 'static,
) -> Result<T, LoginStoreError> {
    match tokio::time::timeout(DISK_DEADLINE, blocking("reading a saved login", work)).await {
        Ok(Ok(done)) => done,
        Ok(Err(_)) | Err(_) => Err(LoginStoreError::Unusable(
            "the saved logins could not be read in time: check the disk with login_dir".to_owned(),
        )),
    }
}
