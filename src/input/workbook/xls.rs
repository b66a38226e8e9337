//! `.xls`: workbooks of Excel 5 to 2003. The cells are read by calamine; which rows are hidden, and how much memory the
//! file asks for, is read from the records.

use std::collections::{BTreeMap, HashSet};
use std::io::Cursor;

use calamine::{Data, Range, Reader, SheetType, SheetVisible, Xls, XlsError};

use super::panics::without_panic;
use super::xlsx::styles::date_cell;
use crate::input::book::{Book, Cells, SheetInfo, SheetRow, SheetRows};
use crate::input::cell::{Cell, DateCell, date};
use crate::input::error::SheetError;

/// The last column of this format.
const LAST_COLUMN: u32 = 0xff;

/// Most cells between the first and the last one of all sheets: calamine holds each of them.
const MAX_CELLS: usize = 30_000_000;

pub(crate) struct XlsBook {
    sheets: Vec<SheetInfo>,
    rows: Vec<XlsSheet>,
}

struct XlsSheet {
    values: Range<Data>,
    /// Formulas whose values are not stored.
    no_values: BTreeMap<u32, Vec<usize>>,
    hidden: HashSet<u32>,
    is_1904: bool,
}

impl XlsBook {
    /// Opens the workbook; `stream` is the part of `bytes` with its records.
    pub(crate) fn open(bytes: &[u8], stream: &[u8]) -> Result<Self, SheetError> {
        let hidden = scan(stream)?;
        // the reader is careful, but not proof against every damaged file
        let opened = without_panic(|| Self::read(bytes, &hidden));
        opened.unwrap_or_else(|| Err(SheetError::Damaged("its cells cannot be read".to_owned())))
    }

    fn read(bytes: &[u8], hidden: &[HashSet<u32>]) -> Result<Self, SheetError> {
        let mut book = Xls::new(Cursor::new(bytes)).map_err(|why| damaged(&why))?;
        let is_1904 = book.has_1904_epoch();
        let listed = book.sheets_metadata().to_vec();
        let (mut sheets, mut rows) = (Vec::new(), Vec::new());
        for (at, sheet) in listed.into_iter().enumerate().filter(|(_, sheet)| sheet.typ == SheetType::WorkSheet) {
            let values = book.worksheet_range(&sheet.name).map_err(|why| damaged(&why))?;
            let formulas = book.worksheet_formula(&sheet.name).map_err(|why| damaged(&why))?;
            let no_values = without_values(&formulas, &values);
            rows.push(XlsSheet { values, no_values, hidden: hidden.get(at).cloned().unwrap_or_default(), is_1904 });
            sheets.push(SheetInfo { name: sheet.name, is_hidden: sheet.visible != SheetVisible::Visible });
        }
        Ok(Self { sheets, rows })
    }
}

fn damaged(why: &XlsError) -> SheetError {
    match why {
        XlsError::Password => SheetError::Locked,
        _ => SheetError::Damaged("its records are damaged".to_owned()),
    }
}

/// The places of formulas that have no value, by rows.
fn without_values(formulas: &Range<String>, values: &Range<Data>) -> BTreeMap<u32, Vec<usize>> {
    let mut places: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    let (top, left) = formulas.start().unwrap_or_default();
    for (row, column, formula) in formulas.used_cells() {
        let (Ok(row), Ok(column)) = (u32::try_from(row), u32::try_from(column)) else { continue };
        let place = (top + row, left + column);
        if !formula.is_empty() && values.get_value(place).is_none_or(|value| *value == Data::Empty) {
            places.entry(place.0).or_default().push(place.1 as usize);
        }
    }
    places
}

impl Book for XlsBook {
    fn sheets(&self) -> &[SheetInfo] {
        &self.sheets
    }

    fn rows(&mut self, sheet: usize) -> Result<SheetRows<'_>, SheetError> {
        let sheet =
            self.rows.get(sheet).ok_or_else(|| SheetError::Damaged("one of its sheets is missing".to_owned()))?;
        let (top, bottom) = (sheet.values.start(), sheet.values.end());
        let first = top.map(|(row, _)| row).into_iter().chain(sheet.no_values.keys().next().copied()).min();
        let last = bottom.map(|(row, _)| row).into_iter().chain(sheet.no_values.keys().last().copied()).max();
        let (Some(first), Some(last)) = (first, last) else { return Ok(Box::new(std::iter::empty())) };
        Ok(Box::new((first..=last).map(move |row| Ok(sheet.row(row)))))
    }
}

impl XlsSheet {
    fn row(&self, row: u32) -> SheetRow {
        let (left, right) = self.values.start().zip(self.values.end()).map_or((1, 0), |(start, end)| (start.1, end.1));
        let filled = (left..=right)
            .filter_map(|column| Some((column as usize, cell(self.values.get_value((row, column))?, self.is_1904)?)));
        let mut cells: Cells = filled.collect();
        if let Some(columns) = self.no_values.get(&row) {
            cells.extend(columns.iter().map(|column| (*column, Cell::NoValue)));
            cells.sort_by_key(|(column, _)| *column);
        }
        SheetRow { line: u64::from(row) + 1, is_hidden: self.hidden.contains(&row), cells, inner: Vec::new() }
    }
}

fn cell(value: &Data, is_1904: bool) -> Option<Cell> {
    match value {
        Data::Empty => None,
        #[expect(clippy::cast_precision_loss, reason = "the format stores numbers as floating point, or in 30 bits")]
        Data::Int(number) => Some(Cell::Number(*number as f64)),
        Data::Float(number) => Some(Cell::Number(*number)),
        Data::String(text) => Cell::text(text),
        Data::Bool(flag) => Some(Cell::Flag(*flag)),
        Data::DateTime(date) => Some(date_cell(date.as_f64(), is_1904)),
        Data::DateTimeIso(text) | Data::DurationIso(text) => {
            Some(Cell::Date(DateCell { serial: date::serial_of(text), shown: text.clone() }))
        }
        Data::Error(error) => Some(Cell::Error(error.to_string())),
    }
}

/// Kinds of records.
const ENCRYPTION: u16 = 0x002f;
const BEGIN: u16 = 0x0809;
const END: u16 = 0x000a;
const SHEET: u16 = 0x0085;
const DIMENSIONS: u16 = 0x0200;
const ROW: u16 = 0x0208;

/// The hidden rows of each sheet. Sheets that claim more cells than there can be are refused: the reader would ask for
/// the memory of all of them.
fn scan(stream: &[u8]) -> Result<Vec<HashSet<u32>>, SheetError> {
    // also the oldest way, which only garbles the records
    if Records(stream).take_while(|(kind, _)| *kind != END).any(|(kind, _)| kind == ENCRYPTION) {
        return Err(SheetError::Locked);
    }
    let sheets: Vec<_> =
        Records(stream).take_while(|(kind, _)| *kind != END).filter(|(kind, _)| *kind == SHEET).collect();
    let mut cell_count = 0_usize;
    let mut hidden = Vec::new();
    for (_, data) in sheets {
        let start = u32_at(data, 0).and_then(|start| usize::try_from(start).ok()).unwrap_or(usize::MAX);
        let mut rows = HashSet::new();
        let (mut places, mut depth) = (Bounds::default(), 0_usize);
        for (kind, data) in Records(stream.get(start..).unwrap_or_default()) {
            match kind {
                BEGIN => depth += 1,
                END if depth <= 1 => break,
                END => depth -= 1,
                _ if depth > 1 => {} // a chart in the sheet
                DIMENSIONS => {
                    let [top, bottom, left, right] = if data.len() >= 14 {
                        [u32_at(data, 0), u32_at(data, 4), wide(data, 8), wide(data, 10)]
                    } else {
                        [0, 2, 4, 6].map(|at| wide(data, at))
                    }
                    .map(Option::unwrap_or_default);
                    // a first column that cannot be is read as the first one of all
                    let left = if left > LAST_COLUMN || right < left { 0 } else { left };
                    let area = u64::from(bottom.saturating_sub(top)) * u64::from(right.saturating_sub(left).max(1));
                    if bottom < top || area > MAX_CELLS as u64 {
                        return Err(SheetError::Damaged("it claims more cells than it can have".to_owned()));
                    }
                }
                ROW => {
                    if let (Some(row), Some(flags)) = (wide(data, 0), wide(data, 12))
                        && flags & 0x20 != 0
                    {
                        rows.insert(row);
                    }
                }
                // cells begin with their row and column
                0x0006 | 0x0201..=0x0205 | 0x00bd | 0x00d6 | 0x00fd | 0x027e => {
                    if let (Some(row), Some(column)) = (wide(data, 0), wide(data, 2)) {
                        places.add(
                            row,
                            column + if kind == 0x00bd { u32::try_from(data.len() / 6).unwrap_or(0) } else { 0 },
                        );
                    }
                }
                _ => {}
            }
        }
        cell_count = cell_count.saturating_add(places.area());
        hidden.push(rows);
    }
    if cell_count > MAX_CELLS { Err(SheetError::TooManyCells) } else { Ok(hidden) }
}

/// The smallest rectangle around cells.
#[derive(Default)]
struct Bounds(Option<(u32, u32, u32, u32)>);

impl Bounds {
    fn add(&mut self, row: u32, column: u32) {
        let (top, left, bottom, right) = self.0.unwrap_or((row, column, row, column));
        self.0 = Some((top.min(row), left.min(column), bottom.max(row), right.max(column)));
    }

    fn area(&self) -> usize {
        self.0.map_or(0, |(top, left, bottom, right)| {
            let rows = (bottom - top + 1) as usize;
            rows.saturating_mul((right - left + 1) as usize)
        })
    }
}

/// Records one after the other: kind, length, data.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, len) = (short(self.0, 0)?, usize::from(short(self.0, 2)?));
        let data = self.0.get(4..4 + len)?;
        self.0 = &self.0[4 + len..];
        Some((kind, data))
    }
}

fn short(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_le_bytes)
}

fn wide(data: &[u8], at: usize) -> Option<u32> {
    short(data, at).map(u32::from)
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes)
}
