//! The rows of a worksheet. A cell that makes no sense costs nobody but its own row.

use std::io::BufRead;

use quick_xml::events::{BytesStart, Event};

use super::strings::{rich_text, unescaped};
use super::styles::NumberStyles;
use crate::input::book::{Cells, MAX_COLUMNS, MAX_LINES, SheetRow};
use crate::input::cell::{Cell, DateCell, date};
use crate::input::error::SheetError;
use crate::input::workbook::xml::{Xml, attribute, ends_early, is_true};

/// What the sheets of a workbook have in common.
pub(crate) struct Shared {
    pub(crate) strings: Vec<Box<str>>,
    pub(crate) styles: NumberStyles,
}

/// Reads rows until the sheet ends.
pub(crate) struct XlsxRows<'a, R> {
    xml: Xml<R>,
    shared: &'a Shared,
    /// The last row.
    line: u64,
    is_past_rows: bool,
}

/// What the tag of a cell says.
struct CellTag {
    column: usize,
    style: usize,
    kind: String,
}

impl<'a, R: BufRead> XlsxRows<'a, R> {
    pub(crate) fn new(xml: Xml<R>, shared: &'a Shared) -> Self {
        Self { xml, shared, line: 0, is_past_rows: false }
    }

    /// The next row; none at the end of the sheet.
    pub(crate) fn next_row(&mut self) -> Result<Option<SheetRow>, SheetError> {
        loop {
            match self.xml.next()? {
                Event::Start(start) if start.local_name().as_ref() == "row" && !self.is_past_rows => {
                    let told = attribute(&start, "r").and_then(|line| line.parse().ok());
                    let is_hidden = is_true(&start, "hidden");
                    self.line = told.unwrap_or(self.line + 1);
                    if self.line > MAX_LINES {
                        return Err(SheetError::Damaged(format!("it has a row {}", self.line)));
                    }
                    let cells = self.cells()?;
                    return Ok(Some(SheetRow { line: self.line, is_hidden, cells, inner: Vec::new() }));
                }
                // only at its end does the part turn out to be undamaged, by its check sum
                Event::End(end) if end.local_name().as_ref() == "sheetData" => self.is_past_rows = true,
                Event::End(end) if end.local_name().as_ref() == "worksheet" => self.is_past_rows = true,
                Event::Eof if self.is_past_rows => return Ok(None),
                Event::Eof => return Err(ends_early()),
                _ => {}
            }
        }
    }

    /// The cells of the row that has begun.
    fn cells(&mut self) -> Result<Cells, SheetError> {
        let mut cells: Cells = Vec::new();
        let mut next_column = 0;
        loop {
            match self.xml.next()? {
                Event::Start(start) if start.local_name().as_ref() == "c" => {
                    let tag = tag(&start, next_column);
                    if tag.column >= MAX_COLUMNS || cells.len() >= MAX_COLUMNS {
                        return Err(SheetError::Damaged(format!("its row {} is too long", self.line)));
                    }
                    next_column = tag.column + 1;
                    if let Some(cell) = self.cell(&tag)? {
                        cells.push((tag.column, cell));
                    }
                }
                Event::End(end) if end.local_name().as_ref() == "row" => break,
                Event::Eof => return Err(ends_early()),
                _ => {}
            }
        }
        if !cells.is_sorted_by_key(|(column, _)| *column) {
            cells.sort_by_key(|(column, _)| *column);
        }
        Ok(cells)
    }

    /// The cell that has begun; none if it holds nothing.
    fn cell(&mut self, tag: &CellTag) -> Result<Option<Cell>, SheetError> {
        let (mut value, mut inline, mut has_formula) = (String::new(), None, false);
        loop {
            match self.xml.next()? {
                Event::Start(start) => match start.local_name().as_ref() {
                    "v" => value = self.xml.text_until("v")?,
                    "is" => inline = Some(rich_text(&mut self.xml, "is")?),
                    "f" => {
                        has_formula = true;
                        self.xml.skip("f")?;
                    }
                    _ => {}
                },
                Event::End(end) if end.local_name().as_ref() == "c" => break,
                Event::Eof => return Err(ends_early()),
                _ => {}
            }
        }
        if let Some(text) = inline {
            return Ok(Cell::text(&text));
        }
        if value.is_empty() {
            // a formula whose value is an empty text has one
            return Ok((has_formula && tag.kind != "str").then_some(Cell::NoValue));
        }
        Ok(self.value(value, tag))
    }

    fn value(&self, value: String, tag: &CellTag) -> Option<Cell> {
        match tag.kind.as_str() {
            "s" => match value.trim().parse::<usize>().ok().and_then(|at| self.shared.strings.get(at)) {
                Some(text) => Cell::text(text),
                None => Some(Cell::Error(format!("#damaged: text {value}"))),
            },
            "b" => match value.trim() {
                "1" | "true" | "TRUE" => Some(Cell::Flag(true)),
                "0" | "false" | "FALSE" => Some(Cell::Flag(false)),
                other => Cell::text(other),
            },
            "e" => Some(Cell::Error(value)),
            "d" => Some(Cell::Date(DateCell { serial: date::serial_of(&value), shown: value })),
            "str" | "inlineStr" => Cell::text(&unescaped(value)),
            _ => match value.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => Some(self.shared.styles.cell(number, tag.style)),
                _ => Cell::text(&value),
            },
        }
    }
}

fn tag(start: &BytesStart<'_>, next_column: usize) -> CellTag {
    let column = attribute(start, "r").and_then(|place| column_of(&place)).unwrap_or(next_column);
    let style = attribute(start, "s").and_then(|style| style.parse().ok()).unwrap_or(0);
    CellTag { column, style, kind: attribute(start, "t").unwrap_or_default() }
}

/// The column of a place such as `AB12`.
fn column_of(place: &str) -> Option<usize> {
    let letters = place.trim_start_matches('$');
    let end = letters.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(letters.len());
    let sum = letters[..end]
        .bytes()
        .take(4)
        .fold(0, |sum, byte| sum * 26 + usize::from(byte.to_ascii_uppercase() - b'A') + 1);
    sum.checked_sub(1)
}
