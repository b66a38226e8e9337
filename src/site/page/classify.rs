//! What kind of page is shown, from what is on it. Decides on data alone.

use url::Url;

use crate::backend::DocumentInfo;
use crate::model::{Failure, FailureKind};
use crate::site::Recipe;

/// What was seen of a page.
#[derive(Clone, Debug, Default)]
pub(crate) struct PageFacts {
    pub(crate) evidence: DocumentInfo,
    /// One of the markers of the requested page is there.
    pub(crate) has_marker: bool,
    pub(crate) has_login_form: bool,
    /// Texts in the places where the portal shows its errors.
    pub(crate) notices: Vec<String>,
}

/// What kind of page it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PageKind {
    /// The requested one.
    Wanted,
    /// The portal's login page.
    Login,
    /// A page of another host, where companies keep their single sign-on.
    Elsewhere(String),
    NotFound(String),
    NotAllowed(String),
    Throttled,
    Down(u16),
    /// No page of the portal, because it could not be reached; the text says why.
    Unreached(String),
    /// None that the recipe knows; the text describes it.
    Unknown(String),
}

/// Refusals usually have status 200, so the page is read before its status is believed.
///
/// An order page with a refusal on it is an order page: portals show the message of an earlier request on the next page
/// of the same login, which may be another worker's.
pub(crate) fn classify(recipe: &Recipe, wanted: &Url, look: &PageFacts) -> PageKind {
    let PageFacts { evidence, has_marker, has_login_form, notices } = look;
    match evidence.status {
        Some(429) => return PageKind::Throttled,
        Some(status @ 500..) => return PageKind::Down(status),
        _ => {}
    }
    if let Some(why) = &evidence.network_error {
        return PageKind::Unreached(why.clone());
    }
    let Ok(shown) = Url::parse(&evidence.url) else { return PageKind::Unknown(describe(evidence)) };
    if !matches!(shown.scheme(), "http" | "https") {
        return PageKind::Unreached("the browser shows a page of its own".to_owned());
    }
    if !is_same_host(&shown, wanted) {
        return PageKind::Elsewhere(shown.host_str().unwrap_or_default().to_owned());
    }
    let is_login_path = recipe.address.login_paths.iter().any(|path| is_at(shown.path(), path));
    // whoever is not allowed although he is known gets 403
    if *has_login_form || is_login_path || evidence.status == Some(401) {
        return PageKind::Login;
    }
    if *has_marker && is_at(shown.path(), wanted.path()) && is_of_query(recipe, &shown, wanted) {
        return PageKind::Wanted;
    }
    if let Some(notice) = spoken(notices, &recipe.errors.not_found) {
        return PageKind::NotFound(notice);
    }
    if let Some(notice) = spoken(notices, &recipe.errors.not_allowed) {
        return PageKind::NotAllowed(notice);
    }
    match evidence.status {
        Some(404 | 410) => PageKind::NotFound(describe(evidence)),
        Some(403) => PageKind::NotAllowed(describe(evidence)),
        _ => PageKind::Unknown(describe(evidence)),
    }
}

/// Whether what is shown is an answer to what was asked for: it is shown at that address, or says no in the portal's
/// words.
pub(crate) fn is_answer_to(recipe: &Recipe, wanted: &Url, look: &PageFacts) -> bool {
    let is_there = Url::parse(&look.evidence.url)
        .is_ok_and(|shown| is_at(shown.path(), wanted.path()) && is_of_query(recipe, &shown, wanted));
    let says = |texts: &[String]| spoken(&look.notices, texts).is_some();
    is_there || says(&recipe.errors.not_found) || says(&recipe.errors.not_allowed)
}

/// Whether both are the portal's. A portal that moves from http to https is still the same.
pub(crate) fn is_same_host(one: &Url, other: &Url) -> bool {
    one.host_str() == other.host_str()
        && (one.port().is_none() && other.port().is_none()
            || one.port_or_known_default() == other.port_or_known_default())
}

/// Whether `path` is `prefix` or something below it.
pub(crate) fn is_at(path: &str, prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether `shown` asks for the same as `wanted`, on portals that tell their orders apart by the query.
fn is_of_query(recipe: &Recipe, shown: &Url, wanted: &Url) -> bool {
    !recipe.address.order.contains('?')
        || wanted.query_pairs().all(|pair| shown.query_pairs().any(|other| other == pair))
}

/// The notice that holds one of `texts`.
pub(crate) fn spoken(notices: &[String], texts: &[String]) -> Option<String> {
    notices
        .iter()
        .find(|notice| texts.iter().any(|text| plain(notice).contains(&plain(text))))
        .map(|notice| short(notice))
}

/// Lower case, with the plain apostrophe.
fn plain(text: &str) -> String {
    text.to_lowercase().replace(['\u{2019}', '\u{2018}', '\u{b4}'], "'")
}

fn short(text: &str) -> String {
    text.chars().take(200).collect()
}

/// A page in words: its address without what may be secret, its title, its status.
pub(crate) fn describe(evidence: &DocumentInfo) -> String {
    let status = evidence.status.map(|status| format!(", status {status}")).unwrap_or_default();
    format!("{} ({:?}{status})", without_query(&evidence.url), short(&evidence.title))
}

/// An address without what may be a one-time token.
pub(crate) fn without_query(address: &str) -> &str {
    address.split(['?', '#']).next().unwrap_or_default()
}

impl PageKind {
    /// Whether the portal as a whole is at fault, whichever of its pages was asked for.
    pub(crate) fn is_trouble(&self) -> bool {
        match self {
            Self::Login | Self::Elsewhere(_) | Self::Throttled | Self::Down(_) | Self::Unreached(_) => true,
            Self::Wanted | Self::NotFound(_) | Self::NotAllowed(_) | Self::Unknown(_) => false,
        }
    }

    /// Whether the portal, or the way to it, is in trouble: such a page says nothing about a login.
    pub(crate) fn is_down(&self) -> bool {
        match self {
            Self::Throttled | Self::Down(_) | Self::Unreached(_) => true,
            Self::Wanted
            | Self::Login
            | Self::Elsewhere(_)
            | Self::NotFound(_)
            | Self::NotAllowed(_)
            | Self::Unknown(_) => false,
        }
    }

    /// Whether a click that showed this page has led out of the portal: that concerns one link only, unless the page
    /// that was left cannot be opened again.
    pub(crate) fn is_redirected(&self) -> bool {
        match self {
            Self::Elsewhere(_) | Self::Unreached(_) => true,
            Self::Wanted
            | Self::Login
            | Self::NotFound(_)
            | Self::NotAllowed(_)
            | Self::Throttled
            | Self::Down(_)
            | Self::Unknown(_) => false,
        }
    }

    /// What an attempt that met this page instead of `what` ends with; `Ok` if it is the page that was wanted.
    pub(crate) fn require(self, what: &str) -> Result<(), Failure> {
        let (kind, message) = match self {
            Self::Wanted => return Ok(()),
            Self::Login => (
                FailureKind::LoginRequired,
                format!("the portal asked for a login instead of showing {what}: the login has ended"),
            ),
            Self::Elsewhere(host) => (
                FailureKind::LoginRequired,
                format!("the portal sent the browser to {host} instead of showing {what}: probably its single sign-on"),
            ),
            Self::NotFound(notice) => {
                (FailureKind::OrderMissing, format!("the portal does not know {what} ({notice:?}): check the number"))
            }
            Self::NotAllowed(notice) => (
                FailureKind::AccessDenied,
                format!("the portal does not let this login see {what} ({notice:?}): ask for access to it"),
            ),
            Self::Throttled => (
                FailureKind::Throttled,
                "the portal limits requests (429): the program tries again later; --polite helps".to_owned(),
            ),
            Self::Down(status) => (
                FailureKind::SiteDown,
                format!("the portal answered with a server error ({status}): the program tries again later"),
            ),
            Self::Unreached(why) => (
                FailureKind::Unreachable,
                format!("the portal cannot be reached: {why}; check --base-url and the network"),
            ),
            Self::Unknown(shown) => (
                FailureKind::PageChanged,
                format!(
                    "instead of {what}, the portal showed a page that the site recipe does not recognise: {shown}; if \
                     you see {what} there in a browser, change the recipe (docs/recipes.md)"
                ),
            ),
        };
        Err(Failure::new(kind, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::recipe::parse::load;

    const WANTED: &str = "https://acme.test/order_headers/7";

    fn kind(url: &str, status: u16, has_marker: bool, has_login_form: bool, notices: &[&str]) -> PageKind {
        let evidence = DocumentInfo { url: url.to_owned(), status: Some(status), ..DocumentInfo::default() };
        let notices = notices.iter().map(|&notice| notice.to_owned()).collect();
        let look = PageFacts { evidence, has_marker, has_login_form, notices };
        classify(&load("coupa").unwrap(), &WANTED.parse().unwrap(), &look)
    }

    #[test]
    fn an_order_page_needs_its_marker_and_its_address() {
        assert_eq!(kind(WANTED, 200, true, false, &["PO 7"]), PageKind::Wanted);
        assert!(matches!(kind(WANTED, 200, false, false, &[]), PageKind::Unknown(_)));
        assert!(matches!(kind("https://acme.test/order_headers/77", 200, true, false, &[]), PageKind::Unknown(_)));
        assert!(matches!(kind("https://acme.test/", 200, true, false, &[]), PageKind::Unknown(_)));
    }

    #[test]
    fn where_orders_are_told_apart_by_a_query_an_order_page_needs_it() {
        let recipe = load("table").unwrap();
        let kind = |url: &str| {
            let evidence = DocumentInfo { url: url.to_owned(), status: Some(200), ..DocumentInfo::default() };
            let look = PageFacts { evidence, has_marker: true, ..PageFacts::default() };
            classify(&recipe, &"https://acme.test/documents?order=7".parse().unwrap(), &look)
        };
        for shown in ["?order=7", "?order=7&view=all", "?lang=en&order=7#top"] {
            assert_eq!(kind(&format!("https://acme.test/documents{shown}")), PageKind::Wanted, "{shown}");
        }
        for shown in ["", "?order=77", "?request=7", "?order="] {
            assert!(matches!(kind(&format!("https://acme.test/documents{shown}")), PageKind::Unknown(_)), "{shown}");
        }
        // a portal that tells its orders apart by their paths may say what it likes in its queries
        assert_eq!(self::kind(&format!("{WANTED}?lang=en"), 200, true, false, &[]), PageKind::Wanted);
    }

    #[test]
    fn a_login_page_is_known_by_address_or_form() {
        assert_eq!(kind("https://acme.test/sessions/new", 200, false, false, &[]), PageKind::Login);
        assert_eq!(kind(WANTED, 200, false, true, &["Access denied"]), PageKind::Login);
        assert_eq!(
            kind("https://login.idp.test/x", 200, false, false, &[]),
            PageKind::Elsewhere("login.idp.test".into())
        );
    }

    #[test]
    fn a_page_that_says_401_wants_a_login_whatever_else_stands_on_it() {
        assert_eq!(kind(WANTED, 401, false, false, &["You are not authorized"]), PageKind::Login);
        assert_eq!(kind(WANTED, 401, true, false, &[]), PageKind::Login);
    }

    #[test]
    fn refusals_are_understood_in_every_language_of_the_recipe() {
        let recipe = load("coupa").unwrap();
        for text in &recipe.errors.not_found {
            let notice = format!("Oops! {}.", text.to_uppercase().replace('\'', "\u{2019}"));
            assert!(matches!(kind(WANTED, 200, false, false, &[&notice]), PageKind::NotFound(_)), "{notice}");
        }
        for text in &recipe.errors.not_allowed {
            assert!(matches!(kind(WANTED, 200, false, false, &[text]), PageKind::NotAllowed(_)), "{text}");
        }
    }

    #[test]
    fn an_order_page_with_an_old_message_is_an_order_page() {
        assert_eq!(kind(WANTED, 200, true, false, &["You are not authorized"]), PageKind::Wanted);
    }

    #[test]
    fn a_portal_in_trouble_is_not_taken_at_its_word() {
        assert_eq!(kind(WANTED, 429, false, false, &["Page not found"]), PageKind::Throttled);
        assert_eq!(kind(WANTED, 503, true, true, &["Page not found"]), PageKind::Down(503));
        assert!(matches!(kind("about:blank", 200, false, false, &[]), PageKind::Unreached(_)));
        let why = "the connection to h:443 was refused".to_owned();
        let evidence = DocumentInfo { network_error: Some(why), ..DocumentInfo::default() };
        let facts = PageFacts { evidence, ..PageFacts::default() };
        let unreached = classify(&load("coupa").unwrap(), &WANTED.parse().unwrap(), &facts);
        let unreached = unreached.require("the order").unwrap_err();
        assert!(unreached.message.contains("the connection to h:443 was refused"), "{unreached}");
        assert!(matches!(kind(WANTED, 404, false, false, &[]), PageKind::NotFound(_)));
        assert!(matches!(kind(WANTED, 403, false, false, &[]), PageKind::NotAllowed(_)));
    }

    #[test]
    fn no_message_shows_the_query_of_an_address() {
        let unknown = kind("https://acme.test/x?token=secret#secret", 200, false, false, &[]);
        assert!(!unknown.require("the order").unwrap_err().message.contains("secret"));
    }
}
