//! Text files: tables with any of the usual delimiters, and lists.

mod records;

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE, WINDOWS_1252};

use self::records::{Record, Records};
use crate::input::book::{Book, SheetInfo, SheetRow, SheetRows};
use crate::input::cell::Cell;
use crate::input::error::SheetError;
use crate::input::options::InputOptions;
use crate::input::table::{Ambiguous, SheetKind, judge, order_count};

/// What separates cells, the likeliest first.
const DELIMITERS: [u8; 4] = *b",;\t|";
/// How many rows the delimiter is judged by.
const SAMPLE_ROWS: usize = 60;

/// How much of a file without a mark is looked at to tell UTF-16 by its zeros.
const ENCODING_SAMPLE: usize = 2048;

/// A text as a book of one sheet.
pub(crate) struct TextBook<'a> {
    text: &'a str,
    delimiter: u8,
    /// The lines before `text`.
    line: u64,
    sheet: [SheetInfo; 1],
}

impl<'a> TextBook<'a> {
    /// Finds out what separates the cells.
    pub(crate) fn new(text: &'a str, options: &InputOptions) -> Self {
        let sheet = [SheetInfo::visible(String::new())];
        match told_delimiter(text) {
            Some((delimiter, rest)) => Self { text: rest, delimiter, line: 1, sheet },
            None => Self { text, delimiter: detect(text, options), line: 0, sheet },
        }
    }
}

impl Book for TextBook<'_> {
    fn sheets(&self) -> &[SheetInfo] {
        &self.sheet
    }

    fn rows(&mut self, _sheet: usize) -> Result<SheetRows<'_>, SheetError> {
        Ok(Box::new(rows(self.text, self.delimiter, self.line)))
    }
}

fn rows(text: &str, delimiter: u8, line: u64) -> impl Iterator<Item = Result<SheetRow, SheetError>> {
    Records::new(text, delimiter, line).map(move |record| record.map(|record| row(record, delimiter)))
}

fn row(record: Record<'_>, delimiter: u8) -> SheetRow {
    // a line without a delimiter is a line of somebody's note
    let inner = record.inner.into_iter().map(|line| line.split(char::from(delimiter))).filter_map(|cells| {
        let cells: Vec<_> = cells.map(str::to_owned).collect();
        (cells.len() > 1).then(|| sparse(cells))
    });
    SheetRow { line: record.line, is_hidden: false, inner: inner.collect(), cells: sparse(record.cells) }
}

fn sparse(cells: Vec<String>) -> Vec<(usize, Cell)> {
    cells.into_iter().enumerate().filter_map(|(at, text)| Some((at, Cell::text(&text)?))).collect()
}

/// The first line `sep=;`, by which some programs say what they use, and what follows it.
fn told_delimiter(text: &str) -> Option<(u8, &str)> {
    let (first, rest) = text.split_once('\n')?;
    let told = first.trim().trim_matches('"').strip_prefix("sep=")?;
    match told.as_bytes() {
        [delimiter] if DELIMITERS.contains(delimiter) => Some((*delimiter, rest)),
        _ => None,
    }
}

/// The delimiter under which a head with an order column shows, with the most orders below it, then with the most columns: a
/// word in a cell can look like a head under another one. Without any head it is the delimiter that makes the widest rows.
fn detect(text: &str, options: &InputOptions) -> u8 {
    let mut best = (None, 0, DELIMITERS[0]);
    for delimiter in DELIMITERS {
        let sample: Vec<_> = rows(text, delimiter, 0).take(SAMPLE_ROWS).map_while(Result::ok).collect();
        let head = match judge(&sample, options) {
            Ok(SheetKind::Table(head)) => Some((order_count(&head, &sample, options), head.names.len())),
            // several columns of one head have orders
            Err(Ambiguous(columns)) => Some((sample.len(), columns.len())),
            Ok(SheetKind::List | SheetKind::Unknown(_) | SheetKind::Blank) => None,
        };
        let records = Records::new(text, delimiter, 0).take(SAMPLE_ROWS).map_while(Result::ok);
        let width = records.map(|record| record.cells.len()).max().unwrap_or(0);
        if (head, width) > (best.0, best.1) {
            best = (head, width, delimiter);
        }
    }
    best.2
}

/// Text with one kind of line break. `None` when the bytes are no text at all.
pub(crate) fn decode(bytes: &[u8]) -> Option<String> {
    let text = if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        encoding.decode_without_bom_handling(&bytes[mark..]).0.into_owned()
    } else if let Some(encoding) = unmarked_utf_16(bytes) {
        encoding.decode_without_bom_handling(bytes).0.into_owned()
    } else if let Ok(text) = std::str::from_utf8(bytes) {
        text.to_owned()
    } else {
        // the one 8-bit encoding that office programs of the West write; every byte means something in it
        WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned()
    };
    if text.contains('\0') {
        return None;
    }
    // one kind of break, so that blank lines can be counted
    Some(if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text })
}

/// UTF-16 without a mark: digits and separators have a zero as every second byte.
fn unmarked_utf_16(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = &bytes[..bytes.len().min(ENCODING_SAMPLE)];
    let zeros = |parity: usize| sample.iter().skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd, half) = (zeros(0), zeros(1), sample.len() / 2);
    if !bytes.len().is_multiple_of(2) || half < 2 {
        return None;
    }
    match (even, odd) {
        (0, odd) if odd * 2 > half => Some(UTF_16LE),
        (even, 0) if even * 2 > half => Some(UTF_16BE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(u64, Vec<String>)> {
        let mut book = TextBook::new(text, &InputOptions::default());
        let rows = book.rows(0).unwrap().map(|row| row.unwrap());
        rows.map(|row| (row.line, row.cells.iter().map(|(_, cell)| cell.shown().into_owned()).collect())).collect()
    }

    #[test]
    fn every_delimiter_is_found() {
        for delimiter in [",", ";", "\t", "|"] {
            let text = "PO_NUMBER;Name, first\n7;a\n".replace(';', delimiter);
            let found = read(&text.replace("Name, first", "\"Name, first\""));
            assert_eq!(found[0].1, ["PO_NUMBER", "Name, first"], "{delimiter:?}");
        }
        assert_eq!(read("sep=;\nPO_NUMBER;x\n7;8")[1], (3, vec!["7".to_owned(), "8".to_owned()]));
    }

    #[test]
    fn a_word_in_a_cell_is_no_head_below_the_head_that_another_delimiter_shows() {
        let text = "PO_NUMBER,Supplier,Note,Amount\n7,|,|||,\"aa \npo\"\n";
        assert_eq!(read(text)[0].1, ["PO_NUMBER", "Supplier", "Note", "Amount"]);
        assert_eq!(read("a;note\nPO_NUMBER;Name\n7;x, PO, y, z, u\n")[1].1, ["PO_NUMBER", "Name"]);
    }

    #[test]
    fn lines_are_counted_as_a_spreadsheet_shows_them() {
        let text = decode(b"\r\n\r\nPO_NUMBER,note\r\n1,\"two\r\nlines\"\r\n\r\n\r\n2,x\r\n3,y").unwrap();
        let lines: Vec<_> = read(&text).into_iter().map(|(line, cells)| (line, cells[0].clone())).collect();
        let expected = [(3, "PO_NUMBER"), (4, "1"), (7, "2"), (8, "3")];
        assert_eq!(lines, expected.map(|(line, cell)| (line, cell.to_owned())));
    }

    #[test]
    fn every_encoding_is_read() {
        let wide: Vec<u8> = "PO é".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let utf16: Vec<u8> = [&[0xff, 0xfe][..], &wide].concat();
        let utf16_be: Vec<u8> =
            [0xfe, 0xff].into_iter().chain("PO é".encode_utf16().flat_map(u16::to_be_bytes)).collect();
        for bytes in [&b"\xef\xbb\xbfPO \xc3\xa9"[..], b"PO \xc3\xa9", b"PO \xe9", &utf16, &utf16_be, &wide] {
            assert_eq!(decode(bytes).unwrap(), "PO é", "{bytes:?}");
        }
        assert_eq!(decode(b"\x00\x01\x02"), None);
        assert_eq!(decode(b"a\0b\0\0\0"), None);
    }
}
