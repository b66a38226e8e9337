//! `report.csv`, with the columns that people expect.

use std::io::{self, Write};

use csv::{QuoteStyle, Terminator, WriterBuilder};

use crate::backend::History;
use crate::model::{OrderStatus, Outcome};
use crate::report::data::{ReportRow, RunFacts, rows, why_open};

/// The columns, in this order.
const COLUMNS: [&str; 11] = [
    "PO_NUMBER",
    "STATUS",
    "SUPPLIER",
    "ATTACHMENTS_FOUND",
    "ATTACHMENTS_DOWNLOADED",
    "AttachmentName",
    "LAST_PROCESSED",
    "ERROR_MESSAGE",
    "DOWNLOAD_FOLDER",
    "COUPA_URL",
    "LEFT_OUT",
];

pub(crate) fn write(to: &mut dyn Write, history: &History, facts: &RunFacts) -> io::Result<()> {
    to.write_all("\u{feff}".as_bytes())?; // without it Excel takes UTF-8 for the system's old code page
    let mut table = WriterBuilder::new().quote_style(QuoteStyle::Always).terminator(Terminator::CRLF).from_writer(to);
    table.write_record(COLUMNS)?;
    for row in rows(history) {
        table.write_record(cells(&row, facts).map(|cell| defuse(&cell)))?;
    }
    table.flush()
}

fn cells(row: &ReportRow<'_>, facts: &RunFacts) -> [String; 11] {
    let receipt = row.outcome.and_then(Outcome::receipt);
    let error = match row.outcome {
        Some(outcome) => outcome.failure().map(|failure| failure.message.as_str()).unwrap_or_default(),
        None => why_open(facts),
    };
    let files = receipt.map_or(&[][..], |receipt| &receipt.files);
    let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
    let left_out = receipt.map_or(&[][..], |receipt| &receipt.left_out);
    let left_out: Vec<_> = left_out.iter().map(|file| file.name.as_str()).collect();
    [
        row.order.po.to_string(),
        row.outcome.map_or(OrderStatus::NotDone, Outcome::status).to_string(),
        receipt.and_then(|receipt| receipt.supplier.clone()).unwrap_or_default(),
        receipt.map_or(0, |receipt| receipt.listed_count).to_string(),
        files.len().to_string(),
        names.join("; "),
        row.settled_at.map(|at| at.to_string()).unwrap_or_default(),
        error.to_owned(),
        receipt.map(|receipt| receipt.folder.clone()).unwrap_or_default(),
        receipt.map(|receipt| receipt.url.clone()).unwrap_or_default(),
        left_out.join("; "),
    ]
}

/// What a spreadsheet takes for the beginning of a formula; the wide ones count in East Asia.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// One line, and never a formula: names and messages come from the portal, and a spreadsheet would run them.
///
/// Where people's lists are separated by `;`, spreadsheets read the table so: quotes that do not begin a line mean nothing
/// then, and each `;` in a text begins a cell. What follows it is defused as well, and so is a quote, which would take the
/// rest of the line, or its end, into the cell. A tab, which others read so, becomes a space.
fn defuse(cell: &str) -> String {
    let line: String = cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let pieces = line.split(';').enumerate().map(|(at, piece)| {
        let text = piece.trim_start();
        let is_open = at > 0 && (text.is_empty() || text.starts_with('"'));
        let space = &piece[..piece.len() - text.len()];
        if is_open || text.starts_with(FORMULA) { format!("{space}'{text}") } else { piece.to_owned() }
    });
    pieces.collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{ExcludedFile, FileOrigin, ListingId, Receipt, TaskState};
    use crate::report::sample;

    fn written() -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, &sample::history(), &sample::facts()).unwrap();
        bytes
    }

    fn read_back(bytes: &[u8]) -> Vec<Vec<String>> {
        csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(bytes)
            .records()
            .map(|record| record.unwrap().iter().map(str::to_owned).collect())
            .collect()
    }

    #[test]
    fn the_table_has_the_expected_columns_and_one_row_per_order() {
        let bytes = written();
        assert!(bytes.starts_with(b"\xef\xbb\xbf\"PO_NUMBER\",\"STATUS\""));
        let rows = read_back(&bytes[3..]);
        assert_eq!(rows.len(), 10);
        assert_eq!(
            rows[1],
            [
                "PO1",
                "COMPLETED",
                "'=HYPERLINK(\"http://evil\")",
                "2",
                "2",
                "'=cmd.pdf; two lines.pdf",
                "2026-11-21T01:01:00Z",
                "",
                "Acme/PO1_COMPLETED",
                "https://acme.coupahost.com/order_headers/1",
                ""
            ]
        );
        assert_eq!(rows[6][7], "'-page is new");
        // where people want to click most
        assert_eq!(rows[4][9], "https://acme.coupahost.com/order_headers/4");
        assert_eq!(rows[6][9], "https://acme.coupahost.com/order_headers/6");
        assert_eq!((rows[8][1].as_str(), rows[8][6].as_str()), ("NOT_DONE", ""));
        assert!(rows[8][7].contains("run it again"));
    }

    #[test]
    fn every_order_takes_one_line() {
        assert_eq!(String::from_utf8(written()).unwrap().lines().count(), 10);
    }

    #[test]
    fn a_formula_behind_a_separator_is_none_either() {
        for (cell, safe) in [
            ("Acme;=cmd|' /C calc'!A0;x", "Acme;'=cmd|' /C calc'!A0;x"),
            ("Acme; \t@SUM(1)", "Acme;  '@SUM(1)"),
            ("Acme;\"=1+1\"", "Acme;'\"=1+1\""),
            ("Acme;", "Acme;'"),
            (" -1", " '-1"),
            ("\u{ff1d}1", "'\u{ff1d}1"),
            ("a; b;c", "a; b;c"),
            ("say \"hi\" = 1", "say \"hi\" = 1"),
        ] {
            assert_eq!(defuse(cell), safe, "{cell:?}");
        }
    }

    /// The sample with these texts wherever the portal has a say.
    fn written_with(texts: &[String]) -> Vec<u8> {
        let mut texts = texts.iter().cycle().cloned();
        let mut text = || texts.next().unwrap();
        let mut history = sample::history();
        for state in history.tasks.values_mut() {
            let TaskState::Settled { outcome, .. } = state else { continue };
            match outcome {
                Outcome::Completed(receipt) | Outcome::NoAttachments(receipt) => fill(receipt, &mut text),
                Outcome::Partial(receipt, failure) => {
                    failure.message = text();
                    fill(receipt, &mut text);
                }
                Outcome::NotFound(failure, _) | Outcome::Failed(failure, _) | Outcome::Skipped(failure, _) => {
                    failure.message = text();
                }
            }
        }
        let facts = RunFacts { stopped_because: Some(text()), ..sample::facts() };
        let mut bytes = Vec::new();
        write(&mut bytes, &history, &facts).unwrap();
        bytes
    }

    fn fill(receipt: &mut Receipt, text: &mut impl FnMut() -> String) {
        receipt.supplier = Some(text());
        receipt.folder = text();
        receipt.url = text();
        receipt.files.iter_mut().for_each(|file| file.name = text());
        let left_out = |name| ExcludedFile {
            name,
            listing: ListingId::default(),
            source: FileOrigin::Order,
            reason: String::new(),
        };
        receipt.left_out = vec![left_out(text()), left_out(text())];
    }

    /// As spreadsheets read it: with the mark of Unicode in front, whatever separates their lists.
    fn cells_read_with(bytes: &[u8], delimiter: u8) -> Vec<String> {
        let mut reader = csv::ReaderBuilder::new();
        reader.has_headers(false).flexible(true).delimiter(delimiter);
        let rows = reader.from_reader(&bytes[3..]).into_records().map(Result::unwrap);
        rows.flat_map(|row| row.iter().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    proptest! {
        #[test]
        fn no_cell_of_the_file_is_a_formula_whichever_separator_it_is_read_with(
            texts in prop::collection::vec("([ \t\r\n=+@;,\"'|a-]{0,4}|[;\"]=[a-z]|\\PC{0,6}){0,4}", 1..12),
        ) {
            let bytes = written_with(&texts);
            for delimiter in *b",;\t" {
                for cell in cells_read_with(&bytes, delimiter) {
                    prop_assert!(!cell.trim_start().starts_with(FORMULA), "{:?}: {cell:?}", char::from(delimiter));
                    prop_assert!(!cell.starts_with(['\t', '\r', '\n']), "{:?}: {cell:?}", char::from(delimiter));
                }
            }
            prop_assert_eq!(read_back(&bytes[3..]).len(), 10, "one line for each order");
        }
    }
}
