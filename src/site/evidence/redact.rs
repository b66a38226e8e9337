//! What is taken out of evidence: what is known to let somebody in, and what has the shape of it.

use std::sync::LazyLock;

use regex::{Captures, Regex};
use secrecy::{ExposeSecret, SecretString};

/// Stands where something was.
const REMOVED: &str = "[removed]";

/// Stands at the end of a source of which there was more.
const CUT: &str = "\n<!-- cut here -->\n";

/// A shorter password would blot out half a page, and protects nothing anyway.
const SHORTEST_PASSWORD: usize = 4;

/// Shorter values of cookies are flags such as `1` or `en-GB`, which let nobody in.
const SHORTEST_COOKIE: usize = 6;

/// An address, absolute or not, with what may be a token behind it.
const QUERY: &str = r#"([^\s"'<>|\\?#]*/[^\s"'<>|\\?#]*)[?#][^\s"'<>|\\]*"#;
/// Content that is in an address itself.
const CONTENT: &str = r#"\bdata:[^\s"'<>|\\]*"#;
/// A login in an address.
const USER: &str = "://[^\\s/@\"'<>]+@";
/// A part of an address that nobody has thought up, if it is as mixed as it is long.
const SEGMENT: &str = "/[A-Za-z0-9_=~+-]{20,}";
/// All cookies of a request or an answer.
const COOKIES: &str = r#"(?i)(cookie["']?\s*:\s*)[^\r\n|]+"#;
/// A value under a name that says what it is.
const NAMED: &str = concat!(
    r#"(?i)([a-z0-9_\[\]-]*(?:token|secret|csrf|xsrf|nonce|session|auth|passw|cookie|ticket|signature|api[_-]?key)"#,
    r#"[a-z0-9_\[\]-]*["']?\s*[=:]\s*["']?(?:(?:bearer|basic|digest)\s+)?)[^\s"'<>&;,|]+"#
);

/// What a secret looks like, whosever it is.
struct RedactionPatterns {
    query: Regex,
    content: Regex,
    user: Regex,
    segment: Regex,
    cookies: Regex,
    named: Regex,
}

static SHAPES: LazyLock<Result<RedactionPatterns, regex::Error>> = LazyLock::new(|| {
    Ok(RedactionPatterns {
        query: Regex::new(QUERY)?,
        content: Regex::new(CONTENT)?,
        user: Regex::new(USER)?,
        segment: Regex::new(SEGMENT)?,
        cookies: Regex::new(COOKIES)?,
        named: Regex::new(NAMED)?,
    })
});

/// Takes secrets out of texts.
pub(crate) struct Redactor {
    /// In every spelling in which they get into a page, an address or a message, the longest first: a short one would
    /// cut up a long one that holds it, and leave the rest.
    spellings: Vec<String>,
}

impl Redactor {
    pub(crate) fn of<'a>(
        password: Option<&'a SecretString>,
        cookies: impl IntoIterator<Item = &'a SecretString>,
    ) -> Self {
        let long_enough = |secret: &&str, least: usize| secret.len() >= least;
        let password = password.map(ExposeSecret::expose_secret).filter(|it| long_enough(it, SHORTEST_PASSWORD));
        let cookies =
            cookies.into_iter().map(ExposeSecret::expose_secret).filter(|it| long_enough(it, SHORTEST_COOKIE));
        let mut spellings: Vec<String> = password.into_iter().chain(cookies).flat_map(spellings).collect();
        spellings.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        spellings.dedup();
        Self { spellings }
    }

    /// `text` without the secrets that are known.
    fn known(&self, text: &str) -> String {
        self.spellings.iter().fold(text.to_owned(), |text, spelling| {
            if text.contains(spelling) { text.replace(spelling, REMOVED) } else { text }
        })
    }

    /// A message without the secrets that are known, and without what looks like one: queries of addresses, their
    /// opaque parts, cookies, and values under names that speak of tokens.
    pub(crate) fn message(&self, text: &str) -> String {
        let Ok(shapes) = &*SHAPES else { return REMOVED.to_owned() };
        let text = self.known(text);
        let text = shapes.content.replace_all(&text, "data:[removed]");
        let text = shapes.cookies.replace_all(&text, "${1}[removed]");
        let text = shapes.query.replace_all(&text, "$1");
        let text = shapes.user.replace_all(&text, "://");
        let text = shapes.named.replace_all(&text, "${1}[removed]");
        let opaque = |found: &Captures<'_>| {
            let part = found.get(0).map_or("", |part| part.as_str());
            let is_mixed =
                part.bytes().any(|byte| byte.is_ascii_digit()) && part.bytes().any(|byte| byte.is_ascii_alphabetic());
            if is_mixed { format!("/{REMOVED}") } else { part.to_owned() }
        };
        shapes.segment.replace_all(&text, opaque).into_owned()
    }

    /// The source of a page, whose script has seen to what looks like a secret, without those that are known; at most
    /// `limit` bytes. `is_whole` says that the page gave all that it has.
    pub(crate) fn source(&self, source: &str, is_whole: bool, limit: usize) -> String {
        let mut text = self.known(source);
        if !is_whole {
            // half a secret may be left at its end, and half a secret is not found
            let half = self.spellings.first().map_or(0, String::len);
            text.truncate(text.floor_char_boundary(text.len().saturating_sub(half)));
        }
        if is_whole && text.len() <= limit {
            return text;
        }
        text.truncate(text.floor_char_boundary(limit.saturating_sub(CUT.len())));
        text + CUT
    }
}

fn spellings(secret: &str) -> Vec<String> {
    let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let quoted = html.replace('"', "&quot;");
    let json = serde_json::to_string(secret).unwrap_or_default();
    let json = json.get(1..json.len().saturating_sub(1)).unwrap_or_default().to_owned();
    let found = vec![
        secret.to_owned(),
        form.replace('+', "%20"),
        // scripts leave more as it is than forms do
        form.replace('+', "%20").replace("%21", "!").replace("%27", "'").replace("%28", "(").replace("%29", ")"),
        form,
        quoted.replace('\'', "&#39;"),
        quoted.replace('\'', "&#x27;"),
        quoted,
        html,
        json,
    ];
    found.into_iter().filter(|spelling| !spelling.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn removal(password: &str, cookies: &[&str]) -> Redactor {
        let password = SecretString::from(password);
        let cookies: Vec<_> = cookies.iter().map(|&cookie| SecretString::from(cookie)).collect();
        Redactor::of(Some(&password), &cookies)
    }

    #[test]
    fn a_secret_is_removed_in_every_spelling() {
        let removal = removal("p<w&\"1 +'!", &[]);
        for text in [
            "p<w&\"1 +'!",
            "p%3Cw%26%221+%2B%27%21",
            "p%3Cw%26%221%20%2B'!",
            "p&lt;w&amp;\"1 +'!",
            "p&lt;w&amp;&quot;1 +'!",
            "p&lt;w&amp;&quot;1 +&#39;!",
            "p<w&\\\"1 +'!",
        ] {
            assert_eq!(removal.known(&format!("a{text}b")), "a[removed]b", "{text}");
        }
    }

    #[test]
    fn of_a_secret_that_holds_another_nothing_is_left() {
        let removal = removal("abcdef", &["abcdef-and-the-rest", "12345", "flag-1"]);
        assert_eq!(removal.known("x abcdef-and-the-rest y abcdef z"), "x [removed] y [removed] z");
        assert_eq!(removal.known("12345"), "12345", "too short for a cookie that lets in");
        assert_eq!(removal.known("flag-1"), "[removed]");
    }

    #[test]
    fn a_source_that_is_cut_ends_before_half_a_secret() {
        let removal = removal("0123456789", &[]);
        let page = format!("{}0123456789 0123456789", "ä".repeat(40));
        for end in 0..page.len() {
            let half = &page[..page.floor_char_boundary(end)];
            let kept = removal.source(half, false, 1000);
            assert!(!kept.contains("012"), "{kept}");
        }
        assert_eq!(removal.source("short", true, 1000), "short");
        let kept = removal.source(&page, true, 60);
        assert!(kept.len() <= 60 && kept.ends_with(CUT) && !kept.contains('0'), "{kept}");
    }

    #[test]
    fn addresses_lose_what_may_be_a_token() {
        let removal = removal("password", &[]);
        for (text, kept) in [
            ("GET https://a.test/x?t=1#f, then", "GET https://a.test/x then"),
            ("\"http://b.test/y?u=2\" and https://c.test/z", "\"http://b.test/y\" and https://c.test/z"),
            ("(https://a.test/x?next=(a)) b", "(https://a.test/x b"),
            ("GET /x/y?opaque HTTP", "GET /x/y HTTP"),
            ("https://a.test/x#access=1", "https://a.test/x"),
            ("https://me:hunter2@a.test/x", "https://a.test/x"),
            ("/once/0f9a8b7c6d5e4f3a2b1c0d/a.pdf", "/once/[removed]/a.pdf"),
            ("/session/8c1de5cc1b6b2f77b65b1f5a8a9be2a1/url", "/session/[removed]/url"),
            ("/order_headers/15262984/attachments-of-the-order", "/order_headers/15262984/attachments-of-the-order"),
            ("img data:image/png;base64,iVBORw0KGgo= end", "img data:[removed] end"),
            ("no address? none", "no address? none"),
        ] {
            assert_eq!(removal.message(text), kept, "{text}");
        }
    }

    #[test]
    fn a_value_is_removed_when_its_name_speaks_of_a_secret() {
        let removal = removal("hunter2hunter2", &[]);
        for text in [
            "csrf-token=s3cret",
            "{\"accessToken\": \"s3cret\"}",
            "Authorization: Bearer s3cret",
            "user[password]=s3cret&x=1",
            "Set-Cookie: a=s3cret; b=s3cret; Path=/",
            "X-Api-Key: 's3cret'",
        ] {
            let kept = removal.message(text);
            assert!(!kept.contains("s3cret") && kept.contains(REMOVED), "{kept}");
        }
        for text in [
            "session not created: Chrome instance exited",
            "invalid session id: the browser has closed",
            "the portal asked for a login instead of showing order PO7: the login has ended",
            "ChromeDriver was started successfully on port 36547.",
        ] {
            assert_eq!(removal.message(text), text);
        }
    }

    proptest! {
        #[test]
        fn nothing_known_is_left_whatever_surrounds_it(
            secret in "[!-~]{6,40}",
            before in "\\PC{0,20}",
            after in "\\PC{0,20}",
        ) {
            prop_assume!(!REMOVED.contains(&secret));
            let removal = removal("another-password", &[&secret]);
            let kept = removal.message(&format!("{before}{secret}{after}"));
            prop_assert!(!kept.contains(&secret), "{kept}");
        }

        #[test]
        fn a_message_of_any_shape_is_cleaned_without_a_panic(text in "\\PC{0,200}") {
            let removal = removal("password", &["cookie-value"]);
            let _ = (removal.message(&text), removal.source(&text, false, 50), removal.source(&text, true, 50));
        }
    }
}
