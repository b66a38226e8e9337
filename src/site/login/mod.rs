//! The login that all workers share. A saved login is tried first; otherwise the first worker logs in through the form, and
//! the others get its cookies. When it ends, one worker renews it, or all wait until a person does. Only the check address
//! ([`check`]) tells whether a session is logged in. A refused password is never sent again, in this run or a later one:
//! repeated refusals lock the account.

pub(crate) mod check;
pub(crate) mod expiry;
pub(crate) mod form;
pub(crate) mod manual;
pub(crate) mod saved;
pub(crate) mod state;

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use url::Url;

use self::form::FormResult;
use self::state::LoginState;
pub use self::state::SharedLogin;
use crate::backend::{AttemptError, Cookie, LoginStoreError, Page};
use crate::config::Credentials;
use crate::model::{FailureKind, FileOrigin};
use crate::site::error;
use crate::site::login::check::AuthState;
use crate::site::page::classify::{PageFacts, PageKind, classify};
use crate::site::page::identity::ShownOn;
use crate::site::page::snapshot::PageSnapshot;

/// Rounds after which somebody else seems to end each login as soon as it is made.
const MAX_ROUNDS: usize = 3;

/// Interval at which saved logins are read again while a person is waited for; costs no request.
const LOOK_FOR_PERSON: Duration = Duration::from_secs(5);

/// How often a run sends a password without learning whether it was accepted.
const MAX_UNANSWERED: u32 = 2;

/// How often a password is sent before any page was shown to a session that it logged in.
const MAX_UNPROVEN: u32 = 2;

impl SharedLogin {
    /// Makes sure that the session of `page` is logged in.
    pub(crate) async fn log_in(&self, page: &mut dyn Page) -> Result<(), AttemptError> {
        for _ in 0..MAX_ROUNDS {
            let (generation, cookies, address) = {
                let mut shared = self.shared.lock().await; // waits for a login that is being made
                shared.check_refused().map_err(error::of_failure)?;
                if shared.generation == 0 || shared.waits_for_person {
                    self.take_saved(&mut shared).await?;
                }
                if shared.waits_for_person {
                    return Err(self.person_required(&shared));
                }
                (shared.generation, shared.cookies.clone(), self.check_address(&shared))
            };
            if !cookies.is_empty() {
                self.apply_cookies(page, &cookies).await?;
            }
            let state = self.open_check_page(page, &address).await?;
            let state = self.prove(page, state).await?;
            let is_in = self.lets_in(page, &state, generation).await?;
            let mut shared = self.shared.lock().await;
            if is_in {
                if state == AuthState::Open && shared.has_denied && generation > 0 {
                    self.context.confirm_login();
                }
                shared.was_ever_in = true;
                return Ok(());
            }
            shared.has_denied |= !state.lets_pass();
            shared.check_refused().map_err(error::of_failure)?;
            if shared.generation != generation || self.take_saved(&mut shared).await? {
                continue; // another session was faster
            }
            match self.renew(page, &state, &address, &mut shared).await {
                Ok(cookies) => {
                    self.adopt(&mut shared, cookies);
                    shared.form_generation = Some(shared.generation);
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

    /// Whether a session in this state is logged in. "Not found" is believed unless there is a reason not to: nobody has logged
    /// in yet and the portal offers its form, or the login was doubted.
    async fn lets_in(&self, page: &mut dyn Page, state: &AuthState, generation: u64) -> Result<bool, AttemptError> {
        if *state != AuthState::Unproven || self.credentials.is_none() {
            return Ok(state.lets_pass());
        }
        if generation > 0 {
            return Ok(self.shared.lock().await.doubted_generation != Some(generation));
        }
        self.go(page, &self.context.at(&self.context.recipe.address.login)).await?;
        Ok(!self.look(page).await?.0.has_login_form)
    }

    fn adopt(&self, shared: &mut LoginState, cookies: Vec<Cookie>) {
        shared.generation += 1;
        shared.waits_for_person = false;
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) =
            cookies.iter().map(|cookie| cookie.value.clone()).collect();
        shared.cookies = cookies;
    }

    /// Makes a new login, as far as a program can. The caller holds the lock.
    async fn renew(
        &self,
        page: &mut dyn Page,
        state: &AuthState,
        address: &Url,
        shared: &mut LoginState,
    ) -> Result<Vec<Cookie>, AttemptError> {
        match (&self.credentials, state) {
            (Some(_), _) if shared.second_step.is_some() => Err(self.wait_for_another(shared)),
            (Some(_), AuthState::Elsewhere(host)) => Err(self.elsewhere(host)),
            (Some(credentials), _) => self.submit_credentials(page, credentials, address, shared).await,
            // at the start of a run nobody may be there to log in: it ends at once
            (None, _) if !shared.was_ever_in || self.stores.is_empty() => {
                let what = match shared.tried.last() {
                    Some((_, saved_at)) => format!("the login that was saved at {saved_at:.0} has ended"),
                    None => "the portal asks for a login, and none was given".to_owned(),
                };
                Err(AttemptError::new(
                    FailureKind::LoginRefused,
                    format!(
                        "{what}: run `coupa-batch login --base-url {}`, set COUPA_USERNAME and COUPA_PASSWORD, or give \
                         --cookies",
                        self.context.base
                    ),
                ))
            }
            (None, _) => Err(self.wait_for_another(shared)),
        }
    }

    /// Logs in through the form, unless the password was sent too often already. The caller holds the lock.
    async fn submit_credentials(
        &self,
        page: &mut dyn Page,
        credentials: &Credentials,
        address: &Url,
        shared: &mut LoginState,
    ) -> Result<Vec<Cookie>, AttemptError> {
        let refused = |message: String| AttemptError::new(FailureKind::LoginRefused, message);
        if shared.unanswered_count >= MAX_UNANSWERED {
            return Err(refused(format!(
                "{MAX_UNANSWERED} times the portal did not say whether it accepted the login: the password is not sent \
                 again in this run, because repeated refusals lock an account; check whether you can log in by hand, \
                 then run again"
            )));
        }
        if self.context.unproven_login_count.load(Ordering::Relaxed) >= MAX_UNPROVEN {
            return Err(refused(format!(
                "{MAX_UNPROVEN} logins in a row ended before any page was shown: somebody else may be using the same \
                 account, or the portal asks for something that a program cannot give. The password is not sent again in \
                 this run; log in by hand with `coupa-batch login --base-url {}`, without COUPA_USERNAME",
                self.context.base
            )));
        }
        if let Some(at) = self.refused_before(credentials).await {
            let portal = self.context.base.to_string();
            return Err(refused(LoginStoreError::Refused { portal, at }.to_string()));
        }
        match self.send_form(page, credentials, address, shared).await? {
            FormResult::In(cookies) => Ok(cookies),
            FormResult::Refused(said) => {
                self.remember_refusal(credentials).await;
                let said = said.map(|said| format!(" ({said:?})")).unwrap_or_default();
                Err(refused(format!(
                    "the portal refused the login{said}: check COUPA_USERNAME and COUPA_PASSWORD, or save another \
                     password with `coupa-batch login --save-password`. It is not tried again, because repeated \
                     refusals lock an account"
                )))
            }
            FormResult::More(shown) => {
                shared.second_step = Some(shown);
                Err(self.wait_for_another(shared))
            }
        }
    }

    /// From now on the run waits for a person to log in.
    fn wait_for_another(&self, shared: &mut LoginState) -> AttemptError {
        shared.waits_for_person = true;
        self.person_required(shared)
    }

    fn person_required(&self, shared: &LoginState) -> AttemptError {
        let by_hand = format!("`coupa-batch login --base-url {}`", self.context.base);
        match (&shared.second_step, self.stores.is_empty()) {
            (Some(shown), true) => AttemptError::new(
                FailureKind::LoginRefused,
                format!(
                    "the portal accepted the password and then asked for something else, such as a code: it shows {shown}. \
                     Only a person can continue: log in by hand with {by_hand}, without user name and password"
                ),
            ),
            (second_step, _) => {
                let why = match second_step {
                    Some(shown) => format!(
                        "the portal asks for a second step after the password, such as a code (it shows {shown}), so \
                         only a person can log in: run {by_hand}, without user name and password,"
                    ),
                    None => {
                        format!("the login has ended, and only a person can log in again: run {by_hand}")
                    }
                };
                AttemptError {
                    retry_after: Some(LOOK_FOR_PERSON),
                    ..AttemptError::new(
                        FailureKind::LoginRequired,
                        format!("{why} in another terminal, and this run continues by itself"),
                    )
                }
            }
        }
    }

    async fn go(&self, page: &mut dyn Page, address: &Url) -> Result<(), AttemptError> {
        self.context.pace.turn(&CancellationToken::new()).await;
        page.goto(address.as_str()).await.map_err(|error| error::of_session(error, &self.context.base))
    }

    async fn look(&self, page: &mut dyn Page) -> Result<(PageFacts, PageKind), AttemptError> {
        let shown_on = ShownOn { origin: FileOrigin::Order, url: &self.context.base };
        let look = PageSnapshot::take(page, &self.context.recipe, shown_on).await?.look;
        let kind = classify(&self.context.recipe, &self.context.base, &look);
        Ok((look, kind))
    }

    fn elsewhere(&self, host: &str) -> AttemptError {
        AttemptError::new(
            FailureKind::LoginRefused,
            format!(
                "the portal sends its users to {host}, probably for single sign-on, which only a person can complete: \
                 log in by hand with `coupa-batch login --base-url {base}`, without COUPA_USERNAME, or use an account \
                 with its own password; also check --base-url",
                base = self.context.base
            ),
        )
    }
}
