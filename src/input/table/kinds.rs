//! Tables that hold rows of several kinds, as exports do: the orders' own, and those of their lines.

use std::collections::BTreeMap;

use crate::input::book::SheetRow;
use crate::input::cell::Cell;
use crate::input::cell::words::column_name;

/// Headings of the column that says of which kind a row is.
const KIND_COLUMNS: [&str; 6] = ["RECORDTYPE", "RECORD", "RECTYPE", "ROWTYPE", "LINETYPE", "HEADERTYPE"];
/// What that column says of orders, and of their lines.
const ORDER_WORDS: [&str; 9] =
    ["H", "HDR", "HEAD", "HEADER", "PO", "ORDER", "POHEADER", "ORDERHEADER", "PURCHASEORDERHEADER"];
const LINE_WORDS: [&str; 13] = [
    "L",
    "LN",
    "LINE",
    "D",
    "DTL",
    "DETAIL",
    "I",
    "ITEM",
    "POS",
    "POSITION",
    "POLINE",
    "ORDERLINE",
    "PURCHASEORDERLINE",
];
/// Headings of the column of a table of lines that counts them.
const LINE_COLUMNS: [&str; 9] =
    ["LINENUMBER", "LINENUM", "LINENO", "LINENR", "LINE", "LINEID", "POLINE", "POLINENUMBER", "ITEMNUMBER"];

/// The column that says of which kind a row is.
#[derive(Clone, Debug)]
pub(crate) struct RecordColumn {
    at: usize,
    /// What it says of orders. None if it says so of lines only.
    orders: Option<String>,
}

impl RecordColumn {
    /// Finds it by what its cells hold. In exports of Coupa it is the first column, its heading is the kind of the orders'
    /// own rows, such as `PurchaseOrder`, and each other kind has headings of its own. Elsewhere it has a name, and words
    /// for both kinds.
    pub(crate) fn find(names: &BTreeMap<usize, String>, rows: &[SheetRow]) -> Option<Self> {
        let (first, name) = names.first_key_value()?;
        let own = column_name(name);
        let kind = |row: &SheetRow| row.cell(*first).and_then(Cell::as_text).map(column_name);
        let is_heading = |(at, cell): &(usize, Cell)| {
            *at != *first && names.get(at).is_some_and(|name| column_name(name) == column_name(&cell.shown()))
        };
        let is_order = |row: &SheetRow| {
            kind(row).as_ref() == Some(&own) && row.cells.len() > 1 && !row.cells.iter().any(is_heading)
        };
        let is_other_head =
            |row: &SheetRow| kind(row).is_some_and(|kind| kind != own) && row.cells.len() > 1 && is_words(row);
        if !own.is_empty() && rows.iter().any(is_order) && rows.iter().any(is_other_head) {
            return Some(Self { at: *first, orders: Some(own) });
        }
        names.iter().filter(|(_, name)| KIND_COLUMNS.contains(&column_name(name).as_str())).find_map(|(at, _)| {
            let kinds = || rows.iter().filter_map(|row| row.cell(*at)?.as_text()).map(column_name);
            let has = |words: &[&str]| kinds().any(|kind| words.contains(&kind.as_str()));
            (has(&ORDER_WORDS) && has(&LINE_WORDS)).then_some(Self { at: *at, orders: None })
        })
    }

    /// The kind of a row that is not an order.
    pub(crate) fn other_kind<'a>(&self, row: &'a SheetRow) -> Option<&'a str> {
        let kind = row.cell(self.at)?.as_text()?;
        let plain = column_name(kind);
        let is_order = match &self.orders {
            Some(orders) => *orders == plain,
            None => !LINE_WORDS.contains(&plain.as_str()),
        };
        (!is_order).then_some(kind)
    }
}

/// Whether the row could belong to a head: words only.
pub(crate) fn is_words(row: &SheetRow) -> bool {
    let has_no_digit = |cell: &Cell| cell.as_text().is_some_and(|text| !text.contains(|c: char| c.is_ascii_digit()));
    !row.cells.is_empty() && row.cells.iter().all(|(_, cell)| has_no_digit(cell))
}

/// Whether a cell in the column of the numbers is the heading of a column that counts lines.
pub(crate) fn is_heading_of_lines(cell: &Cell) -> bool {
    cell.as_text().is_some_and(|text| LINE_COLUMNS.contains(&column_name(text).as_str()))
}
