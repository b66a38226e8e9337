//! How one gets in: one login for all workers. It is one that was kept from before, or the first worker makes it through
//! the form; the others get its cookies. When it ends, one renews it, or all wait for a person to do so. A password that
//! was refused is never sent again: repeated refusals lock the account.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::classify::{Look, PageKind, classify};
use super::ground::Ground;
use super::sight::Sight;
use super::trouble;
use crate::config::Credentials;
use crate::model::{Failure, FailureKind, FileOrigin};
use crate::ports::{AttemptError, Click, Cookie, LoginKeep, Page, Query, SessionError};

/// How often the page is asked whether the form has been answered. Asking is the only way: the answer is a new document
/// in the same window, and a form may be answered by several redirects.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Set on the document that holds the form: once it is gone, another document is shown.
const MARK: &str = "document.documentElement.setAttribute('data-before-login', '')";
const IS_ANSWERED: &str =
    "return document.readyState === 'complete' && !document.documentElement.hasAttribute('data-before-login')";
const SEND: &str = "const form = document.querySelector(arguments[0]); form.requestSubmit(); return true";

/// How often the window is looked at in which a person logs in. A page cannot call back across its own navigation.
const LOOK_AT_PERSON: Duration = Duration::from_secs(1);

/// More rounds than this and somebody else ends the login as fast as it is made.
const MAX_ROUNDS: usize = 3;

/// How often it is looked whether a person has made a new login; costs no request.
const LOOK_FOR_PERSON: Duration = Duration::from_secs(5);

/// How long reading a kept login may take.
const READ_DEADLINE: Duration = Duration::from_secs(10);

/// The login that all sessions share.
pub(super) struct Login {
    ground: Arc<Ground>,
    credentials: Option<Credentials>,
    keep: Option<Arc<dyn LoginKeep>>,
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
    /// When the kept login was kept that was looked at last.
    kept_at: Option<Timestamp>,
    /// Some session of this run was let in.
    was_ever_in: bool,
    /// Only a person can make a new login, and has not yet.
    waits_for_person: bool,
    /// Why no login will be tried any more.
    refused: Option<String>,
}

impl Login {
    pub(super) fn new(ground: Arc<Ground>, credentials: Option<Credentials>) -> Self {
        Self { ground, credentials, keep: None, shared: Mutex::default(), newest: std::sync::Mutex::default() }
    }

    /// The same, which first tries the login that is kept there.
    pub(super) fn with_kept(self, keep: Arc<dyn LoginKeep>) -> Self {
        Self { keep: Some(keep), ..self }
    }

    pub(super) fn ground(&self) -> &Ground {
        &self.ground
    }

    /// The password, if there is one.
    pub(super) fn password(&self) -> Option<&SecretString> {
        self.credentials.as_ref().map(|credentials| &credentials.password)
    }

    /// Whether there was a login, kept or made.
    pub(super) async fn is_made(&self) -> bool {
        self.shared.lock().await.generation > 0
    }

    /// The values of the newest login's cookies. Does not wait for a login that is being made.
    pub(super) fn cookies(&self) -> Vec<SecretString> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sees to it that the session of `page` is let in.
    pub(super) async fn enter(&self, page: &mut dyn Page) -> Result<(), AttemptError> {
        for _ in 0..MAX_ROUNDS {
            let (generation, cookies) = {
                let mut shared = self.shared.lock().await; // waits for a login that is being made
                shared.check_refused().map_err(trouble::of_failure)?;
                if shared.generation == 0 || shared.waits_for_person {
                    self.take_kept(&mut shared).await?;
                }
                if shared.waits_for_person {
                    return Err(self.person_wanted());
                }
                (shared.generation, shared.cookies.clone())
            };
            if !cookies.is_empty() {
                self.hand_over(page, &cookies).await?;
            }
            let door = self.look_at_door(page).await?;
            let mut shared = self.shared.lock().await;
            if door == Door::Open {
                shared.was_ever_in = true;
                return Ok(());
            }
            shared.check_refused().map_err(trouble::of_failure)?;
            if shared.generation != generation || self.take_kept(&mut shared).await? {
                continue; // somebody else was faster
            }
            match self.renew(page, &door, &mut shared).await {
                Ok(cookies) => {
                    self.adopt(&mut shared, cookies);
                    shared.was_ever_in = true;
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

    fn adopt(&self, shared: &mut Shared, cookies: Vec<Cookie>) {
        shared.generation += 1;
        shared.waits_for_person = false;
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) =
            cookies.iter().map(|cookie| cookie.value.clone()).collect();
        shared.cookies = cookies;
    }

    /// Adopts the login that is kept, if it is another one than that which was looked at last. Tells whether it did.
    async fn take_kept(&self, shared: &mut Shared) -> Result<bool, AttemptError> {
        let Some(keep) = self.keep.clone() else { return Ok(false) };
        let read = tokio::task::spawn_blocking(move || keep.load());
        let kept = match tokio::time::timeout(READ_DEADLINE, read).await {
            Ok(Ok(Ok(kept))) => kept,
            Ok(Ok(Err(why))) if self.credentials.is_some() => {
                tracing::warn!("logging in with the user name instead: {why}");
                return Ok(false);
            }
            // whoever kept a login wants to be let in with it
            Ok(Ok(Err(why))) => return Err(AttemptError::new(FailureKind::LoginRefused, why.to_string())),
            Ok(Err(_)) | Err(_) => {
                return Err(AttemptError::new(FailureKind::LoginRequired, "the kept login was not read in time"));
            }
        };
        match kept {
            Some(kept) if shared.kept_at != Some(kept.kept_at) => {
                tracing::info!(kept_at = %kept.kept_at, "taking a login that was kept");
                shared.kept_at = Some(kept.kept_at);
                self.adopt(shared, kept.cookies);
                Ok(true)
            }
            Some(_) | None => Ok(false),
        }
    }

    /// Makes a new login, as far as a program can. The caller holds the lock.
    async fn renew(&self, page: &mut dyn Page, door: &Door, shared: &mut Shared) -> Result<Vec<Cookie>, AttemptError> {
        match (&self.credentials, door) {
            (Some(_), Door::Elsewhere(host)) => Err(self.elsewhere(host)),
            (Some(credentials), Door::Open | Door::Form) => self.log_in(page, credentials).await,
            // nobody sits there when a run begins that cannot get in
            (None, _) if !shared.was_ever_in || self.keep.is_none() => {
                let what = match shared.kept_at {
                    Some(kept_at) => format!("the login that was kept at {kept_at:.0} no longer lets in"),
                    None => "the portal wants a login and none was given".to_owned(),
                };
                Err(AttemptError::new(
                    FailureKind::LoginRefused,
                    format!(
                        "{what}: run `coupa-batch login --base-url {}`, set COUPA_USERNAME and COUPA_PASSWORD, or give \
                         --cookies",
                        self.ground.base
                    ),
                ))
            }
            (None, _) => {
                shared.waits_for_person = true;
                Err(self.person_wanted())
            }
        }
    }

    fn person_wanted(&self) -> AttemptError {
        let message = format!(
            "the login has ended, and only a person can make a new one: run `coupa-batch login --base-url {}` in another \
             terminal, and this run goes on by itself",
            self.ground.base
        );
        AttemptError { retry_after: Some(LOOK_FOR_PERSON), ..AttemptError::new(FailureKind::LoginRequired, message) }
    }

    /// Gives the session the cookies of the login.
    async fn hand_over(&self, page: &mut dyn Page, cookies: &[Cookie]) -> Result<(), AttemptError> {
        // a browser takes cookies for the host that it shows; this page is shown without a login
        let address = self.ground.at(&self.ground.recipe.address.login);
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

    /// Opens the portal and looks whether it asks for a login.
    async fn look_at_door(&self, page: &mut dyn Page) -> Result<Door, AttemptError> {
        self.go(page, &self.ground.base).await?;
        match self.look(page).await?.1 {
            PageKind::Login => Ok(Door::Form),
            PageKind::Elsewhere(host) => Ok(Door::Elsewhere(host)),
            // any other page is good enough: a portal's first page is its own affair
            PageKind::Wanted | PageKind::NotFound(_) | PageKind::NotAllowed(_) | PageKind::Unknown(_) => Ok(Door::Open),
            kind @ (PageKind::Throttled | PageKind::Down(_) | PageKind::Unreached(_)) => {
                kind.require("its first page").map_err(trouble::of_failure)?;
                Ok(Door::Form)
            }
        }
    }

    /// Waits until somebody has logged in by hand in the window of `page`, and returns the cookies of that login. Leaves
    /// the person alone: the page is looked at, and moved only once it shows the portal and no login any more.
    pub(super) async fn wait_for_person(
        &self,
        page: &mut dyn Page,
        patience: Duration,
    ) -> Result<Vec<Cookie>, AttemptError> {
        let begun = Instant::now();
        self.go(page, &self.ground.base).await?;
        let mut is_calm = false;
        loop {
            let is_in = matches!(
                self.look(page).await?.1,
                PageKind::Wanted | PageKind::NotFound(_) | PageKind::NotAllowed(_) | PageKind::Unknown(_)
            );
            // twice in a row: on its way back from a single sign-on a browser passes pages of the portal
            if is_in && is_calm && self.look_at_door(page).await? == Door::Open {
                return Ok(page.cookies().await?);
            }
            is_calm = is_in;
            if begun.elapsed() >= patience {
                return Err(AttemptError::new(
                    FailureKind::LoginRequired,
                    format!("nobody logged in within {patience:?}: try again, with a longer --wait if need be"),
                ));
            }
            tokio::time::sleep(LOOK_AT_PERSON).await;
        }
    }

    /// Fills in the form that is shown. The caller holds the lock.
    async fn log_in(&self, page: &mut dyn Page, credentials: &Credentials) -> Result<Vec<Cookie>, AttemptError> {
        let form = &self.ground.recipe.login;
        if !self.look(page).await?.0.has_login_form {
            return Err(AttemptError::new(
                FailureKind::LoginRefused,
                "the portal's login page has no form that the site recipe knows, as with single sign-on: log in by hand \
                 with `coupa-batch login`, without COUPA_USERNAME, or change the recipe's [login] (docs/recipes.md)",
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
                        "the portal refused the login{said}: check COUPA_USERNAME and COUPA_PASSWORD, or save another \
                         password with `coupa-batch login --save-password`. It is not tried again, since repeated \
                         refusals lock an account"
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
        self.ground.pace.turn(&CancellationToken::new()).await;
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
                "the portal sends its users to {host}, probably for single sign-on, which no program can fill in: log in \
                 by hand with `coupa-batch login --base-url {base}`, without COUPA_USERNAME, or use an account with a \
                 password of its own; also check --base-url",
                base = self.ground.base
            ),
        )
    }
}

/// What stands between a session and the portal.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Door {
    /// Nothing.
    Open,
    /// The portal's own login page.
    Form,
    /// Another host, where companies keep their single sign-on.
    Elsewhere(String),
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
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
