//! `report.csv`, with the columns that people expect.

use std::io::{self, Write};

use csv::{QuoteStyle, Terminator, WriterBuilder};

use super::RunFacts;
use super::facts::{Row, rows, why_open};
use crate::model::{OrderStatus, Outcome};
use crate::ports::History;

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

pub(super) fn write(to: &mut dyn Write, history: &History, facts: &RunFacts) -> io::Result<()> {
    to.write_all("\u{feff}".as_bytes())?; // without it Excel takes UTF-8 for the system's old code page
    let mut table = WriterBuilder::new().quote_style(QuoteStyle::Always).terminator(Terminator::CRLF).from_writer(to);
    table.write_record(COLUMNS)?;
    for row in rows(history) {
        table.write_record(cells(&row, facts).map(|cell| defuse(&cell)))?;
    }
    table.flush()
}

fn cells(row: &Row<'_>, facts: &RunFacts) -> [String; 11] {
    let receipt = row.outcome.and_then(Outcome::receipt);
    let error = match row.outcome {
        Some(outcome) => outcome.failure().map(|failure| failure.message.as_str()).unwrap_or_default(),
        None => why_open(facts),
    };
    let files = receipt.map_or(&[][..], |receipt| &receipt.files);
    // each name on its own: read with `;` as the delimiter, each one begins a cell
    let names: Vec<_> = files.iter().map(|file| defuse(&file.name)).collect();
    let left_out = receipt.map_or(&[][..], |receipt| &receipt.left_out);
    let left_out: Vec<_> = left_out.iter().map(|file| defuse(&file.name)).collect();
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

/// One line, and never a formula: names and messages come from the portal, and a spreadsheet would run them.
fn defuse(cell: &str) -> String {
    let line: String = cell.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect();
    let is_formula = cell.starts_with(['\t', '\r']) || line.trim_start().starts_with(['=', '+', '-', '@']);
    if is_formula { format!("'{line}") } else { line }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::facts::sample;
    use super::*;

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
        assert_eq!(rows.len(), 9);
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
        assert_eq!(String::from_utf8(written()).unwrap().lines().count(), 9);
    }

    proptest! {
        #[test]
        fn no_cell_is_a_formula_or_a_second_line(cell in "[ \t\r\n=+@;-]{0,3}\\PC{0,20}") {
            let safe = defuse(&cell);
            prop_assert!(!safe.trim_start().starts_with(['=', '+', '-', '@']));
            prop_assert!(!safe.starts_with('\t'));
            prop_assert!(!safe.contains(['\r', '\n']));
        }
    }
}
