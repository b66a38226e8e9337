//! The cookies of one session, and which of them a request carries: RFC 6265, section 5.

use std::fmt;
use std::net::IpAddr;

use cookie::Cookie;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// Most cookies that answers may add: browsers keep some 180 of one site.
const MAX_COOKIES: usize = 300;
/// Longest name and value that an answer may set, in bytes, as in browsers.
const MAX_COOKIE: usize = 4096;

/// One cookie. Its value is a secret.
#[derive(Clone)]
pub struct StoredCookie {
    name: String,
    value: SecretString,
    /// In lower case, without a dot before it.
    domain: String,
    /// Whether it is for the host `domain` alone, and not for those below it.
    is_host_only: bool,
    path: String,
    is_secure: bool,
    /// When it ends, in seconds since 1970; none for the end of the session.
    expiry: Option<i64>,
}

impl StoredCookie {
    /// A cookie as WebDriver describes it, of a page of `host`: a domain that begins with a dot stands for all hosts
    /// below it, any other for itself alone, and none for `host`.
    #[must_use]
    pub fn new(name: &str, value: SecretString, domain: Option<&str>, host: &str) -> Self {
        let domain = domain.map(str::trim).filter(|domain| !domain.is_empty()).unwrap_or(host);
        let (domain, is_host_only) = match domain.strip_prefix('.') {
            Some(below) if !is_ip(below) => (below, false),
            Some(number) => (number, true),
            None => (domain, true),
        };
        let domain = domain.to_ascii_lowercase();
        Self { name: name.to_owned(), value, domain, is_host_only, path: "/".into(), is_secure: false, expiry: None }
    }

    /// The same for addresses below `path` alone.
    #[must_use]
    pub fn at_path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// The same for TLS alone, if `is_secure`.
    #[must_use]
    pub fn secure(mut self, is_secure: bool) -> Self {
        self.is_secure = is_secure;
        self
    }

    /// The same until `expiry`, in seconds since 1970.
    #[must_use]
    pub fn until(mut self, expiry: Option<u64>) -> Self {
        self.expiry = expiry.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX));
        self
    }

    /// A `Set-Cookie` of an answer from `url`; none if it is not a cookie, or not that host's to set.
    fn parse(text: &str, url: &Url, now: Timestamp) -> Option<Self> {
        let host = url.host_str()?;
        let parsed = Cookie::parse(text).ok()?;
        if parsed.name().len() + parsed.value().len() > MAX_COOKIE {
            return None;
        }
        let domain = parsed.domain().map(|domain| domain.trim_start_matches('.').to_ascii_lowercase());
        let domain = domain.filter(|domain| !domain.is_empty() && domain != host);
        if let Some(domain) = &domain {
            // a domain of one label is nobody's: it would be sent to every host below it
            let is_theirs = domain.contains('.') && is_below(host, domain);
            is_theirs.then_some(())?;
        }
        let lasts = parsed.max_age().map(|age| now.as_second().saturating_add(age.whole_seconds()));
        let expiry = lasts.or(parsed.expires_datetime().map(|at| at.unix_timestamp()));
        let path = parsed.path().filter(|path| path.starts_with('/')).unwrap_or(default_path(url));
        Some(Self {
            name: parsed.name().to_owned(),
            value: SecretString::from(parsed.value()),
            is_host_only: domain.is_none(),
            domain: domain.unwrap_or_else(|| host.to_owned()),
            path: path.to_owned(),
            is_secure: parsed.secure().unwrap_or_default(),
            expiry,
        })
    }

    fn is_for(&self, url: &Url, host: &str, now: Timestamp) -> bool {
        let is_of_host = if self.is_host_only { host == self.domain } else { is_below(host, &self.domain) };
        is_of_host
            && is_at(url.path(), &self.path)
            && (!self.is_secure || url.scheme() == "https")
            && self.expiry.is_none_or(|expiry| expiry > now.as_second())
    }

    fn is_same(&self, other: &Self) -> bool {
        (&self.name, &self.domain, &self.path) == (&other.name, &other.domain, &other.path)
    }
}

impl fmt::Debug for StoredCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredCookie({} for {}{})", self.name, self.domain, self.path)
    }
}

/// The cookies of one session.
#[derive(Clone, Debug, Default)]
pub struct CookieJar(Vec<StoredCookie>);

impl CookieJar {
    /// Adds a cookie, or replaces the one of the same name, domain and path.
    pub fn insert(&mut self, cookie: StoredCookie) {
        if let Some(known) = self.0.iter_mut().find(|known| known.is_same(&cookie)) {
            *known = cookie;
        } else if self.0.len() < MAX_COOKIES {
            self.0.push(cookie);
        }
    }

    /// The value of the header `Cookie` for a request to `url`; none when no cookie is for it. Longer paths come first,
    /// then what was added first.
    #[must_use]
    pub fn header_for(&self, url: &Url, now: Timestamp) -> Option<SecretString> {
        let host = url.host_str()?;
        let mut sent: Vec<_> = self.0.iter().filter(|cookie| cookie.is_for(url, host, now)).collect();
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs = sent.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value.expose_secret()));
        let header = pairs.collect::<Vec<_>>().join("; ");
        (!header.is_empty()).then(|| SecretString::from(header))
    }

    /// Takes note of one `Set-Cookie` of an answer from `url`. Returns whether it has given a cookie of this jar
    /// another value, or ended it: then the owner of the jar has an old one.
    pub fn store(&mut self, set_cookie: &[u8], url: &Url, now: Timestamp) -> bool {
        let parsed = std::str::from_utf8(set_cookie).ok().and_then(|text| StoredCookie::parse(text, url, now));
        let Some(cookie) = parsed else { return false };
        let known = self.0.iter().find(|known| known.is_same(&cookie));
        let is_changed = known.is_some_and(|known| {
            known.value.expose_secret() != cookie.value.expose_secret()
                || cookie.expiry.is_some_and(|expiry| expiry <= now.as_second())
        });
        self.insert(cookie);
        is_changed
    }
}

/// Whether `host` is `domain`, or a name below it.
fn is_below(host: &str, domain: &str) -> bool {
    let above = host.strip_suffix(domain);
    above.is_some_and(|rest| rest.is_empty() || rest.ends_with('.') && !is_ip(host))
}

fn is_ip(host: &str) -> bool {
    host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

/// Whether `path` is `prefix` or something below it.
fn is_at(path: &str, prefix: &str) -> bool {
    let below = path.strip_prefix(prefix);
    below.is_some_and(|rest| rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/'))
}

/// The folder of an address.
fn default_path(url: &Url) -> &str {
    match url.path().rfind('/') {
        None | Some(0) => "/",
        Some(end) => &url.path()[..end],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_790_000_000;

    fn now() -> Timestamp {
        Timestamp::from_second(NOW).unwrap()
    }

    fn cookie(name: &str, domain: Option<&str>) -> StoredCookie {
        StoredCookie::new(name, SecretString::from("v"), domain, "acme.coupahost.com")
    }

    fn sent(jar: &CookieJar, url: &str) -> String {
        let header = jar.header_for(&url.parse().unwrap(), now());
        header.map(|header| header.expose_secret().to_owned()).unwrap_or_default()
    }

    #[test]
    fn a_cookie_is_sent_to_its_host_or_to_all_hosts_below_its_domain() {
        for (domain, url, is_sent) in [
            (None, "https://acme.coupahost.com/x", true),
            (None, "https://ACME.coupahost.com/x", true),
            (None, "https://acme.coupahost.com:8443/x", true),
            (None, "https://files.acme.coupahost.com/x", false),
            (None, "https://coupahost.com/x", false),
            (Some("acme.coupahost.com"), "https://files.acme.coupahost.com/x", false),
            (Some(".coupahost.com"), "https://acme.coupahost.com/x", true),
            (Some(".coupahost.com"), "https://files.coupahost.com/x", true),
            (Some(".CoupaHost.com"), "https://coupahost.com/x", true),
            (Some(".coupahost.com"), "https://evilcoupahost.com/x", false),
            (Some(".coupahost.com"), "https://coupahost.com.evil.test/x", false),
            (Some(".coupahost.com"), "https://evil.test/coupahost.com", false),
            (Some("127.0.0.1"), "http://127.0.0.1:8080/x", true),
            (Some(".0.0.1"), "http://127.0.0.1:8080/x", false),
            (Some(".127.0.0.1"), "http://127.0.0.1:8080/x", true),
        ] {
            let mut jar = CookieJar::default();
            jar.insert(cookie("id", domain));
            assert_eq!(sent(&jar, url) == "id=v", is_sent, "{domain:?} {url}");
        }
    }

    #[test]
    fn path_tls_and_time_are_heeded() {
        let url = "https://acme.coupahost.com/order_headers/7";
        for (cookie, is_sent) in [
            (cookie("id", None).at_path("/order_headers"), true),
            (cookie("id", None).at_path("/order_headers/"), true),
            (cookie("id", None).at_path("/order_head"), false),
            (cookie("id", None).at_path("/order_headers/7/x"), false),
            (cookie("id", None).secure(true), true),
            (cookie("id", None).until(Some(1_790_000_001)), true),
            (cookie("id", None).until(Some(1_790_000_000)), false),
            (cookie("id", None).until(Some(u64::MAX)), true),
        ] {
            let mut jar = CookieJar::default();
            let shown = format!("{cookie:?}");
            jar.insert(cookie);
            assert_eq!(sent(&jar, url) == "id=v", is_sent, "{shown}");
        }
        let mut jar = CookieJar::default();
        jar.insert(cookie("id", None).secure(true));
        assert_eq!(sent(&jar, "http://acme.coupahost.com/"), "");
    }

    #[test]
    fn longer_paths_come_first_and_the_newest_of_a_kind_counts() {
        let mut jar = CookieJar::default();
        for (name, path) in [("a", "/"), ("b", "/x"), ("c", "/"), ("a", "/x")] {
            jar.insert(cookie(name, None).at_path(path));
        }
        jar.insert(StoredCookie::new("c", SecretString::from("new"), None, "acme.coupahost.com"));
        assert_eq!(sent(&jar, "https://acme.coupahost.com/x"), "b=v; a=v; a=v; c=new");
    }

    #[test]
    fn an_answer_sets_cookies_of_its_own_host_alone() {
        let url: Url = "https://acme.coupahost.com/a/b".parse().unwrap();
        for (text, at, header) in [
            ("t=1", "https://acme.coupahost.com/a/c", "t=1"),
            ("t=1", "https://acme.coupahost.com/c", ""),
            ("t=1; Path=/", "https://acme.coupahost.com/", "t=1"),
            ("t=1; Domain=coupahost.com; Path=/", "https://files.coupahost.com/", "t=1"),
            ("t=1; Domain=.coupahost.com; Path=/", "https://files.coupahost.com/", "t=1"),
            ("t=1; Domain=evil.test; Path=/", "https://evil.test/", ""),
            ("t=1; Domain=com; Path=/", "https://evil.com/", ""),
            ("t=1; Path=/; Secure", "http://acme.coupahost.com/", ""),
            ("t=1; Path=/; Max-Age=0", "https://acme.coupahost.com/", ""),
            ("t=1; Path=/; Max-Age=60", "https://acme.coupahost.com/", "t=1"),
            ("t=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "https://acme.coupahost.com/", ""),
            ("nothing", "https://acme.coupahost.com/a/b", ""),
            ("", "https://acme.coupahost.com/a/b", ""),
        ] {
            let mut jar = CookieJar::default();
            assert!(!jar.store(text.as_bytes(), &url, now()));
            assert_eq!(sent(&jar, at), header, "{text}");
        }
    }

    #[test]
    fn a_session_whose_cookie_is_replaced_is_told() {
        let url: Url = "https://acme.coupahost.com/".parse().unwrap();
        let mut jar = CookieJar::default();
        jar.insert(cookie("id", None));
        assert!(!jar.store(b"id=v; Path=/", &url, now()));
        assert!(!jar.store(b"other=1; Path=/", &url, now()));
        assert!(jar.store(b"id=w; Path=/", &url, now()));
        assert!(jar.store(b"id=w; Path=/; Max-Age=0", &url, now()));
        assert_eq!(sent(&jar, url.as_str()), "other=1");
    }

    #[test]
    fn no_value_is_shown() {
        let mut jar = CookieJar::default();
        jar.insert(StoredCookie::new("id", SecretString::from("s3cret"), None, "acme.test"));
        assert!(!format!("{jar:?}").contains("s3cret"));
    }

    proptest! {
        #[test]
        fn no_answer_breaks_the_jar_or_reaches_another_host(text in "\\PC{0,60}|[a-z]=[a-z]; (Domain|Path|Max-Age|Expires)=\\PC{0,30}") {
            let url: Url = "https://acme.coupahost.com/".parse().unwrap();
            let mut jar = CookieJar::default();
            jar.store(text.as_bytes(), &url, now());
            prop_assert_eq!(sent(&jar, "https://evil.test/"), "");
            prop_assert_eq!(sent(&jar, "https://evil.com/"), "");
        }
    }
}
