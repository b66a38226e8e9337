//! Rows to orders: what a sheet is, which column holds the numbers, and what is taken of each row.

mod column;
mod head;
mod kinds;
mod list;
mod take;

use self::column::choose;
use self::head::{FoundHead, find_head, head_of_letter};
use self::list::is_list;
use crate::input::book::SheetRow;
use crate::input::cell::words::shorten;
use crate::input::options::InputOptions;

pub(crate) use column::{Ambiguous, order_count};
pub(crate) use head::Head;
pub(crate) use list::take_list;
pub(crate) use take::take_table;

/// How many rows of a sheet are looked at before anything is decided.
pub(crate) const SAMPLE_ROWS: usize = 300;

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
