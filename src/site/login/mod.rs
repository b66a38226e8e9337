//! How one gets in: one login for all workers. It is one that was kept from before, or the first worker makes it through
//! the form; the others get its cookies. When it ends, one renews it, or all wait for a person to do so. That it lets in is
//! said on the door's evidence alone. A password that was refused is never sent again, in this run or a later one:
//! repeated refusals lock the account.

pub(crate) mod check;
pub(crate) mod expiry;
pub(crate) mod form;
pub(crate) mod manual;
pub(crate) mod saved;

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use url::Url;

use self::form::FormResult;
use crate::backend::{AttemptError, Cookie, LoginStore, Page, RejectionStore, refused_before};
use crate::config::Credentials;
use crate::model::{Failure, FailureKind, FileOrigin};
use crate::site::context::PortalContext;
use crate::site::error;
use crate::site::login::check::AuthState;
use crate::site::page::classify::{PageFacts, PageKind, classify};
use crate::site::page::snapshot::PageSnapshot;

/// More rounds than this and somebody else ends the login as fast as it is made.
const MAX_ROUNDS: usize = 3;

/// How often it is looked whether a person has made a new login; costs no request.
const LOOK_FOR_PERSON: Duration = Duration::from_secs(5);

/// How often a password is sent without an answer that says what became of it, in one run.
const MAX_UNANSWERED: u32 = 2;

/// How often a password is sent before any request has been answered to whoever was let in by it.
const MAX_UNPROVEN: u32 = 2;

/// The login that all sessions share.
pub(crate) struct Login {
    ground: Arc<PortalContext>,
    credentials: Option<Credentials>,
    keeps: Vec<Arc<dyn LoginStore>>,
    refusals: Option<Arc<dyn RejectionStore>>,
    /// A person asks for it now, and may know better than what is remembered.
    is_asked_for: bool,
    shared: Mutex<Shared>,
    /// The cookies of the newest login, for those who must know what to keep out of sight: never held across an await.
    newest: std::sync::Mutex<Vec<SecretString>>,
}

/// Held by the one session that logs in, for as long as it does.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Counts the logins; 0 before the first.
    generation: u64,
    cookies: Vec<Cookie>,
    /// The kept logins that were tried: where they are kept, and when they were.
    tried: Vec<(usize, Timestamp)>,
    /// Some session of this run was let in.
    was_ever_in: bool,
    /// Only a person can make a new login, and has not yet.
    waits_for_person: bool,
    /// What the portal showed after the password, if that alone does not let in.
    second_step: Option<String>,
    /// How often the password was sent and not answered.
    unanswered_count: u32,
    /// The door was seen shut: it is one.
    has_been_shut: bool,
    /// The address that is asked for instead of a door that is open to everybody.
    learned_door: Option<Url>,
    /// Why no login will be tried any more.
    refused: Option<String>,
}

impl Login {
    pub(crate) fn new(ground: Arc<PortalContext>, credentials: Option<Credentials>) -> Self {
        Self {
            ground,
            credentials,
            keeps: Vec::new(),
            refusals: None,
            is_asked_for: false,
            shared: Mutex::default(),
            newest: std::sync::Mutex::default(),
        }
    }

    /// The same, which tries the login that is kept there before it uses the form; the newest first, of several.
    pub(crate) fn with_kept(mut self, keep: Arc<dyn LoginStore>) -> Self {
        self.keeps.push(keep);
        self
    }

    /// The same, which remembers there what the portal refuses, and does not send what it has refused before unless a
    /// person asks for it.
    pub(crate) fn with_refusals(self, refusals: Arc<dyn RejectionStore>, is_asked_for: bool) -> Self {
        Self { refusals: Some(refusals), is_asked_for, ..self }
    }

    pub(crate) fn ground(&self) -> &PortalContext {
        &self.ground
    }

    pub(crate) fn shared_ground(&self) -> Arc<PortalContext> {
        Arc::clone(&self.ground)
    }

    /// The password, if there is one.
    pub(crate) fn password(&self) -> Option<&SecretString> {
        self.credentials.as_ref().map(|credentials| &credentials.password)
    }

    /// Whether there was a login, kept or made.
    pub(crate) async fn is_made(&self) -> bool {
        self.shared.lock().await.generation > 0
    }

    /// The values of the newest login's cookies. Does not wait for a login that is being made.
    pub(crate) fn cookies(&self) -> Vec<SecretString> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sees to it that the session of `page` is let in.
    pub(crate) async fn log_in(&self, page: &mut dyn Page) -> Result<(), AttemptError> {
        for _ in 0..MAX_ROUNDS {
            let (generation, cookies, address) = {
                let mut shared = self.shared.lock().await; // waits for a login that is being made
                shared.check_refused().map_err(error::of_failure)?;
                if shared.generation == 0 || shared.waits_for_person {
                    self.take_kept(&mut shared).await?;
                }
                if shared.waits_for_person {
                    return Err(self.person_wanted(&shared));
                }
                (shared.generation, shared.cookies.clone(), self.door(&shared))
            };
            if !cookies.is_empty() {
                self.hand_over(page, &cookies).await?;
            }
            let door = self.look_at_door(page, &address).await?;
            let mut shared = self.shared.lock().await;
            if door == AuthState::Open {
                if shared.has_been_shut && generation > 0 {
                    self.ground.prove_login();
                }
                shared.was_ever_in = true;
                return Ok(());
            }
            shared.has_been_shut = true;
            shared.check_refused().map_err(error::of_failure)?;
            if shared.generation != generation || self.take_kept(&mut shared).await? {
                continue; // somebody else was faster
            }
            match self.renew(page, &door, &address, &mut shared).await {
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

    /// Makes a new login, as far as a program can. The caller holds the lock.
    async fn renew(
        &self,
        page: &mut dyn Page,
        door: &AuthState,
        address: &Url,
        shared: &mut Shared,
    ) -> Result<Vec<Cookie>, AttemptError> {
        match (&self.credentials, door) {
            (Some(_), _) if shared.second_step.is_some() => Err(self.wait_for_another(shared)),
            (Some(_), AuthState::Elsewhere(host)) => Err(self.elsewhere(host)),
            (Some(credentials), AuthState::Open | AuthState::Form | AuthState::Closed(_)) => {
                self.submit_credentials(page, credentials, address, shared).await
            }
            // nobody sits there when a run begins that cannot get in
            (None, _) if !shared.was_ever_in || self.keeps.is_empty() => {
                let what = match shared.tried.last() {
                    Some((_, kept_at)) => format!("the login that was kept at {kept_at:.0} no longer lets in"),
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
            (None, _) => Err(self.wait_for_another(shared)),
        }
    }

    /// Logs in through the form, unless that would be once too often. The caller holds the lock.
    async fn submit_credentials(
        &self,
        page: &mut dyn Page,
        credentials: &Credentials,
        door: &Url,
        shared: &mut Shared,
    ) -> Result<Vec<Cookie>, AttemptError> {
        let refused = |message: String| AttemptError::new(FailureKind::LoginRefused, message);
        if shared.unanswered_count >= MAX_UNANSWERED {
            return Err(refused(format!(
                "the portal did not say what became of the login, {MAX_UNANSWERED} times: the password is not sent again in \
                 this run, since repeated refusals lock an account; see whether one can log in by hand, then run again"
            )));
        }
        if self.ground.unproven_login_count.load(Ordering::Relaxed) >= MAX_UNPROVEN {
            return Err(refused(format!(
                "{MAX_UNPROVEN} logins in a row ended before they let a single page be seen: somebody else may be using \
                 the same account, or it wants something that a program cannot give. The password is not sent again in \
                 this run; log in by hand with `coupa-batch login --base-url {}`, without COUPA_USERNAME",
                self.ground.base
            )));
        }
        if let Some(at) = self.refused_before(credentials).await {
            return Err(refused(refused_before(self.ground.base.as_str(), at)));
        }
        match self.send_form(page, credentials, door, shared).await? {
            FormResult::In(cookies) => Ok(cookies),
            FormResult::Refused(said) => {
                self.remember_refusal(credentials).await;
                let said = said.map(|said| format!(" ({said:?})")).unwrap_or_default();
                Err(refused(format!(
                    "the portal refused the login{said}: check COUPA_USERNAME and COUPA_PASSWORD, or save another \
                     password with `coupa-batch login --save-password`. It is not tried again, since repeated refusals \
                     lock an account"
                )))
            }
            FormResult::More(shown) => {
                shared.second_step = Some(shown);
                Err(self.wait_for_another(shared))
            }
        }
    }

    /// From now on only a person's login helps.
    fn wait_for_another(&self, shared: &mut Shared) -> AttemptError {
        shared.waits_for_person = true;
        self.person_wanted(shared)
    }

    fn person_wanted(&self, shared: &Shared) -> AttemptError {
        let by_hand = format!("`coupa-batch login --base-url {}`", self.ground.base);
        match (&shared.second_step, self.keeps.is_empty()) {
            (Some(shown), true) => AttemptError::new(
                FailureKind::LoginRefused,
                format!(
                    "the portal took the password and then wants something else, such as a code: it shows {shown}. Only a \
                     person can go on: log in by hand with {by_hand}, without user name and password"
                ),
            ),
            (second_step, _) => {
                let why = match second_step {
                    Some(shown) => format!(
                        "the portal wants a second step after the password, such as a code (it shows {shown}), and only \
                         a person can make the login: run {by_hand}, without user name and password,"
                    ),
                    None => {
                        format!("the login has ended, and only a person can make a new one: run {by_hand}")
                    }
                };
                AttemptError {
                    retry_after: Some(LOOK_FOR_PERSON),
                    ..AttemptError::new(
                        FailureKind::LoginRequired,
                        format!("{why} in another terminal, and this run goes on by itself"),
                    )
                }
            }
        }
    }

    async fn go(&self, page: &mut dyn Page, address: &Url) -> Result<(), AttemptError> {
        self.ground.pace.turn(&CancellationToken::new()).await;
        page.goto(address.as_str()).await.map_err(|error| error::of_session(error, &self.ground.base))
    }

    async fn look(&self, page: &mut dyn Page) -> Result<(PageFacts, PageKind), AttemptError> {
        let look = PageSnapshot::take(page, &self.ground.recipe, FileOrigin::Order).await?.look;
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
