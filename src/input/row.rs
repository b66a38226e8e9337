//! One row of a sheet.

use super::cell::Cell;
use super::cell::number::po_number;
use super::cell::words::shorten;
use super::options::InputOptions;

/// Cells that are shown of a row that is not an order.
const MAX_SHOWN_CELLS: usize = 8;

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
    pub(crate) fn shown(&self) -> String {
        let cells: Vec<_> = self.cells.iter().take(MAX_SHOWN_CELLS).map(|(_, cell)| shorten(&cell.shown())).collect();
        shorten(&cells.join(" | "))
    }

    /// Whether its cell in this column is an order number.
    pub(crate) fn is_order(&self, column: usize, options: &InputOptions) -> bool {
        self.cell(column).is_some_and(|cell| po_number(cell, &options.numbers).is_ok())
    }
}

/// The cell in this column.
pub(crate) fn cell_of(cells: &[(usize, Cell)], column: usize) -> Option<&Cell> {
    let at = cells.binary_search_by_key(&column, |(column, _)| *column).ok()?;
    cells.get(at).map(|(_, cell)| cell)
}
