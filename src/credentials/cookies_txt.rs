//! `cookies.txt`, the format of Netscape's browser that curl, wget and yt-dlp take and that extensions of browsers write:
//! one cookie a line, seven fields between tabs.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use secrecy::SecretString;

use crate::backend::{Cookie, LoginStore, LoginStoreError, SavedLogin};

/// Such files are a few hundred kilobytes: what is longer is something else.
const MAX_BYTES: u64 = 16 << 20;

/// Before the domain of a cookie that scripts may not see.
const HTTP_ONLY: &str = "#HttpOnly_";

/// The cookies of one portal in a file that somebody exported from a browser.
#[derive(Clone, Debug)]
pub struct CookieFile {
    path: PathBuf,
    host: String,
}

impl CookieFile {
    /// The cookies in `path` that a browser would send to `host`.
    #[must_use]
    pub fn of(path: &Path, host: &str) -> Self {
        Self { path: path.to_owned(), host: host.to_owned() }
    }

    fn failed(&self, why: impl std::fmt::Display) -> LoginStoreError {
        LoginStoreError::Unusable(format!("the cookies in {} cannot be used: {why}", self.path.display()))
    }
}

impl LoginStore for CookieFile {
    fn load(&self) -> Result<Option<SavedLogin>, LoginStoreError> {
        let found = fs::metadata(&self.path).map_err(|why| self.failed(why))?;
        if found.len() > MAX_BYTES {
            return Err(self.failed(format!("the file is too large for cookies ({} bytes)", found.len())));
        }
        let text = fs::read(&self.path).map_err(|why| self.failed(why))?;
        let now = Timestamp::now().as_second();
        let cookies = parse(&String::from_utf8_lossy(&text), &self.host, now).map_err(|why| self.failed(why))?;
        if cookies.is_empty() {
            let host = &self.host;
            return Err(self.failed(format!(
                "the file has no valid cookie of {host}: export it again from a browser that is logged in there"
            )));
        }
        let saved_at = found.modified().ok().and_then(|at| Timestamp::try_from(at).ok()).unwrap_or_default();
        Ok(Some(SavedLogin { cookies, saved_at }))
    }
}

/// The cookies for `host` that are valid at `now`, in seconds since 1970. The error names the line and not what is in it.
fn parse(text: &str, host: &str, now: i64) -> Result<Vec<Cookie>, String> {
    let mut cookies = Vec::new();
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let (line, http_only) = line.strip_prefix(HTTP_ONLY).map_or((line, false), |rest| (rest, true));
        if line.trim().is_empty() || (line.starts_with('#') && !http_only) {
            continue;
        }
        let fields: Vec<_> = line.split('\t').collect();
        let [domain, with_subdomains, path, secure, expiry, name, value] = fields.as_slice() else {
            return Err(format!(
                "line {number} has {} tab-separated fields instead of 7: is the file in the Netscape format?",
                fields.len()
            ));
        };
        // some exporters write fractions
        let expiry = expiry.split('.').next().and_then(|whole| whole.parse::<i64>().ok());
        let Some(expiry) = expiry else {
            return Err(format!("line {number}: the fifth field is not a time in seconds since 1970"));
        };
        let is_over = expiry > 0 && expiry <= now;
        let with_subdomains = with_subdomains.eq_ignore_ascii_case("TRUE") || domain.starts_with('.');
        if is_over || !is_sent_to(domain, host, with_subdomains) {
            continue;
        }
        cookies.push(Cookie {
            name: (*name).to_owned(),
            value: SecretString::from((*value).to_owned()),
            // without it browsers keep a cookie for the host alone
            domain: with_subdomains.then(|| domain.trim_start_matches('.').to_owned()),
            path: Some((*path).to_owned()),
            secure: secure.eq_ignore_ascii_case("TRUE"),
            http_only,
            expiry: (expiry > 0).then(|| expiry.unsigned_abs()),
            same_site: None,
        });
    }
    Ok(cookies)
}

/// Whether a cookie of `domain` is the host's own or, `with_subdomains`, one of a domain that it is in. Browsers refuse those of a whole
/// top-level domain by themselves.
fn is_sent_to(domain: &str, host: &str, with_subdomains: bool) -> bool {
    let domain = domain.trim_start_matches('.').to_ascii_lowercase();
    let host = host.to_ascii_lowercase();
    host == domain
        || (with_subdomains
            && domain.contains('.')
            && host.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    const FILE: &str = "\u{feff}# Netscape HTTP Cookie File\r\n\r\n\
        .acme.test\tTRUE\t/\tTRUE\t2000000000\tremember\ta=b c\r\n\
        #HttpOnly_my.acme.test\tFALSE\t/\tFALSE\t0\t_coupa_session\ts3cret\r\n\
        # a remark\r\n\
        .other.test\tTRUE\t/\tTRUE\t0\tforeign\tx\r\n\
        .test\tTRUE\t/\tTRUE\t0\twide\tx\r\n\
        acme.test\tFALSE\t/\tTRUE\t0\tother\tx\r\n\
        evilacme.test\tTRUE\t/\tTRUE\t0\talike\tx\r\n\
        my.acme.test\tFALSE\t/\tTRUE\t1000.5\tover\tx\r\n";

    #[test]
    fn what_a_browser_would_send_is_taken_and_nothing_else() {
        let cookies = parse(FILE, "my.acme.test", 1_900_000_000).unwrap();
        let names: Vec<_> = cookies.iter().map(|cookie| cookie.name.as_str()).collect();
        assert_eq!(names, ["remember", "_coupa_session"]);
        assert_eq!((cookies[0].expiry, cookies[0].secure, cookies[0].http_only), (Some(2_000_000_000), true, false));
        assert_eq!((cookies[1].expiry, cookies[1].secure, cookies[1].http_only), (None, false, true));
        assert_eq!(cookies[1].value.expose_secret(), "s3cret");
        assert_eq!(cookies[0].domain.as_deref(), Some("acme.test"));
        assert_eq!(cookies[1].domain, None, "it is sent to no other host");
    }

    #[test]
    fn another_format_is_told_by_its_line_and_without_its_content() {
        for (text, line) in [("a=s3cret; b=c", "line 1"), ("# x\n.a.test\tTRUE\t/\tTRUE\tsoon\tn\ts3cret", "line 2")] {
            let told = parse(text, "a.test", 0).unwrap_err();
            assert!(told.contains(line) && !told.contains("s3cret"), "{told}");
        }
    }

    #[test]
    fn a_file_without_cookies_of_the_portal_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cookies.txt");
        fs::write(&path, FILE).unwrap();
        assert_eq!(CookieFile::of(&path, "my.acme.test").load().unwrap().unwrap().cookies.len(), 2);
        let told = CookieFile::of(&path, "elsewhere.test").load().unwrap_err().to_string();
        assert!(told.contains("no valid cookie of elsewhere.test") && told.contains("cookies.txt"), "{told}");
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "(\\PC|[\t\r\n])*", host in "[a-z.]{0,20}") {
            let _ = parse(&text, &host, 0);
        }

        #[test]
        fn no_line_brings_a_cookie_of_another_host(domain in "[a-z.]{1,12}", host in "[a-z]{1,4}\\.[a-z]{1,4}\\.[a-z]{2}") {
            let line = format!("{domain}\tTRUE\t/\tTRUE\t0\tn\tv");
            for cookie in parse(&line, &host, 0).unwrap() {
                let own = cookie.domain.unwrap();
                prop_assert!(host == own || host.ends_with(&format!(".{own}")), "{own} of {host}");
            }
        }
    }
}
