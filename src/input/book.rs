//! An input as sheets of rows, whatever its format.

use super::error::SheetError;
use super::row::SheetRow;

/// What a spreadsheet program can hold; a cell beyond it is damage.
pub(crate) const MAX_COLUMNS: usize = 16_384;
pub(crate) const MAX_LINES: u64 = 1_048_576;

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
