//! An input as sheets of rows, whatever its format.

use super::cell::Cell;
use super::cell::number::po_number;
use super::cell::words::shorten;
use super::error::SheetError;
use super::options::InputOptions;

/// What a spreadsheet program can hold; a cell beyond it is damage.
pub(crate) const MAX_COLUMNS: usize = 16_384;
pub(crate) const MAX_LINES: u64 = 1_048_576;

/// Cells that are shown of a row that is no order.
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

/// The rows of a sheet, in the order of the file.
pub(crate) type SheetRows<'a> = Box<dyn Iterator<Item = Result<SheetRow, SheetError>> + 'a>;

/// A sheet of a book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SheetInfo {
    pub(crate) name: String,
    pub(crate) is_hidden: bool,
}

impl SheetInfo {
    pub(crate) fn visible(name: String) -> Self {
        Self { name, is_hidden: false }
    }
}

/// An input as sheets of rows. Rows can be read again and again.
pub(crate) trait Book {
    /// Its worksheets, in their order.
    fn sheets(&self) -> &[SheetInfo];

    /// The rows of one of them.
    fn rows(&mut self, sheet: usize) -> Result<SheetRows<'_>, SheetError>;
}

/// The rows that `next_row` gives, until there are none left or one fails.
pub(crate) fn rows_of<'a>(mut next_row: impl FnMut() -> Result<Option<SheetRow>, SheetError> + 'a) -> SheetRows<'a> {
    let mut is_over = false;
    Box::new(std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        let row = next_row().transpose();
        is_over = !matches!(row, Some(Ok(_)));
        row
    }))
}
