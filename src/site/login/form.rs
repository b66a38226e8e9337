//! The form: filled in once, and what the portal made of it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::state::{LoginState, SharedLogin};
use crate::backend::{AttemptError, Click, Cookie, Page, Query, SessionError};
use crate::config::Credentials;
use crate::model::FailureKind;
use crate::site::error;
use crate::site::login::check::AuthState;
use crate::site::page::classify::{PageFacts, PageKind, describe, spoken};

/// How often the page is asked whether the form has been answered. Asking is the only way: the answer is a new document
/// in the same window, and a form may be answered by several redirects.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Set on the document that holds the form: once it is gone, another document is shown.
const MARK: &str = "document.documentElement.setAttribute('data-before-login', '')";
const IS_ANSWERED: &str =
    "return document.readyState === 'complete' && !document.documentElement.hasAttribute('data-before-login')";
const SEND: &str = "const form = document.querySelector(arguments[0]); form.requestSubmit(); return true";

/// What the portal made of a form that was sent.
pub(crate) enum FormResult {
    /// Let in: the cookies of the login.
    In(Vec<Cookie>),
    /// Not taken, in the portal's words if it has any.
    Refused(Option<String>),
    /// Neither: something else is wanted, on the page that is described.
    More(String),
}

impl SharedLogin {
    /// Submits the login form, then opens the check address to see whether that worked. The caller holds the lock.
    pub(crate) async fn send_form(
        &self,
        page: &mut dyn Page,
        credentials: &Credentials,
        address: &Url,
        shared: &mut LoginState,
    ) -> Result<FormResult, AttemptError> {
        let form = &self.context.recipe.login;
        if !self.look(page).await?.0.has_login_form {
            // a portal may say that a login is wanted on a page without the form
            self.go(page, &self.context.at(&self.context.recipe.address.login)).await?;
        }
        let (look, kind) = self.look(page).await?;
        if let PageKind::Elsewhere(host) = kind {
            return Err(self.elsewhere(&host));
        }
        if kind.is_down() {
            kind.clone().require("its login page").map_err(error::of_failure)?;
        }
        if !look.has_login_form {
            return Err(AttemptError::new(
                FailureKind::LoginRefused,
                "the portal's login page has no form that the site recipe knows, as with single sign-on: log in by hand \
                 with `coupa-batch login`, without COUPA_USERNAME, or change the recipe's [login] (docs/recipes.md)",
            ));
        }
        page.fill(form.username.as_str(), &credentials.username.clone().into()).await?;
        page.fill(form.password.as_str(), &credentials.password).await?;
        page.evaluate(MARK, Vec::new()).await?;
        // before it is sent: whoever is dropped in the middle has sent it
        shared.unanswered_count += 1;
        self.context.unproven_login_count.fetch_add(1, Ordering::Relaxed);
        if !page.click(form.submit.as_str(), 0, Click::Script).await? {
            page.evaluate(SEND, vec![Value::from(form.form.as_str())]).await?;
        }
        self.await_answer(page).await?;
        let (look, kind) = self.look(page).await?;
        if kind.is_down() {
            // whether it accepted the password is not known; the check address will tell
            kind.clone().require("the page behind its login").map_err(error::of_failure)?;
        }
        if let PageKind::Elsewhere(host) = kind {
            return Err(self.elsewhere(&host));
        }
        let said = self.refusal(page, &look).await?;
        if kind == PageKind::Login {
            return Ok(FormResult::Refused(said));
        }
        match self.open_check_page(page, address).await? {
            AuthState::Open => {
                shared.unanswered_count = 0;
                Ok(FormResult::In(page.cookies().await?))
            }
            AuthState::Form | AuthState::Elsewhere(_) | AuthState::Closed(_) => Ok(match said {
                Some(said) => FormResult::Refused(Some(said)),
                None => FormResult::More(describe(&look.evidence)),
            }),
        }
    }

    /// The portal's own words for a refusal, which never repeat the password.
    async fn refusal(&self, page: &mut dyn Page, look: &PageFacts) -> Result<Option<String>, AttemptError> {
        let recipe = &self.context.recipe;
        let queries = [Query { css: recipe.login.refusal.as_str().to_owned(), attributes: Vec::new() }];
        let said = page.query(&queries).await?.into_iter().flatten().find(|found| !found.text.is_empty());
        Ok(said.map(|found| found.text).or_else(|| spoken(&look.notices, &recipe.errors.not_allowed)))
    }

    /// Waits until another document than the form's is shown.
    async fn await_answer(&self, page: &mut dyn Page) -> Result<(), AttemptError> {
        let asked = Instant::now();
        while asked.elapsed() < self.context.deadlines.page {
            match page.evaluate(IS_ANSWERED, Vec::new()).await {
                Ok(Value::Bool(true)) => return Ok(()),
                // a script that runs while one document replaces another is thrown out of it
                Ok(_) | Err(SessionError::Refused(_)) => {}
                Err(error) => return Err(error::of_session(error, &self.context.base)),
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        Err(AttemptError::new(
            FailureKind::StepTimeout,
            format!("the portal did not answer the login within {:?}", self.context.deadlines.page),
        ))
    }
}
