//! Whether bytes begin like a web page, as browsers tell it.

use std::borrow::Cow;

/// Tags that only a whole page begins with.
const OF_PAGES: [&str; 3] = ["html", "head", "body"];

/// Tags that a part of a page begins with, such as an error message that a program has put together by itself.
const OF_PARTS: [&str; 38] = [
    "title", "script", "style", "meta", "link", "base", "noscript", "iframe", "div", "p", "span", "table", "form",
    "h1", "h2", "h3", "h4", "h5", "h6", "a", "b", "i", "br", "hr", "img", "ul", "ol", "pre", "font", "center",
    "strong", "small", "section", "article", "main", "header", "nav", "template",
];

/// What markup bytes begin with, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Markup<'a> {
    /// A web page.
    Page,
    /// A part of one, by its first tag. What declares itself as XML never is: elsewhere these names mean other things.
    Part(&'a str),
    None,
}

/// Looks at the beginning of a file, after byte order marks, white space, comments and an XML declaration.
pub(crate) fn markup(head: &[u8]) -> Markup<'static> {
    let text = text(head);
    let mut rest = &*text;
    let mut is_xml = false;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        let (end, skipped) = if rest.starts_with("<!--") {
            ("-->", 2) // a comment may end with the dashes that it began with
        } else if rest.starts_with("<?xml") {
            is_xml = true;
            ("?>", 2)
        } else {
            break;
        };
        match rest[skipped..].split_once(end) {
            Some((_, after)) => rest = after,
            None => return Markup::None,
        }
    }
    let Some(rest) = rest.strip_prefix('<') else { return Markup::None };
    if let Some(kind) = strip_word(rest, "!doctype") {
        let is_html = strip_word(kind.trim_start(), "html").is_some();
        return if is_html { Markup::Page } else { Markup::None };
    }
    if OF_PAGES.iter().any(|tag| strip_word(rest, tag).is_some()) {
        return if is_xml && strip_word(rest, "html").is_none() { Markup::None } else { Markup::Page };
    }
    let part = OF_PARTS.iter().find(|tag| !is_xml && strip_word(rest, tag).is_some());
    part.map_or(Markup::None, |tag| Markup::Part(tag))
}

/// What follows `word`, whatever its case, if it ends there.
fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (begin, rest) = text.split_at_checked(word.len())?;
    let ends = rest.chars().next().is_none_or(|next| next.is_whitespace() || matches!(next, '>' | '/'));
    (ends && begin.eq_ignore_ascii_case(word)).then_some(rest)
}

/// The bytes as text without its byte order mark. What is not text becomes something that is not markup either.
pub(crate) fn text(head: &[u8]) -> Cow<'_, str> {
    let wide = |read: fn([u8; 2]) -> u16| {
        let units: Vec<_> = head.chunks_exact(2).skip(1).map(|pair| read([pair[0], pair[1]])).collect();
        Cow::Owned(String::from_utf16_lossy(&units))
    };
    match head {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest),
        _ => String::from_utf8_lossy(head),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_parts_of_them_are_known_by_their_beginning() {
        for (text, found) in [
            ("<!DOCTYPE html>", Markup::Page),
            ("  \r\n<!doctype\nHTML PUBLIC \"x\">", Markup::Page),
            ("\u{feff} <HTML lang=en>", Markup::Page),
            ("<!-- a --><!-- <b> --> <head>", Markup::Page),
            ("<!----><body/>", Markup::Page),
            ("<?xml version=\"1.0\"?><!DOCTYPE html PUBLIC>", Markup::Page),
            ("<?xml version=\"1.0\"?><html xmlns=\"x\">", Markup::Page),
            ("<?xml version=\"1.0\"?><body>", Markup::None),
            ("<Div class=error>", Markup::Part("div")),
            ("<h1>", Markup::Part("h1")),
            ("<p", Markup::Part("p")),
            ("<?xml version=\"1.0\"?><form>", Markup::None),
            ("<!DOCTYPE svg>", Markup::None),
            ("<!doctypehtml>", Markup::None),
            ("<header>", Markup::Part("header")),
            ("<headline>", Markup::None),
            ("<order/>", Markup::None),
            ("<!-- never ends", Markup::None),
            ("text <html>", Markup::None),
            ("<", Markup::None),
            ("", Markup::None),
        ] {
            assert_eq!(markup(text.as_bytes()), found, "{text:?}");
        }
        assert_eq!(markup(b"\xff\xfe<\0h\0t\0m\0l\0>\0"), Markup::Page);
        assert_eq!(markup(b"\xfe\xff\0<\0p\0>"), Markup::Part("p"));
        assert_eq!(markup(b"\xff\xfe<"), Markup::None);
    }
}
