//! Whether a session is logged in. Only the login check proves it: an address that shows its page to logged-in users
//! alone. Any other page without a login form (a second step, a front page with an error message) proves nothing.
//!
//! "Not found" at that address is weak evidence: the page of order 0 shows nothing else to a user, and some portals
//! show it to everybody. An order that this run has already seen is better evidence.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::state::{LoginState, SharedLogin};
use crate::backend::{AttemptError, DocumentInfo, Page, SessionError};
use crate::model::{Failure, FailureKind};
use crate::site::Recipe;
use crate::site::error;
use crate::site::page::classify::{PageFacts, PageKind, classify, describe, is_answer_to};

const REQUEST: &str = include_str!("check.js");

/// How long a script waits for the response of the check address.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Whether a session is logged in, by the response of the check address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AuthState {
    /// It is: the address shows its page.
    Open,
    /// It may be: the portal says "not found" or "not allowed", which some portals tell everybody.
    Unproven,
    /// It is not: this is the portal's own login page.
    Form,
    /// It is not: this is another host, where companies have their single sign-on.
    Elsewhere(String),
    /// It is not: this is some other page of the portal, described. As a rule it is a second step of the login.
    Closed(String),
}

impl AuthState {
    /// Whether the portal let the session pass, as far as its response tells.
    pub(crate) fn lets_pass(&self) -> bool {
        match self {
            Self::Open | Self::Unproven => true,
            Self::Form | Self::Elsewhere(_) | Self::Closed(_) => false,
        }
    }
}

/// The response to a request by a script of the page.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthResponse {
    url: String,
    status: u16,
    title: String,
    has_form: bool,
    has_marker: bool,
    notices: Vec<String>,
}

impl SharedLogin {
    /// The address that tells whether a session is logged in.
    pub(crate) fn check_address(&self, shared: &LoginState) -> Url {
        shared.learned_check.clone().unwrap_or_else(|| {
            let paths = &self.context.recipe.address;
            let path = paths.login_check.clone().unwrap_or_else(|| paths.no_order_path());
            self.context.at(&path)
        })
    }

    /// Opens the check address and tells whether the session is logged in.
    ///
    /// # Errors
    /// What is wrong with the portal, when its response does not tell.
    pub(crate) async fn open_check_page(&self, page: &mut dyn Page, address: &Url) -> Result<AuthState, AttemptError> {
        self.go(page, address).await?;
        let look = self.look(page).await?.0;
        auth_state(&self.context.recipe, address, &look).map_err(error::of_failure)
    }

    /// As [`SharedLogin::ask_check`], for callers to whom an inconclusive response is no response.
    pub(crate) async fn request_check(
        &self,
        page: &mut dyn Page,
        address: &Url,
        is_stranger: bool,
    ) -> Result<Option<AuthState>, AttemptError> {
        Ok(self.ask_check(page, address, is_stranger).await?.and_then(Result::ok))
    }

    /// Requests the check address with a script of the page, which stays as it is. `None` when that is not possible:
    /// the page belongs to another site, or is being left, or the account may not open the address. The inner error is
    /// what is wrong with the portal when its response does not tell. With `is_stranger` no cookie is sent.
    pub(crate) async fn ask_check(
        &self,
        page: &mut dyn Page,
        address: &Url,
        is_stranger: bool,
    ) -> Result<Option<Result<AuthState, Failure>>, AttemptError> {
        self.context.pace.turn(&CancellationToken::new()).await;
        let recipe = &self.context.recipe;
        let any_of = |selectors: &[crate::site::Selector]| {
            Value::from(selectors.iter().map(|css| css.as_str()).collect::<Vec<_>>().join(", "))
        };
        let form = Value::from(recipe.login.form.as_str());
        let (markers, rejections) = (any_of(&recipe.order.markers), any_of(&recipe.errors.css));
        let limit = self.context.within_script(ANSWER_WITHIN).as_millis();
        let limit = Value::from(u64::try_from(limit).unwrap_or(u64::MAX));
        let args = vec![Value::from(address.as_str()), form, markers, rejections, Value::from(is_stranger), limit];
        let answer = match page.evaluate(REQUEST, args).await {
            Ok(answer) => serde_json::from_value::<Option<AuthResponse>>(answer).ok().flatten(),
            Err(SessionError::Refused(why)) => {
                tracing::debug!(%why, "the login check could not be requested");
                None
            }
            Err(error) => return Err(error::of_session(error, &self.context.base)),
        };
        let Some(AuthResponse { url, status, title, has_form, has_marker, notices }) = answer else { return Ok(None) };
        let evidence = DocumentInfo { url, title, status: Some(status), ..DocumentInfo::default() };
        let look = PageFacts { evidence, has_marker, has_login_form: has_form, notices };
        // to an account that may not open the address it tells nothing
        let is_closed = status == 403;
        Ok(Some(auth_state(recipe, address, &look)).filter(|state| state.is_ok() || !is_closed))
    }

    /// Resolves [`AuthState::Unproven`] with an order that this run has seen, if there is one: a logged-in user still
    /// sees it.
    pub(crate) async fn prove(&self, page: &mut dyn Page, state: AuthState) -> Result<AuthState, AttemptError> {
        let Some(order) = self.seen_order().filter(|_| state == AuthState::Unproven) else { return Ok(state) };
        Ok(match self.request_check(page, &order, false).await? {
            Some(AuthState::Unproven) => {
                AuthState::Closed(format!("no longer the page {order}, which it has shown in this run"))
            }
            Some(proven) => proven,
            None => state,
        })
    }
}

/// What the response of the check address says about the login. An error if it says nothing.
fn auth_state(recipe: &Recipe, address: &Url, look: &PageFacts) -> Result<AuthState, Failure> {
    let kind = classify(recipe, address, look);
    let is_unknown = matches!(kind, PageKind::Unknown(_));
    match kind {
        PageKind::Login => Ok(AuthState::Form),
        PageKind::Elsewhere(host) => Ok(AuthState::Elsewhere(host)),
        PageKind::Wanted => Ok(AuthState::Open),
        kind @ (PageKind::Throttled | PageKind::Down(_) | PageKind::Unreached(_)) => {
            kind.require("whether the login is in force").map(|()| AuthState::Open)
        }
        PageKind::NotFound(_) | PageKind::NotAllowed(_) | PageKind::Unknown(_) => match look.evidence.status {
            Some(403) => Err(Failure::new(
                FailureKind::SiteDown,
                format!(
                    "the portal answered the login check with 403 ({}): it may block this machine, or this account \
                     may not open the recipe's address.login_check",
                    describe(&look.evidence)
                ),
            )),
            _ if !is_answer_to(recipe, address, look) => Ok(AuthState::Closed(describe(&look.evidence))),
            _ if is_unknown => Ok(AuthState::Open),
            _ => Ok(AuthState::Unproven),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::recipe::parse::load;

    const CHECK: &str = "https://acme.test/order_headers/0";

    fn judged(url: &str, status: u16, has_login_form: bool, notice: &str) -> Result<AuthState, Failure> {
        let evidence = DocumentInfo { url: url.to_owned(), status: Some(status), ..DocumentInfo::default() };
        let notices = vec![notice.to_owned()];
        let look = PageFacts { evidence, has_login_form, notices, ..PageFacts::default() };
        auth_state(&load("coupa").unwrap(), &CHECK.parse().unwrap(), &look)
    }

    #[test]
    fn only_an_answer_to_its_own_address_means_logged_in_and_not_found_leaves_it_open() {
        assert_eq!(judged(CHECK, 200, false, "Order 0"), Ok(AuthState::Open));
        let oops = "Oops! We couldn't find what you wanted";
        for (url, status, notice) in [
            (CHECK, 404, "Gone"),
            (CHECK, 200, oops),
            (CHECK, 200, "You are not authorized"),
            ("https://acme.test/home", 200, oops),
        ] {
            assert_eq!(judged(url, status, false, notice), Ok(AuthState::Unproven), "{url} {notice}");
        }
        for (url, status) in [
            ("https://acme.test/mfa", 200),
            ("https://acme.test/welcome", 200),
            ("https://acme.test/welcome", 404),
            ("https://acme.test/", 200),
        ] {
            assert!(matches!(judged(url, status, false, "Welcome"), Ok(AuthState::Closed(_))), "{url}");
        }
        assert_eq!(judged(CHECK, 401, false, "Page not found"), Ok(AuthState::Form));
        assert_eq!(judged(CHECK, 200, true, ""), Ok(AuthState::Form));
        assert_eq!(judged("https://acme.test/sessions/new", 200, false, ""), Ok(AuthState::Form));
        assert_eq!(judged("https://idp.test/saml", 200, false, ""), Ok(AuthState::Elsewhere("idp.test".to_owned())));
    }

    #[test]
    fn a_portal_in_trouble_says_nothing_about_a_login() {
        for status in [403, 429, 500, 503] {
            assert!(judged(CHECK, status, false, "Access denied").is_err(), "{status}");
        }
    }
}
