//! Bytes of a text file to rows: encoding, delimiter, line numbers.

use csv::{ReaderBuilder, StringRecord, Terminator};
use encoding_rs::{Encoding, WINDOWS_1252};

use super::InputError;
use super::table::{SheetHeader, SheetRow};

/// What separates cells, the likeliest first.
const DELIMITERS: [u8; 4] = *b",;\t|";
/// How many rows the delimiter is judged by.
const SAMPLE_ROWS: usize = 60;

/// Text with one kind of line break. `None` when the bytes are no text at all.
pub(crate) fn decode(bytes: &[u8]) -> Option<String> {
    let text = if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        encoding.decode_without_bom_handling(&bytes[mark..]).0.into_owned()
    } else if let Ok(text) = std::str::from_utf8(bytes) {
        text.to_owned()
    } else {
        // the one 8-bit encoding that office programs of the West write; every byte means something in it
        WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned()
    };
    if text.contains('\0') {
        return None;
    }
    // one kind of break, so that blank lines can be counted below
    Some(if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text })
}

/// The rows of a text, numbered as a spreadsheet shows them.
pub(crate) struct TextRows<'a> {
    text: &'a str,
    reader: csv::Reader<&'a [u8]>,
    record: StringRecord,
    line: u64,
}

impl<'a> TextRows<'a> {
    /// Finds out what separates the cells and starts at the first row.
    pub(crate) fn new(text: &'a str) -> Self {
        if let Some((delimiter, rest)) = told_delimiter(text) {
            return Self::with(rest, delimiter, 1);
        }
        Self::with(text, detect(text), 0)
    }

    fn with(text: &'a str, delimiter: u8, line: u64) -> Self {
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .terminator(Terminator::Any(b'\n'))
            .from_reader(text.as_bytes());
        Self { text, reader, record: StringRecord::new(), line }
    }
}

impl Iterator for TextRows<'_> {
    type Item = Result<SheetRow, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = usize::try_from(self.reader.position().byte()).ok()?;
        // the only errors are of encoding and of uneven rows: the text is UTF-8, and uneven rows are allowed
        if !self.reader.read_record(&mut self.record).ok()? {
            return None;
        }
        // blank lines are skipped without a word, but a spreadsheet counts them
        let blank_count = self.text.as_bytes().get(start..)?.iter().take_while(|byte| **byte == b'\n').count();
        self.line += blank_count as u64 + 1;
        Some(Ok(SheetRow { line: self.line, cells: self.record.iter().map(str::to_owned).collect() }))
    }
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

/// The delimiter under which a header with an order column shows; else the one that makes the widest rows.
fn detect(text: &str) -> u8 {
    let mut best = (false, 0, DELIMITERS[0]);
    for delimiter in DELIMITERS {
        let rows = TextRows::with(text, delimiter, 0).take(SAMPLE_ROWS).flatten();
        let (mut has_header, mut width) = (false, 0);
        for row in rows {
            if SheetHeader::find(&row.cells).is_some() {
                (has_header, width) = (true, row.cells.len());
                break;
            }
            width = width.max(row.cells.len());
        }
        if (has_header, width) > (best.0, best.1) {
            best = (has_header, width, delimiter);
        }
    }
    best.2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<(u64, Vec<String>)> {
        TextRows::new(text).map(|row| row.unwrap()).map(|row| (row.line, row.cells)).collect()
    }

    #[test]
    fn every_delimiter_is_found() {
        for delimiter in [",", ";", "\t", "|"] {
            let text = "PO_NUMBER;Name, first\n7;a\n".replace(';', delimiter);
            let found = rows(&text.replace("Name, first", "\"Name, first\""));
            assert_eq!(found[0].1, ["PO_NUMBER", "Name, first"], "{delimiter:?}");
        }
        assert_eq!(rows("sep=;\nPO_NUMBER;x\n7;8")[1], (3, vec!["7".to_owned(), "8".to_owned()]));
    }

    #[test]
    fn lines_are_counted_as_a_spreadsheet_shows_them() {
        let text = decode(b"\r\n\r\nPO_NUMBER,note\r\n1,\"two\r\nlines\"\r\n\r\n\r\n2,x\r\n3,y").unwrap();
        let lines: Vec<_> = rows(&text).into_iter().map(|(line, cells)| (line, cells[0].clone())).collect();
        let expected = [(3, "PO_NUMBER"), (4, "1"), (7, "2"), (8, "3")];
        assert_eq!(lines, expected.map(|(line, cell)| (line, cell.to_owned())));
    }

    #[test]
    fn every_encoding_is_read() {
        let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain("PO é".encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let utf16_be: Vec<u8> =
            [0xfe, 0xff].into_iter().chain("PO é".encode_utf16().flat_map(u16::to_be_bytes)).collect();
        for bytes in [&b"\xef\xbb\xbfPO \xc3\xa9"[..], b"PO \xc3\xa9", b"PO \xe9", &utf16, &utf16_be] {
            assert_eq!(decode(bytes).unwrap(), "PO é", "{bytes:?}");
        }
        assert_eq!(decode(b"\x00\x01\x02"), None);
    }
}
