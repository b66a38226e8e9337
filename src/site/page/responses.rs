//! What the portal's answers to a page and its scripts say, where the page itself is silent.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use super::classify::{PageKind, is_at, is_same_host};
use crate::backend::{AttemptError, Initiator, ResponseInfo};
use crate::model::FailureKind;
use crate::net::retry_after;
use crate::site::Recipe;

/// What was answered since the shown page was asked for.
#[derive(Debug, Default)]
pub(crate) struct Responses(Vec<ResponseInfo>);

impl Responses {
    /// More answers.
    pub(crate) fn extend(&mut self, answers: Vec<ResponseInfo>) {
        self.0.extend(answers);
    }

    /// Another page is asked for.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// When the portal wishes to be asked again, by the answer that was this page.
    pub(crate) fn wish(&self, shown: &PageKind) -> Option<Duration> {
        let status = complaint(shown)?;
        let is_it = |answer: &&ResponseInfo| answer.initiator == Initiator::Navigation && answer.status == status;
        let page = self.0.iter().rev().find(is_it)?;
        retry_after::wished(status, page.retry_after.as_deref())
    }

    /// Why a page that lists nothing may list nothing: a script of it was answered by the portal with an error. Of several
    /// the one that tells most decides; one that was asked again and answered well is none.
    pub(crate) fn excuse(&self, recipe: &Recipe, base: &Url, what: &str) -> Option<AttemptError> {
        let calls = self.0.iter().filter(|answer| answer.initiator == Initiator::Script);
        let last: BTreeMap<&str, &ResponseInfo> = calls.map(|answer| (answer.url.as_str(), answer)).collect();
        let errors = last.into_values().filter(|answer| is_theirs(&answer.url, base));
        let found = errors.filter_map(|answer| Some((excuse_of(answer, recipe, base)?, answer)));
        let ((_, kind, means), answer) = found.min_by_key(|((rank, ..), _)| *rank)?;
        let path = Url::parse(&answer.url).map(|url| url.path().to_owned()).unwrap_or_default();
        let message = format!(
            "the page of {what} lists no attachments, and its script's request for {path} was answered with status {}: \
             {means}",
            answer.status
        );
        let retry_after = retry_after::wished(answer.status, answer.retry_after.as_deref());
        Some(AttemptError { retry_after, ..AttemptError::new(kind, message) })
    }
}

/// The status by which a portal says that it is asked too much, if this page is one.
pub(crate) fn complaint(shown: &PageKind) -> Option<u16> {
    match shown {
        PageKind::Throttled => Some(429),
        PageKind::Down(status) => Some(*status),
        PageKind::Wanted
        | PageKind::Login
        | PageKind::Elsewhere(_)
        | PageKind::NotFound(_)
        | PageKind::NotAllowed(_)
        | PageKind::Unreached(_)
        | PageKind::Unknown(_) => None,
    }
}

/// Whether this address is the portal's login page.
pub(crate) fn is_login(address: &str, recipe: &Recipe, base: &Url) -> bool {
    Url::parse(address).is_ok_and(|url| {
        is_same_host(&url, base) && recipe.address.login_paths.iter().any(|path| is_at(url.path(), path))
    })
}

fn is_theirs(address: &str, base: &Url) -> bool {
    Url::parse(address).is_ok_and(|url| is_same_host(&url, base))
}

/// How much an answer tells (the least first), what it is, and in words.
fn excuse_of(answer: &ResponseInfo, recipe: &Recipe, base: &Url) -> Option<(u8, FailureKind, &'static str)> {
    match answer.status {
        401 => Some((0, FailureKind::LoginRequired, "the login has ended")),
        _ if is_login(&answer.url, recipe, base) => Some((0, FailureKind::LoginRequired, "the login has ended")),
        429 => Some((1, FailureKind::Throttled, "the portal limits requests; the program tries again later")),
        500.. => Some((2, FailureKind::SiteDown, "the program tries again later")),
        403 => Some((3, FailureKind::AccessDenied, "this login may not see it; ask for access")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::recipe::parse::load;

    fn responses(answers: &[(Initiator, &str, u16, Option<&str>)]) -> Responses {
        let answer = |&(initiator, url, status, retry_after): &(Initiator, &str, u16, Option<&str>)| ResponseInfo {
            url: url.to_owned(),
            status,
            initiator,
            media_type: None,
            retry_after: retry_after.map(str::to_owned),
        };
        Responses(answers.iter().map(answer).collect())
    }

    fn excuse(answers: &[(Initiator, &str, u16, Option<&str>)]) -> Option<(FailureKind, Option<u64>)> {
        let base = "https://acme.test/".parse().unwrap();
        let error = responses(answers).excuse(&load("coupa").unwrap(), &base, "order 7")?;
        Some((error.kind, error.retry_after.map(|wish| wish.as_secs())))
    }

    const LIST: &str = "https://acme.test/list/7";

    #[test]
    fn a_call_that_failed_is_why_a_page_is_empty_unless_it_is_not_the_portals_or_was_answered_later() {
        let call = |status, wish| (Initiator::Script, LIST, status, wish);
        for (status, kind) in [
            (401, FailureKind::LoginRequired),
            (403, FailureKind::AccessDenied),
            (429, FailureKind::Throttled),
            (500, FailureKind::SiteDown),
            (503, FailureKind::SiteDown),
        ] {
            assert_eq!(excuse(&[call(status, None)]), Some((kind, None)), "{status}");
        }
        assert_eq!(excuse(&[call(429, Some("7"))]), Some((FailureKind::Throttled, Some(7))));
        assert_eq!(excuse(&[call(200, None)]), None);
        assert_eq!(excuse(&[call(404, None)]), None);
        assert_eq!(excuse(&[call(503, None), call(200, None)]), None);
        assert_eq!(excuse(&[(Initiator::Script, "https://stats.test/x", 429, None)]), None);
        assert_eq!(excuse(&[(Initiator::Navigation, LIST, 429, None)]), None);
        let login = (Initiator::Script, "https://acme.test/sessions/new", 200, None);
        assert_eq!(excuse(&[login]), Some((FailureKind::LoginRequired, None)));
        let other = (Initiator::Script, "https://acme.test/other", 403, None);
        assert_eq!(excuse(&[other, call(401, None)]), Some((FailureKind::LoginRequired, None)));
    }

    #[test]
    fn a_portal_that_throttles_or_is_down_wishes_to_be_asked_less_often() {
        assert_eq!(complaint(&PageKind::Throttled), Some(429));
        assert_eq!(complaint(&PageKind::Down(503)), Some(503));
        assert_eq!(complaint(&PageKind::Down(500)), Some(500));
        assert_eq!(complaint(&PageKind::Login), None);
    }

    #[test]
    fn a_pages_wish_is_its_own() {
        let page = (Initiator::Navigation, "https://acme.test/order_headers/7", 429, Some("9"));
        let call = (Initiator::Script, LIST, 429, Some("99"));
        let responses = responses(&[page, call]);
        assert_eq!(responses.wish(&PageKind::Throttled), Some(Duration::from_secs(9)));
        assert_eq!(responses.wish(&PageKind::Down(503)), None);
        assert_eq!(responses.wish(&PageKind::Wanted), None);
    }
}
