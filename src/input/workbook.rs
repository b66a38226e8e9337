//! Workbooks: the first sheet that has the column, read cell by cell.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use calamine::{DataType, Reader, SheetType, Xls, XlsError, Xlsx, XlsxCellReader, XlsxError};

use super::InputError;
use super::intake::IntakeBuilder;
use super::table::{SheetKind, SheetRow, gather};

/// What a spreadsheet program can hold; a cell beyond it is damage, and would cost the memory of all cells before it.
const MAX_COLUMNS: u32 = 16_384;

/// How files of spreadsheet programs begin: a zip archive, or the older compound file.
pub(crate) fn is_workbook(bytes: &[u8]) -> bool {
    is_compound(bytes) || bytes.starts_with(b"PK\x03\x04")
}

fn is_compound(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0])
}

/// Takes the orders of the first sheet that is a table, or else of the first that is a list.
pub(crate) fn take_workbook(bytes: &[u8], gathering: &mut IntakeBuilder<'_>) -> Result<SheetKind, InputError> {
    let input = gathering.input().to_owned();
    // The reader is careful but not proof against every damaged file. What it has taken by then is dropped with the error.
    let taken = catch_unwind(AssertUnwindSafe(|| match Xlsx::new(Cursor::new(bytes)) {
        Ok(book) => take_sheets(XlsxBook(book), gathering),
        Err(XlsxError::Password) => Err(InputError::Locked { input: input.clone() }),
        Err(_) if is_compound(bytes) => match Xls::new(Cursor::new(bytes)) {
            Ok(book) => take_sheets(LegacyBook(book), gathering),
            Err(XlsError::Password) => Err(InputError::Locked { input: input.clone() }),
            Err(why) => Err(InputError::NotAWorkbook { input: input.clone(), why: why.to_string() }),
        },
        Err(why) => Err(InputError::NotAWorkbook { input: input.clone(), why: why.to_string() }),
    }));
    taken.unwrap_or(Err(InputError::NotAWorkbook { input, why: "it is damaged".to_owned() }))
}

/// What is done with the rows of a sheet while they are being read.
type RowVisitor<'a> =
    &'a mut dyn FnMut(&mut dyn Iterator<Item = Result<SheetRow, InputError>>) -> Result<SheetKind, InputError>;

/// Sheets by name, each as rows.
trait Workbook {
    fn sheets(&self) -> Vec<String>;
    fn with_rows(&mut self, sheet: &str, input: &str, take: RowVisitor<'_>) -> Result<SheetKind, InputError>;
}

fn take_sheets(mut book: impl Workbook, gathering: &mut IntakeBuilder<'_>) -> Result<SheetKind, InputError> {
    let input = gathering.input().to_owned();
    let mut unknown = None;
    for with_lists in [false, true] {
        for sheet in book.sheets() {
            match book.with_rows(&sheet, &input, &mut |rows| gather(rows, with_lists, gathering))? {
                SheetKind::Blank => {}
                SheetKind::Unknown(columns) => {
                    unknown.get_or_insert(columns);
                }
                found @ (SheetKind::Table | SheetKind::List) => return Ok(found),
            }
        }
    }
    Ok(unknown.map_or(SheetKind::Blank, SheetKind::Unknown))
}

fn worksheets(metadata: &[calamine::Sheet]) -> Vec<String> {
    metadata.iter().filter(|sheet| sheet.typ == SheetType::WorkSheet).map(|sheet| sheet.name.clone()).collect()
}

fn damaged(input: &str, sheet: &str, why: impl std::fmt::Display) -> InputError {
    InputError::NotAWorkbook { input: input.to_owned(), why: format!("sheet {sheet:?}: {why}") }
}

/// `.xlsx` and `.xlsm`.
struct XlsxBook<'a>(Xlsx<Cursor<&'a [u8]>>);

impl Workbook for XlsxBook<'_> {
    fn sheets(&self) -> Vec<String> {
        worksheets(self.0.sheets_metadata())
    }

    fn with_rows(&mut self, sheet: &str, input: &str, take: RowVisitor<'_>) -> Result<SheetKind, InputError> {
        // cell by cell: a whole range would hold every empty cell up to a stray one in the last corner
        let cells = self.0.worksheet_cells_reader(sheet).map_err(|why| damaged(input, sheet, why))?;
        take(
            &mut CellRows { cells, next: None, is_over: false }
                .map(|row| row.map_err(|why| damaged(input, sheet, why))),
        )
    }
}

/// Cells gathered into rows.
struct CellRows<'a, 'b> {
    cells: XlsxCellReader<'a, Cursor<&'b [u8]>>,
    next: Option<(u32, u32, String)>,
    is_over: bool,
}

impl Iterator for CellRows<'_, '_> {
    type Item = Result<SheetRow, XlsxError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut row: Option<(u32, Vec<String>)> = None;
        loop {
            let (line, column, text) = match self.next.take() {
                Some(cell) => cell,
                None if self.is_over => return row.map(finish).map(Ok),
                None => match self.cells.next_cell() {
                    Ok(Some(cell)) => {
                        let (line, column) = cell.get_position();
                        (line, column, shown(cell.get_value()))
                    }
                    Ok(None) => {
                        self.is_over = true;
                        continue;
                    }
                    Err(why) => {
                        self.is_over = true;
                        return Some(Err(why));
                    }
                },
            };
            if column >= MAX_COLUMNS || text.is_empty() {
                continue;
            }
            let (_, cells) = match &mut row {
                Some((current, _)) if *current != line => {
                    self.next = Some((line, column, text));
                    return row.map(finish).map(Ok);
                }
                Some(row) => row,
                None => row.insert((line, Vec::new())),
            };
            let at = column as usize;
            if cells.len() <= at {
                cells.resize(at + 1, String::new());
            }
            cells[at] = text;
        }
    }
}

fn finish((line, cells): (u32, Vec<String>)) -> SheetRow {
    SheetRow { line: u64::from(line) + 1, cells }
}

/// A cell as its reader sees it; a whole number without a fraction.
fn shown(value: &(impl DataType + std::fmt::Debug)) -> String {
    if value.is_empty() {
        return String::new();
    }
    // without a point when it is whole, and never with an exponent
    let number = value.get_float().map(|number| number.to_string());
    number.or_else(|| value.as_string()).unwrap_or_else(|| format!("{value:?}"))
}

/// `.xls`; at most 65,536 rows of 256 columns, so a whole range does no harm.
struct LegacyBook<'a>(Xls<Cursor<&'a [u8]>>);

impl Workbook for LegacyBook<'_> {
    fn sheets(&self) -> Vec<String> {
        worksheets(self.0.sheets_metadata())
    }

    fn with_rows(&mut self, sheet: &str, input: &str, take: RowVisitor<'_>) -> Result<SheetKind, InputError> {
        let range = self.0.worksheet_range(sheet).map_err(|why| damaged(input, sheet, why))?;
        let (top, left) = range.start().unwrap_or_default();
        let mut rows = range.rows().zip(u64::from(top) + 1..).map(|(cells, line)| {
            let blanks = std::iter::repeat_n(String::new(), left as usize);
            let cells = cells.iter().map(shown);
            Ok(SheetRow { line, cells: blanks.chain(cells).collect() })
        });
        take(&mut rows)
    }
}
