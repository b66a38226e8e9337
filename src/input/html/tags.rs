//! A page as a sequence of tags and texts. It is read as browsers do: whatever is written, something is understood.

use quick_xml::escape::resolve_html5_entity;

/// Elements whose text is not part of the page.
const SILENT: [&str; 6] = ["script", "style", "title", "noscript", "template", "textarea"];

/// A piece of a page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// `<td colspan=2>`: the name in small letters, and what follows it.
    Begin { name: String, attributes: &'a str },
    /// `</td>`.
    End { name: String },
    /// Text between tags, with its entities.
    Text(&'a str),
}

pub(crate) struct Pieces<'a>(pub(crate) &'a str);

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.0.is_empty() {
                return None;
            }
            let Some(tag) = self.0.strip_prefix('<') else {
                let end = self.0.find('<').unwrap_or(self.0.len());
                return Some(Piece::Text(self.split(end)));
            };
            if let Some(comment) = tag.strip_prefix("!--") {
                self.0 = comment.split_once("-->").map_or("", |(_, rest)| rest);
                continue;
            }
            if tag.starts_with(['!', '?']) {
                self.0 = tag.split_once('>').map_or("", |(_, rest)| rest);
                continue;
            }
            let is_end = tag.starts_with('/');
            let named = tag.trim_start_matches('/');
            if !named.starts_with(|c: char| c.is_ascii_alphabetic()) {
                return Some(Piece::Text(self.split(1))); // "a < b"
            }
            let inside = inside(named);
            self.0 = named.get(inside.len() + 1..).unwrap_or_default();
            let name_end = inside.find(|c: char| c.is_whitespace() || c == '/').unwrap_or(inside.len());
            let name = inside[..name_end].to_ascii_lowercase();
            if is_end {
                return Some(Piece::End { name });
            }
            if SILENT.contains(&name.as_str()) && !inside.ends_with('/') {
                self.0 = after_end(self.0, &name);
                continue;
            }
            return Some(Piece::Begin { name, attributes: &inside[name_end..] });
        }
    }
}

impl<'a> Pieces<'a> {
    fn split(&mut self, at: usize) -> &'a str {
        let (text, rest) = self.0.split_at(at);
        self.0 = rest;
        text
    }
}

/// The content of a tag up to its `>`; one in quotation marks does not count.
fn inside(tag: &str) -> &str {
    let mut quote = None;
    for (at, c) in tag.char_indices() {
        match (quote, c) {
            (None, '>') => return &tag[..at],
            (None, '"' | '\'') if tag[..at].trim_end().ends_with('=') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    // a mark that is never closed does not count
    if quote.is_some() { tag.split_once('>').map_or(tag, |(inside, _)| inside) } else { tag }
}

/// What follows the end of the element `name`.
fn after_end<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("</") {
        if after.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return after.split_once('>').map_or("", |(_, rest)| rest);
        }
        rest = after;
    }
    ""
}

/// An attribute of a tag.
pub(crate) fn attribute(attributes: &str, wanted: &str) -> Option<String> {
    let mut rest = attributes.trim_start();
    while !rest.is_empty() {
        let name_end = rest.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(rest.len());
        let (name, after) = rest.split_at(name_end);
        let after = after.trim_start();
        let (value, after) = match after.strip_prefix('=').map(str::trim_start) {
            None => ("", after),
            Some(value) => match value.chars().next() {
                Some(quote @ ('"' | '\'')) => value[1..].split_once(quote).unwrap_or((&value[1..], "")),
                _ => value.split_at(value.find(char::is_whitespace).unwrap_or(value.len())),
            },
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(unescaped(value));
        }
        // a lone sign is not a name, and must not be read for ever
        rest = if name.is_empty() && after.len() == rest.len() {
            &rest[rest.chars().next().map_or(0, char::len_utf8)..]
        } else {
            after
        }
        .trim_start();
    }
    None
}

/// Text with its entities replaced.
pub(crate) fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '#')).unwrap_or(after.len());
        let (name, behind) = after.split_at(end);
        let number = name.strip_prefix(['#']).and_then(|number| match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => number.parse().ok(),
        });
        match (number.and_then(char::from_u32), resolve_html5_entity(name)) {
            (Some(sign), _) => plain.push(sign),
            (None, Some(signs)) => plain.push_str(signs),
            (None, None) => {
                plain.push('&');
                rest = after;
                continue;
            }
        }
        rest = behind.strip_prefix(';').unwrap_or(behind);
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn begin<'a>(name: &str, attributes: &'a str) -> Piece<'a> {
        Piece::Begin { name: name.to_owned(), attributes }
    }

    #[test]
    fn tags_comments_and_texts_are_told_apart() {
        let page = "<!doctype html><!-- <td> --><TD align='>' x>a < b</td ><script>if (a<b) '<td>'</script>c<br/>";
        let pieces: Vec<_> = Pieces(page).collect();
        let end = Piece::End { name: "td".to_owned() };
        assert_eq!(
            pieces,
            [
                begin("td", " align='>' x"),
                Piece::Text("a "),
                Piece::Text("<"),
                Piece::Text(" b"),
                end,
                Piece::Text("c"),
                begin("br", "/")
            ]
        );
    }

    #[test]
    fn attributes_are_read_in_every_spelling() {
        for (attributes, value) in [
            (" colspan=2", Some("2")),
            (" x COLSPAN = '2' y", Some("2")),
            (" a=\"colspan=3\" colspan=\"&#50;\"/", Some("2")),
            (" = = colspan", Some("")),
            (" acolspan=2", None),
            (" colspan='2", Some("2")),
        ] {
            assert_eq!(attribute(attributes, "colspan").as_deref(), value, "{attributes:?}");
        }
    }

    #[test]
    fn entities_are_read_with_and_without_their_end() {
        assert_eq!(
            unescaped("a&nbsp;b &lt;&amp;&#65;&#x42; &copy &x; & &#xffffffff;"),
            "a\u{a0}b <&AB © &x; & &#xffffffff;"
        );
    }

    proptest! {
        #[test]
        fn no_page_makes_it_panic_or_stay(page in "(<|>|/|=|'|\"|&|#|;|!|-|td|tr|table|script| |\\PC){0,60}") {
            for piece in Pieces(&page) {
                if let Piece::Begin { attributes, .. } = piece {
                    attribute(attributes, "x");
                }
            }
            unescaped(&page);
        }
    }
}
