//! The rows of a binary worksheet.

use std::io::BufRead;

use super::records::{Records, u16_at, u32_at, wide_text};
use crate::input::book::{Cells, MAX_COLUMNS, MAX_LINES, SheetRow};
use crate::input::cell::Cell;
use crate::input::error::SheetError;
use crate::input::workbook::xlsx::styles::NumberStyles;

/// Kinds of records.
const ROW: u16 = 0;
const FIRST_CELL: u16 = 1;
const BLANK: u16 = FIRST_CELL;
const LAST_CELL: u16 = 11;
/// Cells that leave out their column: it is the one after the cell before. They are the kinds 1 to 7 again.
const FIRST_SHORT_CELL: u16 = 12;
const LAST_SHORT_CELL: u16 = 18;
const RICH_TEXT: u16 = 62;
const END_SHEET_DATA: u16 = 146;

/// Reads rows until the sheet ends.
pub(crate) struct XlsbRows<'a, R> {
    records: Records<R>,
    strings: &'a [Box<str>],
    styles: &'a NumberStyles,
    /// The head of the row to come.
    next: Option<RowHead>,
}

struct RowHead {
    line: u64,
    is_hidden: bool,
}

impl<'a, R: BufRead> XlsbRows<'a, R> {
    pub(crate) fn new(records: Records<R>, strings: &'a [Box<str>], styles: &'a NumberStyles) -> Self {
        Self { records, strings, styles, next: None }
    }

    /// The next row; none at the end of the sheet.
    pub(crate) fn next_row(&mut self) -> Result<Option<SheetRow>, SheetError> {
        let mut cells: Cells = Vec::new();
        let mut next_column = 0;
        let mut current = self.next.take();
        loop {
            // a part that ends without a word has given all of its rows: what is cut off is damage of the archive
            let kind = match self.records.next()? {
                None | Some(END_SHEET_DATA) => {
                    // only at its end does the part turn out to be undamaged, by its check sum
                    while self.records.next()?.is_some() {}
                    return Ok(current.map(|head| row(&head, cells)));
                }
                Some(kind) => kind,
            };
            let data = self.records.data();
            match kind {
                ROW => {
                    let head =
                        head(data).ok_or_else(|| SheetError::Damaged("it has a row without a number".to_owned()))?;
                    if head.line > MAX_LINES {
                        return Err(SheetError::Damaged(format!("it has a row {}", head.line)));
                    }
                    if let Some(done) = current.replace(head) {
                        self.next = current;
                        return Ok(Some(row(&done, cells)));
                    }
                }
                FIRST_CELL..=LAST_SHORT_CELL | RICH_TEXT if current.is_none() => {
                    return Err(SheetError::Damaged("it has a cell outside of any row".to_owned()));
                }
                FIRST_CELL..=LAST_CELL | RICH_TEXT => {
                    let column = u32_at(data, 0).and_then(|column| usize::try_from(column).ok());
                    let column = column.filter(|column| *column < MAX_COLUMNS && cells.len() < MAX_COLUMNS);
                    let column = column.ok_or_else(too_long)?;
                    next_column = column + 1;
                    cells.extend(self.cell(kind, data.get(4..).unwrap_or_default()).map(|cell| (column, cell)));
                }
                FIRST_SHORT_CELL..=LAST_SHORT_CELL if next_column >= MAX_COLUMNS => return Err(too_long()),
                FIRST_SHORT_CELL..=LAST_SHORT_CELL => {
                    cells.extend(self.cell(kind - FIRST_SHORT_CELL + 1, data).map(|cell| (next_column, cell)));
                    next_column += 1;
                }
                _ => {}
            }
        }
    }

    /// A cell by its kind; `data` begins with its style. None if it is blank; one that is cut short is told, not left out.
    fn cell(&self, kind: u16, data: &[u8]) -> Option<Cell> {
        let damaged = || Some(Cell::Error("#damaged: a cell that is cut short".to_owned()));
        self.value(kind, data).unwrap_or_else(damaged)
    }

    /// As [`XlsbRows::cell`]; the outer `None` is a cell that is cut short.
    fn value(&self, kind: u16, data: &[u8]) -> Option<Option<Cell>> {
        if kind == BLANK {
            return Some(None);
        }
        let style = usize::try_from(u32_at(data, 0)? & 0x00ff_ffff).unwrap_or(0);
        let value = data.get(4..)?;
        Some(match kind {
            2 => Some(self.styles.cell(packed_number(u32_at(value, 0)?), style)),
            3 | 11 => Some(Cell::Error(error(*value.first()?).to_owned())),
            4 | 10 => Some(Cell::Flag(*value.first()? != 0)),
            5 | 9 => {
                let number = f64::from_le_bytes(value.get(..8)?.try_into().ok()?);
                Some(self.styles.cell(number, style))
            }
            6 | 8 => Cell::text(&wide_text(value)?),
            7 => match self.strings.get(usize::try_from(u32_at(value, 0)?).ok()?) {
                Some(text) => Cell::text(text),
                None => Some(Cell::Error("#damaged: a text that is missing".to_owned())),
            },
            RICH_TEXT => Cell::text(&wide_text(value.get(1..)?)?),
            _ => None,
        })
    }
}

fn too_long() -> SheetError {
    SheetError::Damaged("it has a row that is too long".to_owned())
}

fn row(head: &RowHead, mut cells: Cells) -> SheetRow {
    cells.sort_by_key(|(column, _)| *column);
    SheetRow { line: head.line, is_hidden: head.is_hidden, cells, inner: Vec::new() }
}

/// The number of a row from 0 on, its style and height, and flags: the fifth bit of the last hides it.
fn head(data: &[u8]) -> Option<RowHead> {
    let line = u64::from(u32_at(data, 0)?) + 1;
    Some(RowHead { line, is_hidden: u16_at(data, 10).is_some_and(|flags| flags & 0x1000 != 0) })
}

/// A number in 30 bits: whole or the upper half of a floating one, and divided by 100 or not.
fn packed_number(bits: u32) -> f64 {
    let number = if bits & 2 == 0 {
        f64::from_bits(u64::from(bits & 0xffff_fffc) << 32)
    } else {
        f64::from(bits.cast_signed() >> 2)
    };
    if bits & 1 == 0 { number } else { number / 100.0 }
}

fn error(code: u8) -> &'static str {
    match code {
        0x00 => "#NULL!",
        0x07 => "#DIV/0!",
        0x0f => "#VALUE!",
        0x17 => "#REF!",
        0x1d => "#NAME?",
        0x24 => "#NUM!",
        0x2a => "#N/A",
        0x2b => "#GETTING_DATA",
        _ => "#ERROR",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_numbers_are_whole_or_floating_and_may_be_hundredths() {
        assert_eq!(packed_number(15_262_984 << 2 | 2), 15_262_984.0);
        assert_eq!(packed_number(150 << 2 | 3), 1.5);
        assert_eq!(packed_number((1.5_f64.to_bits() >> 32) as u32), 1.5);
    }
}
