//! What a file is, by its bytes: endings lie.

use super::html::is_html;
use super::workbook::NAMESPACE;

/// How much of a text is looked at.
const HEAD: usize = 4096;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A zip archive, as newer workbooks are.
    Package,
    /// The container of older workbooks.
    Compound,
    /// SpreadsheetML 2003.
    SpreadsheetMl,
    /// An OpenDocument spreadsheet that is one file.
    FlatOds,
    /// A web page.
    Html,
    /// Something else that is known, and no sheet.
    Other(&'static str),
    /// Text, or nothing that is known.
    Text,
}

/// How files that are not sheets begin.
const OTHERS: &[(&[u8], &str)] = &[
    (b"%PDF", "a PDF"),
    (b"{\\rtf", "a rich text document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"II*\0", "a picture"),
    (b"MM\0*", "a picture"),
    (b"PK\x05\x06", "a ZIP archive without files"),
    (b"\x1f\x8b", "a compressed file"),
    (b"BZh", "a compressed file"),
    (b"\xfd7zXZ\0", "a compressed file"),
    (b"\x28\xb5\x2f\xfd", "a compressed file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90\0", "a program"),
    (b"SQLite format 3\0", "a database"),
    (b"PAR1", "a Parquet file"),
    (b"\x09\0\x04\0", "a workbook of Excel 2"),
    (b"\x09\x02\x06\0", "a workbook of Excel 3"),
    (b"\x09\x04\x06\0", "a workbook of Excel 4"),
    (b"\x09\x08", "a workbook of Excel without its container"),
    (b"\0\0\x02\0", "a sheet of Lotus 1-2-3 or Quattro Pro"),
    (b"\0\0\x1a\0", "a sheet of Lotus 1-2-3"),
    (b"\xff\0\x02\0", "a sheet of Microsoft Works"),
    (b"ID;P", "a sheet in the SYLK format"),
    (b"MIME-Version:", "a web archive (MHTML)"),
    (b"From: ", "a mail or a web archive (MHTML)"),
    (b"TABLE\r\n0,1\r\n", "a sheet in the DIF format"),
    (b"TABLE\n0,1\n", "a sheet in the DIF format"),
    (b"socialcalc:version", "a sheet of SocialCalc"),
];

/// Says what `bytes` are.
pub(crate) fn file_kind(bytes: &[u8]) -> FileKind {
    if bytes.starts_with(b"PK\x03\x04") {
        return FileKind::Package;
    }
    if bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        return FileKind::Compound;
    }
    if let Some((_, what)) = OTHERS.iter().find(|(start, _)| bytes.starts_with(start)) {
        return FileKind::Other(what);
    }
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(HEAD)]).replace('\0', "");
    let text = head.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{fffd}'));
    if is_dbase(bytes) {
        return FileKind::Other("a dBASE table");
    }
    if !text.starts_with('<') {
        return if is_json(text) { FileKind::Other("JSON") } else { FileKind::Text };
    }
    if text.contains(NAMESPACE) && text.contains("Workbook") {
        return FileKind::SpreadsheetMl;
    }
    if text.contains("opendocument.spreadsheet") && text.contains("office:document") {
        return FileKind::FlatOds;
    }
    if is_html(bytes) {
        return FileKind::Html;
    }
    if text.starts_with("<?xml") { FileKind::Other("XML, but not a workbook") } else { FileKind::Text }
}

/// A version, a date, and a length of the head that fits its columns.
fn is_dbase(bytes: &[u8]) -> bool {
    let &[version, _, month, day, _, _, _, _, low, high, ..] = bytes else { return false };
    let head_len = u16::from_le_bytes([low, high]);
    matches!(version, 0x03 | 0x30 | 0x31 | 0x83 | 0x8b | 0xf5)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && head_len >= 33
        && bytes.len() >= usize::from(head_len)
}

fn is_json(text: &str) -> bool {
    let mut signs = text.chars().filter(|c| !c.is_whitespace());
    matches!((signs.next(), signs.next()), (Some('{'), Some('"' | '}')) | (Some('['), Some('{' | '[' | '"')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_bytes() {
        for (bytes, kind) in [
            (&b"PK\x03\x04..."[..], FileKind::Package),
            (b"\xd0\xcf\x11\xe0", FileKind::Compound),
            (b"<html><table>", FileKind::Html),
            (b"%PDF-1.7", FileKind::Other("a PDF")),
            (b"ID;PWXL;N;E\r\n", FileKind::Other("a sheet in the SYLK format")),
            (b"<?xml version=\"1.0\"?><orders/>", FileKind::Other("XML, but not a workbook")),
            (b"[{\"po\": 1}]", FileKind::Other("JSON")),
            (b"PO_NUMBER\n1", FileKind::Text),
            (b"[x], y\n", FileKind::Text),
            (b"", FileKind::Text),
        ] {
            assert_eq!(file_kind(bytes), kind, "{bytes:?}");
        }
        let workbook = format!("\u{feff}<?xml version=\"1.0\"?>\n<Workbook xmlns=\"{NAMESPACE}\">");
        assert_eq!(file_kind(workbook.as_bytes()), FileKind::SpreadsheetMl);
        let wide: Vec<u8> = workbook.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(file_kind(&wide), FileKind::SpreadsheetMl);
    }
}
