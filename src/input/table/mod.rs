//! Rows to orders: what a sheet is, which column holds the numbers, and what is taken of each row.

mod column;
mod head;
mod kinds;
mod list;
mod take;

use self::column::choose;
use self::head::{FoundHead, find_head, head_of_letter};
use self::list::is_list;
use crate::input::InputOptions;
use crate::input::cell::Cell;
use crate::input::cell::number::po_number;
use crate::input::cell::words::shorten;

pub(crate) use head::Head;
pub(crate) use list::take_list;
pub(crate) use take::take_table;

/// How many rows of a sheet are looked at before anything is decided.
pub(crate) const SAMPLE_ROWS: usize = 300;

/// Cells with their columns, in order; a stray cell far to the right costs no more than any other.
pub(crate) type Cells = Vec<(usize, Cell)>;

/// One row, numbered as a spreadsheet shows it. It has only the cells that hold something.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SheetRow {
    pub(crate) line: u64,
    pub(crate) is_hidden: bool,
    pub(crate) cells: Cells,
    /// What would be rows if a quotation mark had not made them a part of a cell of this one.
    pub(crate) inner: Vec<Cells>,
}

impl SheetRow {
    pub(crate) fn cell(&self, column: usize) -> Option<&Cell> {
        cell_of(&self.cells, column)
    }

    pub(crate) fn is_blank(&self) -> bool {
        self.cells.is_empty() && self.inner.is_empty()
    }

    /// Its cells, as a message shows them.
    fn shown(&self) -> String {
        let cells: Vec<_> = self.cells.iter().take(8).map(|(_, cell)| shorten(&cell.shown())).collect();
        shorten(&cells.join(" | "))
    }

    fn is_order(&self, column: usize, options: &InputOptions) -> bool {
        self.cell(column).is_some_and(|cell| po_number(cell, &options.numbers).is_ok())
    }
}

fn cell_of(cells: &[(usize, Cell)], column: usize) -> Option<&Cell> {
    let at = cells.binary_search_by_key(&column, |(column, _)| *column).ok()?;
    cells.get(at).map(|(_, cell)| cell)
}

/// What a sheet turned out to be.
#[derive(Debug)]
pub(crate) enum SheetKind {
    /// It has a header with a column of order numbers.
    Table(Head),
    /// It is a list without a header.
    List,
    /// Neither. These are the cells of its first row.
    Unknown(Vec<String>),
    /// No row holds anything.
    Blank,
}

/// Several columns that could all be meant, by their headings.
#[derive(Debug)]
pub(crate) struct Ambiguous(pub(crate) Vec<String>);

/// Says what a sheet is by its first rows, of which none is blank.
pub(crate) fn judge(sample: &[SheetRow], options: &InputOptions) -> Result<SheetKind, Ambiguous> {
    let Some(first) = sample.first() else { return Ok(SheetKind::Blank) };
    let unknown = || SheetKind::Unknown(first.cells.iter().map(|(_, cell)| shorten(&cell.shown())).collect());
    if let Some(wanted) = &options.column {
        let named = find_head(sample, Some(wanted)).map(FoundHead::into_first);
        let found = named.or_else(|| head_of_letter(sample, wanted, options));
        return Ok(found.map_or_else(unknown, SheetKind::Table));
    }
    match find_head(sample, None) {
        Some(found) => choose(found, sample, options).map(SheetKind::Table),
        None if is_list(sample, options) => Ok(SheetKind::List),
        None => Ok(unknown()),
    }
}
