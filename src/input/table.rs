//! Rows to orders: find the header, then take what its columns hold.

use std::str::FromStr;

use super::InputError;
use super::intake::IntakeBuilder;
use super::list::said;
use crate::input::cell::{column_name, is_empty, po_number, shorten};
use crate::model::{Metadata, TaskPriority};

/// Names of the column with the numbers, as [`column_name`] leaves them, the surest first.
const PO_COLUMNS: [&str; 10] = [
    "PONUMBER",
    "PONUM",
    "PONO",
    "PONR",
    "PO",
    "PURCHASEORDERNUMBER",
    "PURCHASEORDERNO",
    "PURCHASEORDER",
    "COUPAPO",
    "COUPAPONUMBER",
];
const PRIORITY_COLUMN: &str = "PRIORITY";
/// How many rows that hold something may stand before the header: titles, dates, a logo's caption.
const MAX_ROWS_BEFORE_HEADER: usize = 50;
/// Bounds of what a task remembers of its row: notes, not documents.
const MAX_NOTES: usize = 32;
const MAX_NOTE_NAME: usize = 64;
const MAX_NOTE: usize = 256;

/// One row, numbered as a spreadsheet shows it.
#[derive(Clone, Debug)]
pub(crate) struct SheetRow {
    pub(crate) line: u64,
    pub(crate) cells: Vec<String>,
}

impl SheetRow {
    fn is_blank(&self) -> bool {
        self.cells.iter().all(|cell| is_empty(cell))
    }
}

/// Which column holds what.
#[derive(Debug)]
pub(crate) struct SheetHeader {
    po: usize,
    priority: Option<usize>,
    names: Vec<String>,
}

impl SheetHeader {
    /// Reads a row as a header; `None` when no cell names the order column.
    pub(crate) fn find(cells: &[String]) -> Option<Self> {
        let plain: Vec<String> = cells.iter().map(|cell| column_name(cell)).collect();
        let po = PO_COLUMNS.iter().find_map(|name| plain.iter().position(|cell| cell == name))?;
        let priority = plain.iter().position(|cell| cell == PRIORITY_COLUMN);
        Some(Self { po, priority, names: cells.iter().map(|cell| clip(cell.trim(), MAX_NOTE_NAME)).collect() })
    }

    fn notes(&self, cells: &[String]) -> Metadata {
        cells
            .iter()
            .zip(&self.names)
            .enumerate()
            .filter(|(at, (cell, name))| {
                *at != self.po && Some(*at) != self.priority && !is_empty(cell) && !name.is_empty()
            })
            .take(MAX_NOTES)
            .map(|(_, (cell, name))| (name.clone(), clip(cell.trim(), MAX_NOTE)))
            .collect()
    }
}

/// What a table turned out to be.
#[derive(Debug)]
pub(crate) enum SheetKind {
    /// It has a header with an order column; its rows were taken.
    Table,
    /// It is a list without a header; its rows were taken.
    List,
    /// Neither; nothing was taken. These are the cells of its first row.
    Unknown(Vec<String>),
    /// No row holds anything.
    Blank,
}

/// Takes the orders of `rows` into `gathering`, if they are a table, or a list and lists are wanted.
pub(crate) fn gather(
    rows: &mut dyn Iterator<Item = Result<SheetRow, InputError>>,
    with_lists: bool,
    gathering: &mut IntakeBuilder<'_>,
) -> Result<SheetKind, InputError> {
    let mut before = Vec::new();
    let mut header = None;
    for row in &mut *rows {
        let row = row?;
        if row.is_blank() {
            continue;
        }
        header = SheetHeader::find(&row.cells);
        if header.is_some() {
            break;
        }
        before.push(row);
        if before.len() == MAX_ROWS_BEFORE_HEADER {
            break;
        }
    }
    if let Some(header) = header {
        for row in rows {
            let row = row?;
            gathering.count_row(row.line)?;
            take_row(&header, &row, gathering);
        }
        return Ok(SheetKind::Table);
    }
    let Some(first) = before.first() else { return Ok(SheetKind::Blank) };
    if !with_lists || !is_list(&before) {
        return Ok(SheetKind::Unknown(
            first.cells.iter().filter(|cell| !is_empty(cell)).map(|cell| shorten(cell)).collect(),
        ));
    }
    for row in before.into_iter().map(Ok).chain(rows) {
        let row = row?;
        gathering.count_row(row.line)?;
        take_line(&row, gathering);
    }
    Ok(SheetKind::List)
}

fn take_row(header: &SheetHeader, row: &SheetRow, gathering: &mut IntakeBuilder<'_>) {
    if row.is_blank() {
        return;
    }
    let cell = row.cells.get(header.po).map_or("", String::as_str);
    let po = match po_number(cell) {
        Ok(po) => po,
        Err(why) => return gathering.reject(row.line, cell, why),
    };
    let wish = header.priority.and_then(|at| row.cells.get(at)).filter(|cell| !is_empty(cell));
    let priority = match wish.map(|cell| TaskPriority::from_str(cell)) {
        None => None,
        Some(Ok(priority)) => Some(priority),
        Some(Err(why)) => {
            gathering.remark(row.line, wish.map_or("", String::as_str), why.to_string());
            None
        }
    };
    gathering.take(po, priority, header.notes(&row.cells));
}

/// One cell per row, and at least one of them is a number.
fn is_list(rows: &[SheetRow]) -> bool {
    let lines: Vec<_> = rows.iter().map(|row| said(&row.cells)).collect();
    lines.iter().all(|line| line.len() <= 1) && lines.iter().flatten().any(|line| po_number(line).is_ok())
}

fn take_line(row: &SheetRow, gathering: &mut IntakeBuilder<'_>) {
    match said(&row.cells).as_slice() {
        [] => {}
        [line] => match po_number(line) {
            Ok(po) => gathering.take(po, None, Metadata::new()),
            Err(why) => gathering.reject(row.line, line, why),
        },
        several => gathering.reject(row.line, &several.join(" "), "a list has one number per line".to_owned()),
    }
}

fn clip(text: &str, max: usize) -> String {
    text.chars().take(max).collect()
}
