//! What bytes are, against what a name claims. Signatures are `infer`'s business; which claims are enforced, and how
//! strictly, is decided here.

/// How many bytes from the beginning of a file are looked at.
pub(super) const HEAD: usize = 64 * 1024;

/// Readers accept a PDF whose header stands somewhere in the first 1024 bytes, and such files are about.
const PDF_HEADER_WITHIN: usize = 1024;

const OLE2: &[u8] = &[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];

/// Whether a browser would show the bytes as a page.
pub(super) fn is_html(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let mut text = String::from_utf8_lossy(&text[..text.len().min(8 * 1024)]).to_ascii_lowercase();
    // a comment or an XML declaration may stand before it
    loop {
        let trimmed = text.trim_start();
        let rest = if trimmed.starts_with("<!--") {
            trimmed.split_once("-->")
        } else if trimmed.starts_with("<?xml") {
            trimmed.split_once("?>")
        } else {
            return ["<!doctype html", "<html", "<head", "<body"].iter().any(|tag| trimmed.starts_with(tag));
        };
        match rest {
            Some((_, rest)) => text = rest.to_owned(),
            None => return false,
        }
    }
}

/// Whether the page is a login page: it carries one of the markers.
pub(super) fn is_login_page(head: &[u8], markers: &[String]) -> bool {
    if !is_html(head) {
        return false; // a message or a log may quote a login page
    }
    let text = String::from_utf8_lossy(head);
    markers.iter().any(|marker| text.contains(marker.as_str()))
}

/// Whether the bytes can be what `extension` claims. The error says what they are instead.
///
/// An extension that is not listed claims nothing. Pictures may be of another picture type than they say: people name
/// them wrongly and every viewer shows them. Office files with a password are OLE2, whatever their extension.
pub(super) fn check_claim(extension: Option<&str>, head: &[u8]) -> Result<(), String> {
    let Some(extension) = extension else { return Ok(()) };
    let fits = match extension {
        "html" | "htm" | "xhtml" | "mht" | "mhtml" => !is_known_binary(head),
        _ if is_listed(extension) && is_html(head) => false,
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
        "csv" | "tsv" | "txt" | "xml" | "json" | "eml" => !is_known_binary(head),
        _ => true,
    };
    if fits { Ok(()) } else { Err(describe(head)) }
}

/// Extensions that claim a type. An HTML page under one of them is an error page.
fn is_listed(extension: &str) -> bool {
    matches!(
        extension,
        "pdf"
            | "zip"
            | "jar"
            | "odt"
            | "ods"
            | "odp"
            | "docx"
            | "docm"
            | "xlsx"
            | "xlsm"
            | "xlsb"
            | "pptx"
            | "pptm"
            | "msg"
            | "doc"
            | "xls"
            | "ppt"
            | "rtf"
            | "png"
            | "jpg"
            | "jpeg"
            | "gif"
            | "bmp"
            | "tif"
            | "tiff"
            | "webp"
            | "heic"
            | "7z"
            | "rar"
            | "gz"
            | "tgz"
            | "csv"
            | "tsv"
            | "txt"
            | "xml"
            | "json"
            | "eml"
    )
}

fn has_pdf_header(head: &[u8]) -> bool {
    head[..head.len().min(PDF_HEADER_WITHIN + 5)].windows(5).any(|bytes| bytes == b"%PDF-")
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
pub(super) fn media_type(head: &[u8]) -> Option<&'static str> {
    if head.is_empty() {
        None
    } else if is_html(head) {
        Some("text/html")
    } else if has_pdf_header(head) {
        Some("application/pdf")
    } else if is_plausible_text(head) && !is_known_binary(head) {
        Some("text/plain")
    } else {
        infer::get(head).map(|kind| kind.mime_type())
    }
}

fn describe(head: &[u8]) -> String {
    if is_html(head) {
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
        assert_eq!(check_claim(None, b"<html>"), Ok(()));
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
