//! What is kept beyond a run: logins that let in, and what the portal has refused.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::state::{LoginState, SharedLogin};
use crate::backend::{AttemptError, Cookie, LoginStore, LoginStoreError, Page, SavedLogin, SessionError};
use crate::config::Credentials;
use crate::model::FailureKind;

/// How long reading or writing what is kept may take.
const DISK_DEADLINE: Duration = Duration::from_secs(30);

impl SharedLogin {
    /// Adopts the newest login that is kept and was not tried. Tells whether there was one.
    pub(crate) async fn take_saved(&self, shared: &mut LoginState) -> Result<bool, AttemptError> {
        let mut found = Vec::new();
        let mut unusable = None;
        for (place, keep) in self.stores.iter().enumerate() {
            match read(keep).await {
                Ok(Some(kept)) if !shared.tried.contains(&(place, kept.kept_at)) => found.push((place, kept)),
                Ok(_) => {}
                Err(why) => unusable = Some(why),
            }
        }
        let newest = found.into_iter().max_by_key(|(_, kept)| kept.kept_at);
        if let Some(why) = unusable {
            // whoever kept a login wants to be let in with it
            if newest.is_none() && self.credentials.is_none() && shared.tried.is_empty() {
                return Err(AttemptError::new(FailureKind::LoginRefused, why.to_string()));
            }
            match (&newest, &self.credentials) {
                (Some(_), _) => tracing::warn!("taking another login instead: {why}"),
                (None, Some(_)) => tracing::warn!("logging in with the user name instead: {why}"),
                // it is looked for again every few seconds
                (None, None) => tracing::debug!("there is no new login yet: {why}"),
            }
        }
        let Some((place, kept)) = newest else { return Ok(false) };
        tracing::info!(kept_at = %kept.kept_at, "taking a login that was kept");
        shared.tried.push((place, kept.kept_at));
        self.adopt(shared, kept.cookies);
        Ok(true)
    }

    /// Gives the session the cookies of the login.
    pub(crate) async fn apply_cookies(&self, page: &mut dyn Page, cookies: &[Cookie]) -> Result<(), AttemptError> {
        // a browser takes cookies for the host that it shows; this page is shown without a login
        let address = self.context.at(&self.context.recipe.address.login);
        self.go(page, &address).await?;
        for cookie in cookies {
            // such a name is a promise that there is no domain
            let domain = cookie.domain.clone().filter(|_| !cookie.name.starts_with("__Host-"));
            match page.add_cookies(&[Cookie { domain, ..cookie.clone() }]).await {
                // one that this browser does not take may not be the one that lets in
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
        // what is not remembered is sent once
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

/// What is kept there.
async fn read(keep: &Arc<dyn LoginStore>) -> Result<Option<SavedLogin>, LoginStoreError> {
    let keep = Arc::clone(keep);
    on_a_blocking_thread(move || keep.load()).await
}

async fn on_a_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LoginStoreError> + Send + 'static,
) -> Result<T, LoginStoreError> {
    match tokio::time::timeout(DISK_DEADLINE, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(done)) => done,
        Ok(Err(_)) | Err(_) => Err(LoginStoreError::Unusable(
            "the saved logins could not be read in time: check the disk that they are on".to_owned(),
        )),
    }
}
