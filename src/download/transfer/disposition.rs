//! The name that a portal suggests for a file: RFC 6266 and RFC 5987 (8187), and what servers send instead.

use base64::prelude::{BASE64_STANDARD, Engine};
use url::Url;

use crate::download::order_dir::naming::{extension, percent_decoded};

/// The name that a browser would suggest: that of `Content-Disposition`, else the last part of the address, in both cases
/// with the ending of the media type where it has none. Hostile; empty if there is none.
pub(crate) fn suggested_name(disposition: Option<&[u8]>, url: &Url, media_type: Option<&str>) -> String {
    let from_address = || url.path_segments().and_then(|mut parts| parts.next_back()).map(percent_decoded);
    let name = disposition.and_then(file_name).or_else(from_address).unwrap_or_default();
    match media_type.and_then(ending_of) {
        // a last dot is an ending, to a browser
        Some(ending) if !name.is_empty() && !name.ends_with('.') && extension(&name).is_none() => {
            format!("{name}.{ending}")
        }
        _ => name,
    }
}

/// The endings that browsers give to files of these types. A web page is none of them: an error message is one as well.
fn ending_of(media_type: &str) -> Option<&'static str> {
    Some(match media_type {
        "application/pdf" => "pdf",
        "application/zip" | "application/x-zip-compressed" => "zip",
        "application/msword" => "doc",
        "application/vnd.ms-excel" => "xls",
        "application/vnd.ms-powerpoint" => "ppt",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "docx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "xlsx",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation" => "pptx",
        "application/vnd.ms-outlook" => "msg",
        "application/rtf" | "text/rtf" => "rtf",
        "application/json" => "json",
        "application/xml" | "text/xml" => "xml",
        "message/rfc822" => "eml",
        "text/csv" => "csv",
        "text/plain" => "txt",
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/gif" => "gif",
        "image/tiff" => "tiff",
        "image/webp" => "webp",
        "image/bmp" => "bmp",
        _ => return None,
    })
}

/// The file name in a `Content-Disposition`. `filename*` counts more than `filename`, wherever it stands.
fn file_name(header: &[u8]) -> Option<String> {
    let text = text_of(header);
    let (mut plain, mut extended) = (None, None);
    for (name, value) in parameters(&text) {
        match name.as_str() {
            "filename" if plain.is_none() => plain = Some(decode_plain(&value)),
            "filename*" if extended.is_none() => extended = decode_extended(&value),
            _ => {}
        }
    }
    extended.or(plain).filter(|name| !name.trim().is_empty())
}

/// Header bytes as text: UTF-8, as most servers send it, else Latin-1, as the standard has it.
fn text_of(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

/// Names in lower case, and values without quotation marks.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    // some servers leave the type out
    let starts_with_type = text.split(';').next().is_some_and(|first| !first.contains('='));
    let mut rest = if starts_with_type { text.split_once(';').map_or("", |(_, rest)| rest) } else { text };
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
        let Some((name, after)) = rest.split_once('=') else { return found };
        let (value, after) = value_of(after.trim_start());
        found.push((name.trim().to_ascii_lowercase(), value));
        rest = after.split_once(';').map_or("", |(_, rest)| rest);
    }
}

/// A value, and what follows it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return (text[..end].trim().to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "") // the closing mark is missing: browsers take all of it
}

/// A plain value, decoded as browsers do: words of RFC 2047, and `%20` where all of it is ASCII.
fn decode_plain(value: &str) -> String {
    if !value.is_ascii() {
        return value.to_owned();
    }
    decode_words(value).unwrap_or_else(|| percent_decoded(value))
}

/// `charset'language'text`, with `%XX` in the text; none if it is not that, or of a charset that nobody has to know.
fn decode_extended(value: &str) -> Option<String> {
    let mut parts = value.splitn(3, '\'');
    let (charset, _, text) = (parts.next()?, parts.next()?, parts.next()?);
    in_charset(charset, &unescaped(text, b'%')?)
}

fn in_charset(charset: &str, bytes: &[u8]) -> Option<String> {
    match charset.to_ascii_lowercase().as_str() {
        "utf-8" => String::from_utf8(bytes.to_vec()).ok(),
        "iso-8859-1" | "us-ascii" => Some(bytes.iter().copied().map(char::from).collect()),
        _ => None,
    }
}

/// The bytes that a text stands for in which two hexadecimal digits after each `mark` are a byte.
fn unescaped(text: &str, mark: u8) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == mark {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    Some(bytes)
}

/// A value made of encoded words (`=?utf-8?B?…?=`) alone.
fn decode_words(value: &str) -> Option<String> {
    let mut name = String::new();
    for word in value.split_ascii_whitespace() {
        let mut parts = word.strip_prefix("=?")?.strip_suffix("?=")?.splitn(3, '?');
        let (charset, encoding, text) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = match encoding {
            "B" | "b" => BASE64_STANDARD.decode(text).ok()?,
            "Q" | "q" => unescaped(&text.replace('_', " "), b'=')?,
            _ => return None,
        };
        name += &in_charset(charset, &bytes)?;
    }
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_read_in_every_form_that_servers_send() {
        for (header, name) in [
            ("attachment; filename=Offer.pdf", Some("Offer.pdf")),
            ("attachment; filename=Offer 3.pdf; size=5", Some("Offer 3.pdf")),
            ("attachment; filename=\"Offer; 3.pdf\"", Some("Offer; 3.pdf")),
            ("ATTACHMENT;FILENAME=\"a.pdf\"", Some("a.pdf")),
            ("inline; filename = \"a.pdf\" ; x=y", Some("a.pdf")),
            ("attachment; filename=\"quote \\\"signed\\\" \\\\ 2.pdf\"", Some("quote \"signed\" \\ 2.pdf")),
            ("attachment; filename=\"Prüfung.pdf\"", Some("Prüfung.pdf")),
            ("attachment; filename=\"a.pdf\"; filename*=UTF-8''Pr%C3%BCfung%20%22a%22.pdf", Some("Prüfung \"a\".pdf")),
            ("attachment; filename*=utf-8'de'%e2%82%ac.pdf; filename=a.pdf", Some("€.pdf")),
            ("attachment; filename*=iso-8859-1''%A3.pdf", Some("£.pdf")),
            ("attachment; filename*=UTF-8''%FF.pdf; filename=a.pdf", Some("a.pdf")),
            ("attachment; filename*=koi8-r''%C1.pdf; filename=a.pdf", Some("a.pdf")),
            ("attachment; filename*=broken; filename=a.pdf", Some("a.pdf")),
            ("attachment; filename*=UTF-8''50%25%; filename=a.pdf", Some("a.pdf")),
            ("attachment; filename=50%25%20off.pdf", Some("50% off.pdf")),
            ("attachment; filename=\"=?UTF-8?B?UHLDvGZ1bmcucGRm?=\"", Some("Prüfung.pdf")),
            ("attachment; filename=\"=?iso-8859-1?Q?Pr=FCf_100%20.pdf?=\"", Some("Prüf 100%20.pdf")),
            ("filename=a.pdf", Some("a.pdf")),
            ("attachment; filename=\"a.pdf", Some("a.pdf")),
            ("attachment; filename=\"\"", None),
            ("attachment; name=a.pdf", None),
            ("attachment", None),
            ("", None),
        ] {
            assert_eq!(file_name(header.as_bytes()).as_deref(), name, "{header}");
        }
        assert_eq!(file_name(b"attachment; filename=\"Pr\xfcfung.pdf\"").as_deref(), Some("Prüfung.pdf"));
    }

    #[test]
    fn without_a_header_the_address_names_the_file_and_its_type_the_ending() {
        let url = |path: &str| format!("https://acme.test{path}").parse::<Url>().unwrap();
        for (path, media_type, name) in [
            ("/files/81/Scan%200001.pdf", None, "Scan 0001.pdf"),
            ("/files/81?token=x.exe", Some("application/pdf"), "81.pdf"),
            ("/files/81", Some("text/html"), "81"),
            ("/files/81", Some("application/octet-stream"), "81"),
            ("/files/v1.2", Some("application/pdf"), "v1.2.pdf"),
            ("/", Some("application/pdf"), ""),
        ] {
            assert_eq!(suggested_name(None, &url(path), media_type), name, "{path}");
        }
        let header = Some(&b"attachment; filename=Offer"[..]);
        assert_eq!(suggested_name(header, &url("/x.txt"), Some("application/pdf")), "Offer.pdf");
    }

    proptest! {
        #[test]
        fn no_header_breaks_the_reader(header in proptest::collection::vec(any::<u8>(), 0..80), text in "[fFilenam*=\"';%\\\\? a-z0-9-]{0,60}") {
            file_name(&header);
            file_name(text.as_bytes());
        }

        #[test]
        fn every_name_survives_the_extended_form(name in "\\PC{1,40}") {
            let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let read = file_name(format!("attachment; filename*=UTF-8''{encoded}").as_bytes());
            let read = read.unwrap_or_default();
            prop_assert_eq!(read.trim(), name.trim());
        }
    }
}
