//! The login form: fills it in, and judges the portal's answer.

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
use crate::text::rounded;

/// How often the page is asked whether the form has been answered. Asking is the only way: the answer is a new document
/// in the same window, and a form may be answered by several redirects.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// A field that a person can fill in.
const ANY_FIELD: &str = "input:not([type='hidden']), select, textarea";

/// The fields of the page after the form.
#[derive(Clone, Copy, Debug, Default)]
struct Fields {
    /// One for the user name or the password.
    has_login: bool,
    has_any: bool,
}

/// Set on the document that holds the form: once it is gone, another document is shown.
const MARK: &str = "document.documentElement.setAttribute('data-before-login', '')";
const IS_ANSWERED: &str =
    "return document.readyState === 'complete' && !document.documentElement.hasAttribute('data-before-login')";
const SEND: &str = "const form = document.querySelector(arguments[0]); form.requestSubmit(); return true";

/// How the portal answered the form.
pub(crate) enum FormResult {
    /// Logged in: the cookies of the login.
    In(Vec<Cookie>),
    /// Refused, in the portal's words if it has any.
    Refused(Option<String>),
    /// Neither: the page described here asks for something else.
    More(String),
}

/// What the page after the form says in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Words {
    None,
    /// That the password is wrong, in words that the recipe knows.
    OfPassword,
    /// Something else, or the same in words that are not known.
    Others,
}

impl Words {
    fn of(said: Option<&str>, refusals: &[String]) -> Self {
        match said {
            None => Self::None,
            Some(said) if spoken(&[said.to_owned()], refusals).is_some() => Self::OfPassword,
            Some(_) => Self::Others,
        }
    }
}

/// What the page after the form says about the password.
#[derive(Debug, PartialEq, Eq)]
enum FormVerdict {
    /// It was refused.
    Refused,
    /// It was not checked: the form had expired.
    Stale,
    /// It was not checked: the page is about something else.
    Unjudged,
    /// It was accepted, and the page asks for something else as well.
    SecondStep,
    /// The page does not tell; the check address may.
    Unknown,
}

impl SharedLogin {
    /// Submits the login form, then opens the check address to see whether that worked. A form that had expired is fetched
    /// and submitted once more. The caller holds the lock.
    pub(crate) async fn send_form(
        &self,
        page: &mut dyn Page,
        credentials: &Credentials,
        address: &Url,
        shared: &mut LoginState,
    ) -> Result<FormResult, AttemptError> {
        if !self.look(page).await?.0.has_login_form {
            // a portal may ask for a login on a page without the form
            self.go(page, &self.context.at(&self.context.recipe.address.login)).await?;
        }
        let mut is_fresh = false;
        loop {
            let (look, kind) = self.submit_form(page, credentials, shared).await?;
            let said = self.refusal(page, &look).await?;
            let words = Words::of(said.as_deref(), &self.context.recipe.login.refusal_texts);
            let verdict = judge_answer(&look, &kind, words, &self.fields(page).await?);
            tracing::debug!(?verdict, page = describe(&look.evidence), "the portal answered the login form");
            match verdict {
                FormVerdict::Refused => return Ok(FormResult::Refused(said)),
                FormVerdict::SecondStep => return Ok(FormResult::More(describe(&look.evidence))),
                FormVerdict::Stale if !is_fresh => {
                    is_fresh = true;
                    self.take_back(shared);
                    self.go(page, &self.context.at(&self.context.recipe.address.login)).await?;
                }
                FormVerdict::Stale | FormVerdict::Unjudged => {
                    // that the password is wrong was not said in words that are known, so it is not remembered; but it may be
                    if verdict == FormVerdict::Stale
                        && let Some(said) = said
                    {
                        return Err(rejected_twice(&said));
                    }
                    return Err(AttemptError::new(
                        FailureKind::SiteDown,
                        format!(
                            "the portal rejected the login form without saying that the password is wrong: it shows \
                             {}. It may block this machine or be under maintenance; check whether you can log in by \
                             hand",
                            describe(&look.evidence)
                        ),
                    ));
                }
                FormVerdict::Unknown => return self.check_login(page, address, shared, said, &look).await,
            }
        }
    }

    /// Fills in the form and submits it; returns the page that follows.
    async fn submit_form(
        &self,
        page: &mut dyn Page,
        credentials: &Credentials,
        shared: &mut LoginState,
    ) -> Result<(PageFacts, PageKind), AttemptError> {
        let form = &self.context.recipe.login;
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
                "the portal's login page has no form that the site recipe recognises, as with single sign-on: log in \
                 by hand with `coupa-batch login`, without COUPA_USERNAME, or change the recipe's [login] \
                 (docs/recipes.md)",
            ));
        }
        page.fill(form.username.as_str(), &credentials.username.clone().into()).await?;
        page.fill(form.password.as_str(), &credentials.password).await?;
        page.evaluate(MARK, Vec::new()).await?;
        // before it is sent: if this future is dropped in the middle, it was sent
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
        Ok((look, kind))
    }

    /// The form had expired, so the password was not checked and the login does not count as unanswered.
    fn take_back(&self, shared: &mut LoginState) {
        shared.unanswered_count -= 1;
        self.context.unproven_login_count.fetch_sub(1, Ordering::Relaxed);
    }

    /// Requests the check address to see whether the login worked.
    async fn check_login(
        &self,
        page: &mut dyn Page,
        address: &Url,
        shared: &mut LoginState,
        said: Option<String>,
        look: &PageFacts,
    ) -> Result<FormResult, AttemptError> {
        match (self.open_check_page(page, address).await?, said) {
            (AuthState::Open, _) | (AuthState::Unproven, None) => {
                shared.unanswered_count = 0;
                Ok(FormResult::In(page.cookies().await?))
            }
            (_, Some(said)) => Ok(FormResult::Refused(Some(said))),
            (AuthState::Form | AuthState::Elsewhere(_) | AuthState::Closed(_), None) => {
                Ok(FormResult::More(describe(&look.evidence)))
            }
        }
    }

    /// Which fields a page has.
    async fn fields(&self, page: &mut dyn Page) -> Result<Fields, AttemptError> {
        let form = &self.context.recipe.login;
        let queries = [form.username.as_str(), form.password.as_str(), ANY_FIELD]
            .map(|css| Query { css: css.to_owned(), attributes: Vec::new() });
        let mut found = page.query(&queries).await?.into_iter().map(|elements| !elements.is_empty());
        let (has_username, has_password) = (found.next() == Some(true), found.next() == Some(true));
        let has_login = has_username || has_password;
        Ok(Fields { has_login, has_any: found.next() == Some(true) })
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
                // a script fails if another document replaces its own meanwhile
                Ok(_) | Err(SessionError::Refused(_)) => {}
                Err(error) => return Err(error::of_session(error, &self.context.base)),
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        Err(AttemptError::new(
            FailureKind::StepTimeout,
            format!(
                "the portal did not answer the login form within {} (page_timeout)",
                rounded(self.context.deadlines.page)
            ),
        ))
    }
}

/// A form was rejected, and so was a fresh one, with these words.
fn rejected_twice(said: &str) -> AttemptError {
    AttemptError::new(
        FailureKind::LoginRefused,
        format!(
            "the portal rejected the login form twice, the second time a fresh one, and says {said:?}: check COUPA_USERNAME and \
             COUPA_PASSWORD, and whether you can log in by hand. The password is not sent again in this run, since repeated \
             refusals lock an account; if these words mean that it is wrong, add them to login.refusal_texts in the recipe"
        ),
    )
}

/// What the page after the form says about the password. A page that neither shows the form again nor gives a reason does not
/// count as a refusal, since refusals are remembered.
fn judge_answer(look: &PageFacts, kind: &PageKind, words: Words, fields: &Fields) -> FormVerdict {
    let has_words = words != Words::None;
    match look.evidence.status {
        Some(401) => FormVerdict::Refused,
        Some(400..=499) if *kind == PageKind::Login && fields.has_login && words == Words::OfPassword => {
            FormVerdict::Refused
        }
        Some(422 | 419) => FormVerdict::Stale,
        Some(400..=499) => FormVerdict::Unjudged,
        _ if *kind == PageKind::Login && fields.has_login && has_words => FormVerdict::Refused,
        _ if *kind != PageKind::Login => FormVerdict::Unknown,
        _ if fields.has_login || has_words && !fields.has_any => FormVerdict::Refused,
        _ if fields.has_any => FormVerdict::SecondStep,
        _ => FormVerdict::Unjudged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::DocumentInfo;

    const FORM: Fields = Fields { has_login: true, has_any: true };
    const CODE: Fields = Fields { has_login: false, has_any: true };
    const NOTHING: Fields = Fields { has_login: false, has_any: false };

    fn verdict(status: u16, kind: &PageKind, words: Words, fields: Fields) -> FormVerdict {
        let evidence = DocumentInfo { status: Some(status), ..DocumentInfo::default() };
        // a form for a code may look like the login form from outside
        let look = PageFacts { evidence, has_login_form: fields.has_any, ..PageFacts::default() };
        judge_answer(&look, kind, words, &fields)
    }

    #[test]
    fn a_password_is_refused_by_the_form_again_by_words_or_by_401() {
        for (status, words, fields) in [
            (200, Words::OfPassword, FORM),
            (200, Words::Others, FORM),
            (200, Words::None, FORM),
            (422, Words::OfPassword, FORM), // as frameworks answer a form with a mistake in it
            (200, Words::Others, NOTHING),
            (401, Words::None, NOTHING),
        ] {
            let verdict = verdict(status, &PageKind::Login, words, fields);
            assert_eq!(verdict, FormVerdict::Refused, "{status} {words:?} {fields:?}");
        }
    }

    #[test]
    fn a_page_that_does_not_speak_of_the_password_has_not_refused_it() {
        for (status, words, fields, expected) in [
            (422, Words::None, NOTHING, FormVerdict::Stale),
            (422, Words::None, FORM, FormVerdict::Stale),
            (422, Words::Others, FORM, FormVerdict::Stale),
            (419, Words::Others, FORM, FormVerdict::Stale),
            (403, Words::None, NOTHING, FormVerdict::Unjudged),
            (403, Words::Others, NOTHING, FormVerdict::Unjudged),
            (403, Words::Others, FORM, FormVerdict::Unjudged), // such as "too many requests from this network"
            (200, Words::None, NOTHING, FormVerdict::Unjudged), // maintenance
        ] {
            assert_eq!(verdict(status, &PageKind::Login, words, fields), expected, "{status} {words:?} {fields:?}");
        }
    }

    #[test]
    fn a_page_below_the_login_that_asks_for_something_else_is_a_second_step() {
        assert_eq!(verdict(200, &PageKind::Login, Words::None, CODE), FormVerdict::SecondStep);
        assert_eq!(verdict(200, &PageKind::Login, Words::Others, CODE), FormVerdict::SecondStep);
    }

    #[test]
    fn of_any_other_page_the_check_address_tells() {
        for words in [Words::None, Words::Others] {
            let kind = PageKind::Unknown("the start page".to_owned());
            assert_eq!(verdict(200, &kind, words, CODE), FormVerdict::Unknown);
        }
    }
}
