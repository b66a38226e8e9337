//! The head of a table: a row or two with the names of its columns, somewhere below titles, dates and a logo's caption.

use std::collections::BTreeMap;

use super::kinds::{RecordColumn, is_words};
use crate::input::book::{Cells, SheetRow};
use crate::input::cell::Cell;
use crate::input::cell::words::column_name;
use crate::input::options::InputOptions;
use crate::model::Metadata;

/// Names of the column with the numbers, as [`column_name`] leaves them, the surest first.
const PO_COLUMNS: [&str; 11] = [
    "PONUMBER",
    "PONUM",
    "PONO",
    "PONR",
    "PO",
    "PURCHASEORDERNUMBER",
    "PURCHASEORDERNO",
    "PURCHASEORDERNUM",
    "PURCHASEORDER",
    "COUPAPO",
    "COUPAPONUMBER",
];
const PRIORITY_COLUMN: &str = "PRIORITY";
/// How many rows that hold something may stand before the head.
const MAX_ROWS_BEFORE_HEAD: usize = 50;
/// Bounds of what a task remembers of its row: notes, not documents.
const MAX_NOTES: usize = 32;
const MAX_NOTE_NAME: usize = 64;
const MAX_NOTE: usize = 256;

/// The names of columns.
type Names = BTreeMap<usize, String>;

/// Which column holds what, and where the rows begin.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// The lines of its rows; 0 if there is none.
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) po: usize,
    pub(crate) priority: Option<usize>,
    pub(crate) names: Names,
    /// The column that says of which kind a row is, if there is one.
    pub(crate) records: Option<RecordColumn>,
    /// The column that has the name of the one with the numbers, but other cells; its heading.
    pub(crate) passed_over: Option<String>,
}

impl Head {
    /// The heading of the column with the numbers.
    pub(crate) fn po_name(&self) -> &str {
        self.names.get(&self.po).map_or("", String::as_str)
    }

    /// What a task remembers of its row.
    pub(crate) fn notes(&self, cells: &Cells) -> Metadata {
        let notes = cells.iter().filter(|(at, _)| *at != self.po && Some(*at) != self.priority);
        notes
            .filter_map(|(at, cell)| Some((self.names.get(at)?.clone(), clip(cell.shown().trim(), MAX_NOTE))))
            .take(MAX_NOTES)
            .collect()
    }
}

fn clip(text: &str, max: usize) -> String {
    text.chars().take(max).collect()
}

/// A head, and the columns that could hold the numbers by their names, the surest first.
#[derive(Debug)]
pub(crate) struct FoundHead {
    /// Where the head ends, and with it where the rows begin, in the sample.
    pub(crate) rows_from: usize,
    pub(crate) candidates: Vec<usize>,
    pub(crate) head: Head,
}

impl FoundHead {
    fn new(sample: &[SheetRow], at: usize, rows: usize, names: Names, candidates: Vec<usize>) -> Option<Self> {
        let po = *candidates.first()?;
        let lines = sample.get(at..at + rows)?;
        let priority = names.iter().find(|(_, name)| column_name(name) == PRIORITY_COLUMN).map(|(at, _)| *at);
        let records = RecordColumn::find(&names, sample.get(at + rows..)?);
        let (first, last) = (lines.first()?.line, lines.last()?.line);
        let head = Head { first, last, po, priority, names, records, passed_over: None };
        Some(Self { rows_from: at + rows, candidates, head })
    }

    /// The head with the surest of the columns.
    pub(crate) fn into_first(self) -> Head {
        self.head
    }
}

/// Finds the head: the first row with a column of order numbers, or the one called `wanted`.
pub(crate) fn find_head(sample: &[SheetRow], wanted: Option<&str>) -> Option<FoundHead> {
    (0..sample.len().min(MAX_ROWS_BEFORE_HEAD)).find_map(|at| head_at(sample, at, wanted))
}

/// Reads the row at `at` as a head, together with the next one if both make one.
fn head_at(sample: &[SheetRow], at: usize, wanted: Option<&str>) -> Option<FoundHead> {
    let row = sample.get(at)?;
    let upper = names(row);
    let single = candidates(&upper, wanted);
    let below = sample.get(at + 1).filter(|below| is_words(below));
    if let Some(below) = below {
        let lower = names(below);
        let both = combined(&upper, &lower);
        let is_named = |at: &usize| lower.get(at).is_some_and(|name| !column_name(name).is_empty());
        let named_below: Names =
            both.iter().filter(|(at, _)| is_named(at)).map(|(at, name)| (*at, name.clone())).collect();
        // "Purchase order" above "Number"
        let of_both = candidates(&named_below, wanted);
        if !of_both.is_empty() && candidates(&lower, wanted).is_empty() {
            return FoundHead::new(sample, at, 2, both, of_both);
        }
        // a title of one word, and the head below it
        if upper.len() == 1 && !candidates(&lower, wanted).is_empty() {
            return None;
        }
        // "PO number" over two rows, with names of their own only below its neighbours
        let is_continued = single.first().is_some_and(|po| !lower.contains_key(po));
        if is_continued && lower.keys().all(|at| is_in_group(*at, &upper, &lower)) {
            return FoundHead::new(sample, at, 2, both, single);
        }
    }
    FoundHead::new(sample, at, 1, upper, single)
}

fn names(row: &SheetRow) -> Names {
    row.cells.iter().map(|(at, cell)| (*at, clip(cell.shown().trim(), MAX_NOTE_NAME))).collect()
}

/// Whether the name of the lower row at `at` is one of several below the same name of the upper row.
fn is_in_group(at: usize, upper: &Names, lower: &Names) -> bool {
    let start = upper.range(..=at).next_back().map(|(start, _)| *start);
    let end = upper.range(at + 1..).next().map_or(usize::MAX, |(end, _)| *end);
    start.is_some_and(|start| lower.range(start..end).count() > 1)
}

/// Names of two rows as one. A name of the upper row also stands over the columns to its right that have none there.
fn combined(upper: &Names, lower: &Names) -> Names {
    let mut both = upper.clone();
    for (at, below) in lower {
        let name = match upper.range(..=at).next_back() {
            Some((_, above)) => clip(&format!("{above} {below}"), MAX_NOTE_NAME),
            None => below.clone(),
        };
        both.insert(*at, name);
    }
    both
}

/// The columns that could hold the numbers by their names, the surest first.
pub(crate) fn candidates(names: &Names, wanted: Option<&str>) -> Vec<usize> {
    if let Some(wanted) = wanted.map(column_name) {
        return names.iter().filter(|(_, name)| column_name(name) == wanted).map(|(at, _)| *at).collect();
    }
    let rank = |name: &String| PO_COLUMNS.iter().position(|known| *known == column_name(name));
    let mut ranked: Vec<_> = names.iter().filter_map(|(at, name)| Some((rank(name)?, *at))).collect();
    ranked.sort_unstable();
    ranked.into_iter().map(|(_, at)| at).collect()
}

/// The head that a row in the middle of a table would be.
pub(crate) fn head_of_row(row: &SheetRow) -> Option<Head> {
    let names = names(row);
    let po = *candidates(&names, None).first()?;
    let priority = names.iter().find(|(_, name)| column_name(name) == PRIORITY_COLUMN).map(|(at, _)| *at);
    Some(Head { first: row.line, last: row.line, po, priority, names, records: None, passed_over: None })
}

/// The head of a table whose column is given by its letter or its number. It is the row with the most words above the
/// first number in that column; without a row above it, there is none.
pub(crate) fn head_of_letter(sample: &[SheetRow], column: &str, options: &InputOptions) -> Option<Head> {
    let po = column_of_letter(column)?;
    sample.iter().find(|row| row.cell(po).is_some())?;
    let first_order = sample.iter().position(|row| row.is_order(po, options)).unwrap_or(1);
    let words = |row: &SheetRow| row.cells.iter().filter(|(_, cell)| matches!(cell, Cell::Text(_))).count();
    let above = sample.iter().take(first_order.min(MAX_ROWS_BEFORE_HEAD)).enumerate();
    let at = above.max_by_key(|(at, row)| (words(row), std::cmp::Reverse(*at))).map(|(at, _)| at);
    match at {
        Some(at) => {
            let mut found = FoundHead::new(sample, at, 1, names(&sample[at]), vec![po])?;
            found.head.records = None;
            Some(found.head)
        }
        None => {
            Some(Head { first: 0, last: 0, po, priority: None, names: Names::new(), records: None, passed_over: None })
        }
    }
}

/// The letters of a column, as spreadsheets show them.
pub(crate) fn letter_of_column(column: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = column + 1;
    while rest > 0 {
        letters.push(char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"[(rest - 1) % 26]));
        rest = (rest - 1) / 26;
    }
    letters.iter().rev().collect()
}

/// `C` and `3` are the third column.
fn column_of_letter(text: &str) -> Option<usize> {
    let text = text.trim();
    if text.len() <= 3 && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        let digit = |byte: u8| usize::from(byte.to_ascii_uppercase() - b'A') + 1;
        return text.bytes().fold(0, |sum, byte| sum * 26 + digit(byte)).checked_sub(1);
    }
    text.parse::<u16>().ok()?.checked_sub(1).map(usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_named_by_letter_or_number() {
        for (text, column) in [("A", Some(0)), ("c", Some(2)), ("AA", Some(26)), ("3", Some(2)), ("XFD", Some(16_383))]
        {
            assert_eq!(column_of_letter(text), column, "{text}");
        }
        for column in [0, 25, 26, 701, 702, 16_383] {
            assert_eq!(column_of_letter(&letter_of_column(column)), Some(column));
        }
        for text in ["", "0", "ABCD", "Größe", "-1", "A1"] {
            assert_eq!(column_of_letter(text), None, "{text}");
        }
    }
}
