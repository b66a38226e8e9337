//! What the portal says that a file is, against what its name claims.

/// Whether `declared`, a media type without parameters, contradicts `extension` beyond all doubt.
///
/// Servers say "something" of most files (`application/octet-stream` and similar), call Office files by older names,
/// and pictures by those of other pictures. Two things are certain: a document is not a program, and what is not text
/// is not a page.
pub(crate) fn contradicts(declared: &str, extension: Option<&str>) -> bool {
    let Some(extension) = extension else { return false };
    match declared {
        "application/x-msdownload"
        | "application/x-msdos-program"
        | "application/x-dosexec"
        | "application/vnd.microsoft.portable-executable"
        | "application/x-executable"
        | "application/x-sh"
        | "application/x-bat"
        | "application/hta"
        | "application/x-msi" => is_document(extension) || is_text(extension),
        page if is_page(page) => is_document(extension),
        _ => false,
    }
}

/// Whether a media type is that of a web page.
pub(crate) fn is_page(declared: &str) -> bool {
    matches!(declared, "text/html" | "application/xhtml+xml")
}

pub(super) fn is_document(extension: &str) -> bool {
    matches!(
        extension,
        "pdf"
            | "zip"
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
    )
}

/// Text, and what programs have long written as a web page (`.xls`).
fn is_text(extension: &str) -> bool {
    matches!(extension, "csv" | "tsv" | "txt" | "xml" | "json" | "eml" | "html" | "htm" | "doc" | "xls" | "ppt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_both_be_true_is_a_contradiction() {
        for (declared, extension, is_contradiction) in [
            ("application/x-msdownload", "pdf", true),
            ("application/x-msdownload", "csv", true),
            ("application/x-msdownload", "exe", false),
            ("text/html", "pdf", true),
            ("text/html", "html", false),
            ("text/html", "xls", false),
            ("text/html", "csv", false), // what the bytes are decides
            ("application/octet-stream", "pdf", false),
            ("application/force-download", "pdf", false),
            ("application/x-download", "pdf", false),
            ("application/msword", "docx", false),
            ("image/png", "jpg", false),
            ("", "pdf", false),
        ] {
            assert_eq!(contradicts(declared, Some(extension)), is_contradiction, "{declared} {extension}");
        }
        assert!(!contradicts("text/html", None));
    }
}
