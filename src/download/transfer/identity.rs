//! The identity of a transfer: login and user agent of its browser session.

use std::fmt;

use jiff::Timestamp;
use secrecy::SecretString;
use url::Url;

use crate::backend::Cookie;
use crate::net::{CookieJar, StoredCookie};

/// What a session's browser sends with each request.
#[derive(Clone)]
pub struct ClientIdentity {
    user_agent: String,
    languages: Option<String>,
    jar: CookieJar,
}

impl ClientIdentity {
    /// The identity of a session that shows a page of `portal`, by the cookies that [`crate::backend::Page::cookies`]
    /// returns there and by what `navigator.userAgent` says.
    #[must_use]
    pub fn new(portal: &Url, cookies: &[Cookie], user_agent: &str) -> Self {
        let host = portal.host_str().unwrap_or_default();
        let mut jar = CookieJar::default();
        for Cookie { name, value, domain, path, secure, expiry, http_only: _, same_site: _ } in cookies {
            let cookie = StoredCookie::new(name, value.clone(), domain.as_deref(), host)
                .at_path(path.as_deref().unwrap_or("/"))
                .secure(*secure)
                .until(*expiry);
            jar.insert(cookie);
        }
        Self { user_agent: user_agent.to_owned(), languages: None, jar }
    }

    /// The same with the header `Accept-Language`.
    #[must_use]
    pub fn speaking(mut self, languages: &str) -> Self {
        self.languages = Some(languages.to_owned());
        self
    }

    pub(crate) fn user_agent(&self) -> &str {
        &self.user_agent
    }

    pub(crate) fn languages(&self) -> Option<&str> {
        self.languages.as_deref()
    }

    pub(crate) fn cookies_for(&self, url: &Url) -> Option<SecretString> {
        self.jar.header_for(url, Timestamp::now())
    }

    /// Takes note of one `Set-Cookie`; whether it has replaced a cookie of the session.
    pub(crate) fn store(&mut self, set_cookie: &[u8], url: &Url) -> bool {
        self.jar.store(set_cookie, url, Timestamp::now())
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity")
            .field("user_agent", &self.user_agent)
            .field("jar", &self.jar)
            .finish_non_exhaustive()
    }
}
