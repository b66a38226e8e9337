//! What bytes are, against what a name claims. Signatures are `infer`'s business; which claims are enforced, and how
//! strictly, is decided here.

use super::content_type::is_document;
use super::markup::{Markup, markup, text};

/// How many bytes from the beginning of a file are looked at.
pub(crate) const HEAD: usize = 64 * 1024;

/// Readers accept a PDF whose header is somewhere in the first 1024 bytes, and such files exist.
const PDF_HEADER_WITHIN: usize = 1024;

pub(super) const OLE2: &[u8] = &[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];

/// Whether the bytes can be what `extension` claims. The error says what they are instead.
///
/// A web page is an error page under every name that does not say so. An extension that is not listed claims nothing
/// else. Pictures may be of another picture type than they say: people name them wrongly and every viewer shows them.
/// Office files with a password are OLE2, whatever their extension.
pub(crate) fn check_claim(extension: Option<&str>, head: &[u8]) -> Result<(), String> {
    let fits = may_be_markup(extension, head)
        && match extension.unwrap_or_default() {
            "html" | "htm" | "xhtml" | "xht" | "shtml" | "mht" | "mhtml" => !is_known_binary(head),
            "pdf" => has_pdf_header(head),
            "zip" | "jar" | "odt" | "ods" | "odp" => is_zip(head),
            "docx" | "docm" | "xlsx" | "xlsm" | "xlsb" | "pptx" | "pptm" => is_zip(head) || head.starts_with(OLE2),
            "msg" => head.starts_with(OLE2),
            // programs have long written text, RTF and zipped XML under these names, and Office opens them all
            "doc" | "xls" | "ppt" => head.starts_with(OLE2) || is_zip(head) || is_plausible_text(head),
            "rtf" => head.starts_with(b"{\\rtf"),
            "png" | "jpg" | "jpeg" | "gif" | "bmp" | "tif" | "tiff" | "webp" | "heic" => infer::is_image(head),
            "7z" => infer::archive::is_7z(head),
            "rar" => infer::archive::is_rar(head),
            "gz" | "tgz" => infer::archive::is_gz(head),
            "csv" | "tsv" | "txt" | "xml" | "svg" | "json" | "eml" => !is_known_binary(head),
            _ => true,
        };
    if fits { Ok(()) } else { Err(describe(head)) }
}

/// Whether bytes that begin like this may have such a name.
///
/// A whole page has one of its own. A part of one may also be text that begins with a tag, or XML whose root is called
/// like one of HTML's: refusing such a file each time would be worse than keeping a rare error message of that shape.
/// Office opens tables and pages that programs save for it under its own names, and these say so.
pub(crate) fn may_be_markup(extension: Option<&str>, head: &[u8]) -> bool {
    let is_page_name = matches!(extension, Some("html" | "htm" | "xhtml" | "xht" | "shtml"));
    let is_office_name = matches!(extension, Some("doc" | "xls" | "ppt"));
    let is_for_office = || is_office_name && contains(head, b"urn:schemas-microsoft-com:office:");
    match markup(head) {
        Markup::None => true,
        Markup::Page => is_page_name || is_for_office(),
        Markup::Part(tag) => {
            let is_text = matches!(extension, Some("txt" | "text" | "log" | "md"));
            let is_xml = matches!(extension, Some("xml" | "xsl" | "xslt" | "xsd" | "wsdl" | "rss" | "atom" | "rdf"));
            is_page_name || is_text || is_xml || is_for_office() || extension == Some("xls") && tag == "table"
        }
    }
}

/// A message about an error is no longer than this.
const MAX_ERROR: usize = 4 * 1024;

/// Words of messages about errors.
const OF_ERRORS: [&str; 12] = [
    "err",
    "fehler",
    "exception",
    "fault",
    "denied",
    "invalid",
    "forbidden",
    "unauthorized",
    "expired",
    "not found",
    "notfound",
    "message",
];

/// Whether a file that begins with `head` is a message about an error in JSON or XML, where a file of a binary type
/// should be.
pub(crate) fn is_error_text(extension: Option<&str>, head: &[u8]) -> bool {
    let is_office_name = matches!(extension, Some("doc" | "xls" | "ppt"));
    if head.len() > MAX_ERROR || !(is_office_name || extension.is_some_and(is_document)) {
        return false;
    }
    let text = text(head).trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}').to_lowercase();
    let is_json = text.strip_prefix('{').is_some_and(|rest| rest.trim_start().starts_with('"'));
    let is_xml = text.starts_with("<?xml") || text.starts_with("<error");
    let is_for_office = contains(head, b"urn:schemas-microsoft-com:office:");
    (is_json || is_xml) && !is_for_office && OF_ERRORS.iter().any(|word| text.contains(word))
}

fn contains(head: &[u8], part: &[u8]) -> bool {
    head.windows(part.len()).any(|bytes| bytes == part)
}

fn has_pdf_header(head: &[u8]) -> bool {
    contains(&head[..head.len().min(PDF_HEADER_WITHIN + 5)], b"%PDF-")
}

/// With the marks of an empty and of a split archive.
fn is_zip(head: &[u8]) -> bool {
    [b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"].iter().any(|mark| head.starts_with(*mark))
}

/// No control characters but those of text. UTF-16 with its mark counts as text.
fn is_plausible_text(head: &[u8]) -> bool {
    head.starts_with(&[0xff, 0xfe])
        || head.starts_with(&[0xfe, 0xff])
        || !head.iter().any(|byte| matches!(byte, 0..=8 | 14..=26 | 28..=31))
}

/// A binary type for sure. Short signatures alone prove nothing: a table of cars may begin with `BMW`, and `BM` is a
/// bitmap's.
fn is_known_binary(head: &[u8]) -> bool {
    if head.starts_with(b"%PDF-") {
        return true; // the only one whose head may be all text
    }
    let text_types = [infer::MatcherType::Text, infer::MatcherType::Custom];
    !is_plausible_text(head)
        && (head.starts_with(OLE2) || infer::get(head).is_some_and(|kind| !text_types.contains(&kind.matcher_type())))
}

/// What the bytes are, if they tell: a media type as IANA registers it, or as it is in use.
pub(crate) fn media_type(head: &[u8]) -> Option<&'static str> {
    if head.is_empty() {
        None
    } else if markup(head) == Markup::Page {
        Some("text/html")
    } else if has_pdf_header(head) {
        Some("application/pdf")
    } else if is_plausible_text(head) && !is_known_binary(head) {
        Some("text/plain")
    } else {
        infer::get(head).map(|kind| kind.mime_type())
    }
}

pub(crate) fn describe(head: &[u8]) -> String {
    if markup(head) != Markup::None {
        "a web page, probably an error message of the portal".to_owned()
    } else if let Some(kind) = infer::get(head) {
        format!("of type {}", kind.mime_type())
    } else if is_plausible_text(head) {
        "plain text".to_owned()
    } else {
        "of an unknown type".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn true_files_are_taken_for_what_they_are() {
        let png: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        for (extension, head) in [
            ("pdf", &b"%PDF-1.7\n"[..]),
            ("pdf", b"\xef\xbb\xbf\r\n%PDF-1.4"),
            ("docx", b"PK\x03\x04rest"),
            ("xlsx", OLE2),
            ("msg", OLE2),
            ("png", png),
            ("jpg", png),
            ("csv", b"BMW;3 pieces\n"),
            ("csv", b"\xff\xfea\0;\0b\0"),
            ("xml", b"<?xml version=\"1.0\"?><order/>"),
            ("html", b"<!DOCTYPE html><p>Terms"),
            ("txt", b"caf\xe9"),
            ("xls", b"a\tb\n"),
            ("dwg", b"AC1032\0\0"),
            ("zip", b"PK\x05\x06"),
        ] {
            assert_eq!(check_claim(Some(extension), head), Ok(()), "{extension} {head:?}");
        }
        assert_eq!(check_claim(None, b"some text"), Ok(()));
    }

    #[test]
    fn a_web_page_has_a_name_that_says_so() {
        for page in ["<html><h1>Error</h1>", "<!doctype html>x", "<div class=\"error\">Try later</div>", "<h1>No</h1>"]
        {
            for extension in ["html", "htm", "xhtml"] {
                assert_eq!(check_claim(Some(extension), page.as_bytes()), Ok(()), "{extension} {page}");
            }
            let others = ["dwg", "step", "csv", "json", "eml", "svg", "mht", "docx", "pdf", "aspx", "xyz"];
            for extension in others.into_iter().map(Some).chain([None]) {
                assert!(check_claim(extension, page.as_bytes()).is_err(), "{extension:?} {page}");
            }
        }
    }

    #[test]
    fn text_and_xml_that_only_look_like_a_part_of_a_page_are_taken() {
        for (extension, text) in [
            ("xml", "<form><field/></form>"),
            ("xml", "<?xml version=\"1.0\"?><table/>"),
            ("xml", "<!-- made by hand --><order/>"),
            ("svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>"),
            ("svg", "<?xml version=\"1.0\"?><!DOCTYPE svg PUBLIC \"x\"><svg/>"),
            ("txt", "<p> stands for a paragraph"),
            ("xfdl", "<?xml version=\"1.0\"?><form/>"),
            ("xls", "<table><tr><td>1</td></tr></table>"),
            ("xls", "<html xmlns:x=\"urn:schemas-microsoft-com:office:excel\"><table>"),
            ("csv", "<5;<10\n"),
            ("eml", "From: a@b\n\n<html>"),
        ] {
            assert_eq!(check_claim(Some(extension), text.as_bytes()), Ok(()), "{extension} {text}");
        }
        for (extension, text) in [("xml", "<html><body>"), ("txt", "<!DOCTYPE HTML><p>"), ("xls", "<div>Error</div>")] {
            assert!(check_claim(Some(extension), text.as_bytes()).is_err(), "{extension} {text}");
        }
    }

    #[test]
    fn a_message_about_an_error_is_known_under_names_of_binary_types_only() {
        let json = &b"{\"error\":\"session invalid\"}"[..];
        let xml = b"\xef\xbb\xbf<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code></Error>";
        for text in
            [json, xml, b"<Error><Code>NoSuchKey</Code></Error>", b" {\n \"message\": \"Sess\xc3\xa3o expirada\" }"]
        {
            for extension in ["pdf", "png", "docx", "zip", "xls", "msg"] {
                assert!(is_error_text(Some(extension), text), "{extension}");
            }
            for extension in [Some("json"), Some("xml"), Some("txt"), Some("eml"), Some("dwg"), None] {
                assert!(!is_error_text(extension, text), "{extension:?}");
            }
        }
        let table = b"<?xml version=\"1.0\"?><Workbook xmlns=\"urn:schemas-microsoft-com:office:spreadsheet\"><Data>error</Data>";
        for text in [&b"From: a@b\n\nerror"[..], b"{\\rtf1 error}", b"{\"rows\":[]}", table, b"\x89PNG error"] {
            assert!(!is_error_text(Some("xls"), text), "{text:?}");
        }
        assert!(!is_error_text(Some("pdf"), &[json, &[b' '; MAX_ERROR]].concat()));
    }

    proptest! {
        #[test]
        fn no_page_passes_under_a_name_that_does_not_say_so(
            mark in prop::sample::select(vec!["", "\u{feff}", "\u{feff}\r\n\t ", "<!-- x -->\n", "<!----> <!-- > -->"]),
            begin in prop::sample::select(vec!["<!DOCTYPE HTML>", "<html lang=\"en\">", "<HEAD\n>", "<body>", "<html/>"]),
            rest in any::<String>(),
            extension in "[a-z0-9]{1,5}",
            is_wide in any::<bool>(),
        ) {
            let says_so = ["html", "htm", "xhtml", "xht", "shtml"].contains(&extension.as_str());
            let is_office = ["doc", "xls", "ppt"].contains(&extension.as_str()) && rest.contains("urn:");
            prop_assume!(!says_so && !is_office);
            let text = format!("{mark}{begin}{rest}");
            let wide = || std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
            let bytes: Vec<u8> = if is_wide { wide() } else { text.clone().into_bytes() };
            prop_assert!(check_claim(Some(&extension), &bytes).is_err());
            prop_assert!(check_claim(None, &bytes).is_err());
        }

        #[test]
        fn text_without_a_tag_in_front_is_never_taken_for_a_page(text in "[^<\\s]\\PC{0,40}", extension in "(txt|csv|xml|json|eml|dwg)") {
            prop_assume!(!text.starts_with('\u{feff}') && !text.starts_with("%PDF-"));
            prop_assert_eq!(check_claim(Some(&extension), text.as_bytes()), Ok(()));
        }
    }

    #[test]
    fn the_bytes_tell_their_type() {
        for (head, found) in [
            (&b"%PDF-1.7\n"[..], Some("application/pdf")),
            (b"PK\x03\x04\x14\0\0\0\x08\0", Some("application/zip")),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Some("image/png")),
            (b"BMW;3 pieces\n", Some("text/plain")),
            (b"<!DOCTYPE html><p>Terms", Some("text/html")),
            (b"\0\x01\x02\x03", None),
            (b"", None),
        ] {
            assert_eq!(media_type(head), found, "{head:?}");
        }
    }

    #[test]
    fn what_is_something_else_is_refused() {
        let page = b"<!-- x --> <html><h1>Internal error</h1>";
        for (extension, head) in [
            ("pdf", &page[..]),
            ("csv", page),
            ("txt", page),
            ("xls", page),
            ("xml", b"<?xml version=\"1.0\"?>\n<!DOCTYPE html PUBLIC><html>"),
            ("pdf", b"PK\x03\x04"),
            ("docx", b"%PDF-1.7"),
            ("csv", b"%PDF-1.7"),
            ("txt", b"PK\x03\x04\x14\0\0\0"),
            ("html", OLE2),
            ("msg", b"From: a@b"),
            ("png", b"not a picture"),
        ] {
            assert!(check_claim(Some(extension), head).is_err(), "{extension} {head:?}");
        }
    }
}
