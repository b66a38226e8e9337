//! How one gets in: one form login for all workers. The first one logs in, the others get its cookies; when the login
//! ends, one renews it. A password that was refused is never sent again: repeated refusals lock the account.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::classify::{Look, PageKind, classify};
use super::sight::Sight;
use super::trouble;
use super::walk::Ground;
use crate::config::Credentials;
use crate::model::{Failure, FailureKind, FileOrigin};
use crate::ports::{AttemptError, Click, Cookie, Page, Query, SessionError};

/// How often the page is asked whether the form has been answered. Asking is the only way: the answer is a new document
/// in the same window, and a form may be answered by several redirects.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Set on the document that holds the form: once it is gone, another document is shown.
const MARK: &str = "document.documentElement.setAttribute('data-before-login', '')";
const IS_ANSWERED: &str =
    "return document.readyState === 'complete' && !document.documentElement.hasAttribute('data-before-login')";
const SEND: &str = "const form = document.querySelector(arguments[0]); form.requestSubmit(); return true";

/// More rounds than this and somebody else ends the login as fast as it is made.
const MAX_ROUNDS: usize = 3;

/// The login that all sessions share.
#[derive(Debug)]
pub(super) struct Login {
    ground: Arc<Ground>,
    credentials: Option<Credentials>,
    shared: Mutex<Shared>,
    /// The cookies of the newest login, for those who must know what to keep out of sight: never held across an await.
    newest: std::sync::Mutex<Vec<SecretString>>,
}

/// Held by the one session that logs in, for as long as it does.
#[derive(Debug, Default)]
struct Shared {
    /// Counts the logins; 0 before the first.
    generation: u64,
    cookies: Vec<Cookie>,
    /// Why no login will be tried any more.
    refused: Option<String>,
}

impl Login {
    pub(super) fn new(ground: Arc<Ground>, credentials: Option<Credentials>) -> Self {
        Self { ground, credentials, shared: Mutex::default(), newest: std::sync::Mutex::default() }
    }

    /// The password, if there is one.
    pub(super) fn password(&self) -> Option<&SecretString> {
        self.credentials.as_ref().map(|credentials| &credentials.password)
    }

    /// The values of the newest login's cookies. Does not wait for a login that is being made.
    pub(super) fn cookies(&self) -> Vec<SecretString> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sees to it that the session of `page` is let in.
    pub(super) async fn enter(&self, page: &mut dyn Page) -> Result<(), AttemptError> {
        for _ in 0..MAX_ROUNDS {
            let (generation, cookies) = {
                let shared = self.shared.lock().await; // waits for a login that is being made
                shared.check_refused().map_err(trouble::of_failure)?;
                (shared.generation, shared.cookies.clone())
            };
            if !cookies.is_empty() {
                self.hand_over(page, &cookies).await?;
            }
            if self.is_let_in(page).await? {
                return Ok(());
            }
            let mut shared = self.shared.lock().await;
            shared.check_refused().map_err(trouble::of_failure)?;
            if shared.generation != generation {
                continue; // somebody else was faster
            }
            match self.log_in(page).await {
                Ok(cookies) => {
                    shared.generation += 1;
                    *self.newest.lock().unwrap_or_else(PoisonError::into_inner) =
                        cookies.iter().map(|cookie| cookie.value.clone()).collect();
                    shared.cookies = cookies;
                    tracing::info!(generation = shared.generation, "logged in");
                    return Ok(());
                }
                Err(error) => {
                    if error.kind == FailureKind::LoginRefused {
                        shared.refused = Some(error.message.clone());
                    }
                    return Err(error);
                }
            }
        }
        Err(AttemptError::new(
            FailureKind::LoginRequired,
            "the login ended each time before this browser could use it: somebody else may be using the same account",
        ))
    }

    /// Gives the session the cookies of the login.
    async fn hand_over(&self, page: &mut dyn Page, cookies: &[Cookie]) -> Result<(), AttemptError> {
        // a browser takes cookies for the host that it shows; this page is shown without a login
        let address = self.ground.at(&self.ground.recipe.address.login);
        self.go(page, &address).await?;
        page.add_cookies(cookies).await?;
        Ok(())
    }

    /// Opens the portal and looks whether it asks for a login.
    async fn is_let_in(&self, page: &mut dyn Page) -> Result<bool, AttemptError> {
        self.go(page, &self.ground.base).await?;
        match self.look(page).await?.1 {
            PageKind::Login => Ok(false),
            // any other page is good enough: a portal's first page is its own affair
            PageKind::Wanted | PageKind::NotFound(_) | PageKind::NotAllowed(_) | PageKind::Unknown(_) => Ok(true),
            PageKind::Elsewhere(host) => Err(self.elsewhere(&host)),
            kind @ (PageKind::Throttled | PageKind::Down(_) | PageKind::Unreached(_)) => {
                kind.require("its first page").map_err(trouble::of_failure)?;
                Ok(false)
            }
        }
    }

    /// Fills in the form that is shown. The caller holds the lock.
    async fn log_in(&self, page: &mut dyn Page) -> Result<Vec<Cookie>, AttemptError> {
        let Some(credentials) = &self.credentials else {
            return Err(AttemptError::new(
                FailureKind::LoginRefused,
                "the portal wants a login and none was given: set COUPA_USERNAME and COUPA_PASSWORD",
            ));
        };
        let form = &self.ground.recipe.login;
        if !self.look(page).await?.0.has_login_form {
            return Err(AttemptError::new(
                FailureKind::LoginRefused,
                "the portal's login page has no form that the site recipe knows, as with single sign-on: an account \
                 with a password of its own is needed, or the recipe's [login] a change (docs/recipes.md)",
            ));
        }
        page.fill(form.username.as_str(), &credentials.username.clone().into()).await?;
        page.fill(form.password.as_str(), &credentials.password).await?;
        page.evaluate(MARK, Vec::new()).await?;
        if !page.click(form.submit.as_str(), 0, Click::Script).await? {
            page.evaluate(SEND, vec![Value::from(form.form.as_str())]).await?;
        }
        self.await_answer(page).await?;
        match self.look(page).await?.1 {
            PageKind::Login => {
                // the portal's own words for it, which never repeat the password
                let queries = [Query { css: form.refusal.as_str().to_owned(), attributes: Vec::new() }];
                let said = page.query(&queries).await?.into_iter().flatten().find(|found| !found.text.is_empty());
                let said = said.map(|found| format!(" ({:?})", found.text)).unwrap_or_default();
                Err(AttemptError::new(
                    FailureKind::LoginRefused,
                    format!(
                        "the portal refused the login{said}: check COUPA_USERNAME and COUPA_PASSWORD. It is not tried \
                         again, since repeated refusals lock an account"
                    ),
                ))
            }
            PageKind::Elsewhere(host) => Err(self.elsewhere(&host)),
            kind @ (PageKind::Throttled | PageKind::Down(_) | PageKind::Unreached(_)) => {
                kind.require("the page behind its login").map_err(trouble::of_failure)?;
                Ok(Vec::new())
            }
            PageKind::Wanted | PageKind::NotFound(_) | PageKind::NotAllowed(_) | PageKind::Unknown(_) => {
                Ok(page.cookies().await?)
            }
        }
    }

    /// Waits until another document than the form's is shown.
    async fn await_answer(&self, page: &mut dyn Page) -> Result<(), AttemptError> {
        let asked = Instant::now();
        while asked.elapsed() < self.ground.deadlines.page {
            match page.evaluate(IS_ANSWERED, Vec::new()).await {
                Ok(Value::Bool(true)) => return Ok(()),
                // a script that runs while one document replaces another is thrown out of it
                Ok(_) | Err(SessionError::Refused(_)) => {}
                Err(error) => return Err(trouble::of_session(error, &self.ground.base)),
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        Err(AttemptError::new(
            FailureKind::StepTimeout,
            format!("the portal did not answer the login within {:?}", self.ground.deadlines.page),
        ))
    }

    async fn go(&self, page: &mut dyn Page, address: &Url) -> Result<(), AttemptError> {
        page.goto(address.as_str()).await.map_err(|error| trouble::of_session(error, &self.ground.base))
    }

    async fn look(&self, page: &mut dyn Page) -> Result<(Look, PageKind), AttemptError> {
        let look = Sight::take(page, &self.ground.recipe, FileOrigin::Order).await?.look;
        let kind = classify(&self.ground.recipe, &self.ground.base, &look);
        Ok((look, kind))
    }

    fn elsewhere(&self, host: &str) -> AttemptError {
        AttemptError::new(
            FailureKind::LoginRefused,
            format!(
                "the portal sends its users to {host}, probably for single sign-on, which no program can fill in: an \
                 account with a password of its own is needed; also check --base-url (it is {})",
                self.ground.base
            ),
        )
    }
}

impl Shared {
    fn check_refused(&self) -> Result<(), Failure> {
        match &self.refused {
            Some(why) => Err(Failure::new(FailureKind::LoginRefused, why.clone())),
            None => Ok(()),
        }
    }
}
