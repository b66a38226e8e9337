//! Is a web page the portal's login page? Pages are compared in one spelling, since the same form is written in many.

use super::markup::{Markup, markup, text};

/// How a portal's login page is recognised.
#[derive(Clone, Copy, Debug)]
pub struct LoginSigns<'a> {
    /// Texts of which a login page contains at least one, such as `user[login]`.
    pub markers: &'a [String],
    /// Beginnings of the paths of login pages, such as `/sessions`: a page that refreshes to one of them is one, too.
    pub paths: &'a [String],
}

impl LoginSigns<'_> {
    /// Whether a file that begins with `head` is a login page. Only web pages are: a message or a log may quote one.
    pub(crate) fn match_page(&self, head: &[u8]) -> bool {
        if markup(head) == Markup::None {
            return false;
        }
        let page = canonical(&text(head));
        self.markers.iter().any(|marker| page.contains(&canonical(marker)))
            || refresh_targets(&page).any(|target| self.paths.iter().any(|path| is_at(target, path)))
    }
}

/// One spelling of HTML text: lower case, character references resolved, no quotation marks, single spaces and none around
/// an equals sign. So `NAME = 'user&#91;login]'` and `name="user[login]"` are the same.
fn canonical(text: &str) -> String {
    let mut canonical = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let (character, length) = match next {
            '&' => reference(rest).unwrap_or((next, 1)),
            _ => (next, next.len_utf8()),
        };
        rest = &rest[length..];
        match character {
            '"' | '\'' => {}
            '=' => {
                canonical.truncate(canonical.trim_end().len());
                canonical.push('=');
            }
            space if space.is_whitespace() => {
                if !canonical.ends_with([' ', '=']) {
                    canonical.push(' ');
                }
            }
            other => canonical.extend(other.to_lowercase()),
        }
    }
    canonical
}

/// The character that a reference at the beginning of `text` stands for, and its length in bytes. Named ones only where
/// names of form fields use them.
fn reference(text: &str) -> Option<(char, usize)> {
    let end = text.bytes().take(12).position(|byte| byte == b';')?;
    let name = text.get(1..end)?;
    let character = match name.to_ascii_lowercase().as_str() {
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        "lbrack" | "lsqb" => '[',
        "rbrack" | "rsqb" => ']',
        "sol" => '/',
        "equals" => '=',
        number => {
            let number = number.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    Some((character, end + 1))
}

/// The addresses that `<meta http-equiv="refresh">` leads to, in a page in one spelling.
fn refresh_targets(page: &str) -> impl Iterator<Item = &str> {
    page.split("<meta").skip(1).filter_map(|tag| {
        let tag = tag.split('>').next()?;
        tag.contains("http-equiv=refresh").then_some(())?;
        let target = tag.split("url=").nth(1)?;
        target.split([' ', ';']).next()
    })
}

/// Whether `address`, absolute or not, has a path that begins with `path`.
fn is_at(address: &str, path: &str) -> bool {
    let path = path.to_lowercase();
    let below_host = match address.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |start| &rest[start..]),
        None => address,
    };
    below_host.strip_prefix(path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_login(page: &str) -> bool {
        let markers = ["user[login]", "name=\"SAMLRequest\""].map(str::to_owned);
        let paths = ["/sessions", "/sign_in"].map(str::to_owned);
        LoginSigns { markers: &markers, paths: &paths }.match_page(page.as_bytes())
    }

    #[test]
    fn a_login_page_is_known_in_every_spelling() {
        for page in [
            "<html><input name=\"user[login]\">",
            "<HTML><INPUT NAME='USER[LOGIN]'>",
            "<html><input name = user[login]>",
            "<!doctype html><input name=\"user&#91;login&#93;\">",
            "<!doctype html><input name=\"user&#x5B;login&rsqb;\">",
            "<html><input type=hidden name = \"SAMLRequest\" value=x>",
            "<form><input Name='samlrequest'>",
            "<html><meta http-equiv=\"refresh\" content=\"0; url=/sessions/new\">",
            "<html><META HTTP-EQUIV = 'Refresh' CONTENT='0;URL=https://acme.test/sign_in?to=x'>",
        ] {
            assert!(is_login(page), "{page}");
        }
    }

    #[test]
    fn other_pages_and_texts_that_quote_one_are_none() {
        for page in [
            "<html><h1>Terms and conditions</h1><p>The user logs in.</p>",
            "<html><meta http-equiv=\"refresh\" content=\"0; url=/sessions_of_the_board.html\">",
            "<html><meta http-equiv=\"refresh\" content=\"5\">",
            "the form has <input name=\"user[login]\">",
            "",
        ] {
            assert!(!is_login(page), "{page}");
        }
    }

    proptest! {
        #[test]
        fn no_page_breaks_the_comparison(page in "(<html>)?([&;#=\"' <>a-z\\[\\]]|&#[0-9x]{1,9};|\\PC){0,80}") {
            is_login(&page);
        }
    }
}
