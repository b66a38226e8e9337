//! The door: an address of the portal that nobody sees who is not logged in. That somebody is in is said on its answer
//! alone, since any other page that is no login page (a second step, a front page with a complaint) proves nothing.

use serde::Deserialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{Login, Shared};
use crate::backend::{AttemptError, DocumentInfo, Page, SessionError};
use crate::model::{Failure, FailureKind};
use crate::site::Recipe;
use crate::site::error;
use crate::site::page::classify::{PageFacts, PageKind, classify, describe, is_answer_to};

const ASK: &str = include_str!("door.js");

/// The number that no order has, unless the recipe names a door.
const NO_ORDER: &str = "0";

/// What stands between a session and the portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AuthState {
    /// Nothing.
    Open,
    /// The portal's own login page.
    Form,
    /// Another host, where companies keep their single sign-on.
    Elsewhere(String),
    /// Some other page of the portal's own, described: a second step, as a rule.
    Closed(String),
}

/// An answer that a script in the page was given.
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

impl Login {
    /// The door's address.
    pub(crate) fn door(&self, shared: &Shared) -> Url {
        shared.learned_door.clone().unwrap_or_else(|| {
            let address = &self.ground.recipe.address;
            let door = address.door.clone().unwrap_or_else(|| address.order.replace("{digits}", NO_ORDER));
            self.ground.at(&door)
        })
    }

    /// Goes to the door and looks whether it is open.
    ///
    /// # Errors
    /// The portal's trouble, if it cannot be told.
    pub(crate) async fn look_at_door(&self, page: &mut dyn Page, door: &Url) -> Result<AuthState, AttemptError> {
        self.go(page, door).await?;
        let look = self.look(page).await?.0;
        judge(&self.ground.recipe, door, &look).map_err(error::of_failure)
    }

    /// Asks for the door from within the page, which stays as it is. `None` when that cannot be told: the page is not the
    /// portal's, or it is being left. A `stranger` shows no cookie.
    pub(crate) async fn ask_for_door(
        &self,
        page: &mut dyn Page,
        door: &Url,
        is_stranger: bool,
    ) -> Result<Option<AuthState>, AttemptError> {
        self.ground.pace.turn(&CancellationToken::new()).await;
        let recipe = &self.ground.recipe;
        let any_of = |selectors: &[crate::site::Selector]| {
            Value::from(selectors.iter().map(|css| css.as_str()).collect::<Vec<_>>().join(", "))
        };
        let form = Value::from(recipe.login.form.as_str());
        let (markers, refusals) = (any_of(&recipe.order.markers), any_of(&recipe.errors.css));
        let args = vec![Value::from(door.as_str()), form, markers, refusals, Value::from(is_stranger)];
        let answer = match page.evaluate(ASK, args).await {
            Ok(answer) => serde_json::from_value::<Option<AuthResponse>>(answer).ok().flatten(),
            Err(SessionError::Refused(why)) => {
                tracing::debug!(%why, "the door could not be asked for");
                None
            }
            Err(error) => return Err(error::of_session(error, &self.ground.base)),
        };
        let Some(AuthResponse { url, status, title, has_form, has_marker, notices }) = answer else { return Ok(None) };
        let evidence = DocumentInfo { url, title, status: Some(status), ..DocumentInfo::default() };
        let look = PageFacts { evidence, has_marker, has_login_form: has_form, notices };
        Ok(judge(recipe, door, &look).ok())
    }
}

/// What an answer to the door's address says; an error when it says nothing about it.
fn judge(recipe: &Recipe, door: &Url, look: &PageFacts) -> Result<AuthState, Failure> {
    match classify(recipe, door, look) {
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
                    "the portal answers 403 where it would show whether one is logged in ({}): it may block this \
                     machine, or the recipe's address.door is not for this account",
                    describe(&look.evidence)
                ),
            )),
            _ if is_answer_to(recipe, door, look) => Ok(AuthState::Open),
            _ => Ok(AuthState::Closed(describe(&look.evidence))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::recipe::parse::load;

    const DOOR: &str = "https://acme.test/order_headers/0";

    fn judged(url: &str, status: u16, has_login_form: bool, notice: &str) -> Result<AuthState, Failure> {
        let evidence = DocumentInfo { url: url.to_owned(), status: Some(status), ..DocumentInfo::default() };
        let notices = vec![notice.to_owned()];
        let look = PageFacts { evidence, has_login_form, notices, ..PageFacts::default() };
        judge(&load("coupa").unwrap(), &DOOR.parse().unwrap(), &look)
    }

    #[test]
    fn only_an_answer_to_its_own_address_or_in_the_portals_words_opens_the_door() {
        for (url, status, notice) in [
            (DOOR, 200, "Order 0"),
            (DOOR, 404, "Gone"),
            ("https://acme.test/home", 200, "Oops! We couldn't find what you wanted"),
        ] {
            assert_eq!(judged(url, status, false, notice), Ok(AuthState::Open), "{url} {notice}");
        }
        for (url, status) in [
            ("https://acme.test/mfa", 200),
            ("https://acme.test/welcome", 200),
            ("https://acme.test/welcome", 404),
            ("https://acme.test/", 200),
        ] {
            assert!(matches!(judged(url, status, false, "Welcome"), Ok(AuthState::Closed(_))), "{url}");
        }
        assert_eq!(judged(DOOR, 401, false, "Page not found"), Ok(AuthState::Form));
        assert_eq!(judged(DOOR, 200, true, ""), Ok(AuthState::Form));
        assert_eq!(judged("https://acme.test/sessions/new", 200, false, ""), Ok(AuthState::Form));
        assert_eq!(judged("https://idp.test/saml", 200, false, ""), Ok(AuthState::Elsewhere("idp.test".to_owned())));
    }

    #[test]
    fn a_portal_in_trouble_says_nothing_about_a_login() {
        for status in [403, 429, 500, 503] {
            assert!(judged(DOOR, status, false, "Access denied").is_err(), "{status}");
        }
    }
}
