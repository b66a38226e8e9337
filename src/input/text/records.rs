//! Text to records: cells between delimiters, in quotation marks where they hold a delimiter or a line break.
//!
//! A reader that repairs everything would hide what is lost: after a quotation mark that is never closed, all that
//! follows is one cell. So this one says so.

use crate::input::book::MAX_COLUMNS;
use crate::input::error::SheetError;

/// One record, numbered as a spreadsheet shows it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) line: u64,
    pub(crate) cells: Vec<String>,
    /// Lines inside a quoted cell, except its first one.
    pub(crate) inner: Vec<&'a str>,
}

/// The records of a text. Blank lines are counted and left out.
pub(crate) struct Records<'a> {
    rest: &'a str,
    delimiter: char,
    line: u64,
}

impl<'a> Records<'a> {
    /// `line` is the number of the line before `text`.
    pub(crate) fn new(text: &'a str, delimiter: u8, line: u64) -> Self {
        Self { rest: text, delimiter: char::from(delimiter), line }
    }

    fn record(&mut self) -> Result<Record<'a>, SheetError> {
        let mut record = Record { line: self.line, cells: Vec::new(), inner: Vec::new() };
        loop {
            let cell = match self.rest.strip_prefix('"') {
                Some(quoted) => self.quoted(quoted, &mut record.inner)?,
                None => self.until_end().to_owned(),
            };
            if record.cells.len() == MAX_COLUMNS {
                return Err(SheetError::Damaged(format!("its row {} is too long", self.line)));
            }
            record.cells.push(cell);
            match self.rest.strip_prefix(self.delimiter) {
                Some(rest) => self.rest = rest,
                None => {
                    self.rest = self.rest.strip_prefix('\n').unwrap_or(self.rest);
                    return Ok(record);
                }
            }
        }
    }

    /// The text up to the next delimiter or the end of the line.
    fn until_end(&mut self) -> &'a str {
        let end = self.rest.find([self.delimiter, '\n']).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        text
    }

    /// A cell that begins with a quotation mark; `text` follows it. Two of them mean one.
    fn quoted(&mut self, text: &'a str, inner: &mut Vec<&'a str>) -> Result<String, SheetError> {
        let open = SheetError::OpenQuote { line: self.line };
        let mut cell = String::new();
        let mut rest = text;
        loop {
            let Some((part, after)) = rest.split_once('"') else { return Err(open) };
            cell.push_str(part);
            match after.strip_prefix('"') {
                Some(after) => {
                    cell.push('"');
                    rest = after;
                }
                None => {
                    rest = after;
                    break;
                }
            }
        }
        inner.extend(text[..text.len() - rest.len() - 1].split('\n').skip(1));
        self.rest = rest;
        let behind = self.until_end();
        // a mark in the middle of a cell, such as of inches; where lines have been swallowed, it was not meant to close
        if !behind.trim().is_empty() && cell.contains('\n') {
            return Err(open);
        }
        cell.push_str(behind);
        Ok(cell)
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, SheetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.line += 1;
        while let Some(rest) = self.rest.strip_prefix('\n') {
            self.rest = rest;
            self.line += 1;
        }
        if self.rest.is_empty() {
            return None;
        }
        let record = self.record();
        if record.is_err() {
            self.rest = ""; // nothing that follows can be trusted
        }
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cells(text: &str, delimiter: u8) -> Vec<Vec<String>> {
        Records::new(text, delimiter, 0).map(|record| record.unwrap().cells).collect()
    }

    #[test]
    fn cells_in_quotation_marks_hold_delimiters_breaks_and_marks() {
        assert_eq!(cells("a;\"b;\"\"c\"\"\nd\";\n", b';'), [["a", "b;\"c\"\nd", ""]]);
        assert_eq!(cells("6\" pipe,\"7\" pipe,\"\"", b','), [["6\" pipe", "7 pipe", ""]]);
    }

    #[test]
    fn a_quotation_mark_that_is_not_closed_is_told_with_its_line() {
        for text in ["a\nb,\"6 inch\nc,d\n", "a\nb,\"6 inch\nc,\"8 inch\nd\n", "a\n\"", "a\n\"b\nc\"d\n"] {
            let records: Vec<_> = Records::new(text, b',', 0).collect();
            assert!(matches!(records.last(), Some(Err(SheetError::OpenQuote { line: 2 }))), "{text:?}: {records:?}");
        }
    }

    #[test]
    fn lines_inside_of_a_cell_are_known() {
        let records: Vec<_> = Records::new("1,\"a\n2,b\n3,c\",\"d\ne\"\n4,f", b',', 0).map(Result::unwrap).collect();
        assert_eq!(records[0].inner, ["2,b", "3,c", "e"]);
        assert_eq!((records[1].line, records[1].inner.len()), (2, 0));
    }

    proptest! {
        #[test]
        fn what_is_written_by_the_rules_is_read_back(
            rows in prop::collection::vec(prop::collection::vec("[a1,;\"\n ]{0,6}|\\PC{0,3}", 1..5), 1..8),
        ) {
            let mut writer = csv::WriterBuilder::new().flexible(true).quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            prop_assert_eq!(cells(&text, b','), rows);
        }

        #[test]
        fn no_text_makes_it_panic_or_stay(text in "[a1,;\"\n ]{0,60}") {
            let records: Vec<_> = Records::new(&text, b',', 0).collect();
            prop_assert!(records.len() <= text.split('\n').count());
        }
    }
}
