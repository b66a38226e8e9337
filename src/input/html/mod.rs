//! Web pages with tables, as report servers and exports write them, mostly under the ending `.xls`.

mod tables;
mod tags;

use encoding_rs::Encoding;

use self::tables::read_tables;
use crate::input::book::{Book, SheetInfo, SheetRow, SheetRows};
use crate::input::error::SheetError;
use crate::input::text::decode;

/// How much of a file is looked at to know it as a page and to find its encoding.
const HEAD: usize = 64 * 1024;

/// The tables of a page as sheets.
pub(crate) struct HtmlBook {
    sheets: Vec<SheetInfo>,
    tables: Vec<Vec<SheetRow>>,
}

/// Whether the bytes begin as a web page does, or hold a table among tags.
pub(crate) fn is_html(bytes: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(HEAD)]).replace('\0', "").to_ascii_lowercase();
    let text = head.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{fffd}'));
    text.starts_with('<') && ["<!doctype html", "<html", "<table", "<body"].iter().any(|tag| text.contains(tag))
}

impl HtmlBook {
    /// Reads the tables of a page.
    pub(crate) fn open(bytes: &[u8]) -> Result<Self, SheetError> {
        let text = match declared_encoding(bytes) {
            Some(encoding) => match encoding.decode(bytes) {
                (text, _, false) => Some(text.into_owned()),
                _ => decode(bytes), // it names one encoding and is written in another
            },
            None => decode(bytes),
        };
        let tables = text.map(|text| read_tables(&text)).transpose()?.unwrap_or_default();
        if tables.is_empty() {
            return Err(SheetError::AnotherKind("a web page without a table"));
        }
        let sheets = (1..=tables.len()).map(|at| SheetInfo::visible(format!("table {at}"))).collect();
        Ok(Self { sheets, tables })
    }
}

/// The encoding that the page names, if its bytes do not begin with a mark.
fn declared_encoding(bytes: &[u8]) -> Option<&'static Encoding> {
    if Encoding::for_bom(bytes).is_some() {
        return None;
    }
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(HEAD)]).to_ascii_lowercase();
    let (_, rest) = head.split_once("charset=")?;
    let label: String = rest
        .trim_start_matches(['"', '\'', ' '])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
        .collect();
    // what names itself in single bytes is not written in pairs of them
    Encoding::for_label(label.as_bytes()).filter(|encoding| encoding.is_ascii_compatible())
}

impl Book for HtmlBook {
    fn sheets(&self) -> &[SheetInfo] {
        &self.sheets
    }

    fn rows(&mut self, sheet: usize) -> Result<SheetRows<'_>, SheetError> {
        Ok(Box::new(self.tables.get(sheet).into_iter().flatten().cloned().map(Ok)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_known_by_their_beginning() {
        for page in [
            &b"<html>"[..],
            b"\xef\xbb\xbf\r\n <!DOCTYPE HTML>",
            b"<meta><TABLE>",
            b"<!-- x --><table>",
            b"\xff\xfe<\0h\0t\0m\0l\0>\0",
        ] {
            assert!(is_html(page), "{page:?}");
        }
        for other in [&b"PO_NUMBER\n<table>"[..], b"<?xml version='1.0'?><Workbook/>", b"", b"<5,7"] {
            assert!(!is_html(other), "{other:?}");
        }
    }

    #[test]
    fn the_encoding_that_a_page_names_is_used() {
        for (page, text) in [
            (&b"<meta charset=iso-8859-1><table><tr><td>M\xfcller</table>"[..], "Müller"),
            (
                b"<meta http-equiv='Content-Type' content=\"text/html; charset=utf-8\"><table><tr><td>M\xc3\xbcller</table>",
                "Müller",
            ),
            (b"<table><tr><td>M\xfcller</table>", "Müller"),
            (b"<meta charset=utf-8><table><tr><td>M\xfcller</table>", "Müller"),
        ] {
            let mut book = HtmlBook::open(page).unwrap();
            let row = book.rows(0).unwrap().next().unwrap().unwrap();
            assert_eq!(row.cell(0).unwrap().shown(), text);
        }
        assert!(matches!(HtmlBook::open(b"<html><form>Log in"), Err(SheetError::AnotherKind(_))));
    }
}
