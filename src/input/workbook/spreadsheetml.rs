//! SpreadsheetML 2003: workbooks that are one XML file, as reports of many systems are, mostly under the ending `.xls`.

use quick_xml::events::{BytesStart, Event};

use super::xml::{Bounded, Xml, attribute, ends_early, is_true};
use crate::input::book::{Book, Cells, MAX_COLUMNS, MAX_LINES, SheetInfo, SheetRow, SheetRows, rows_of};
use crate::input::cell::{Cell, DateCell, date};
use crate::input::error::SheetError;

/// How such a file is known: by its namespace.
pub(crate) const NAMESPACE: &str = "urn:schemas-microsoft-com:office:spreadsheet";

pub(crate) struct SpreadsheetMl<'a> {
    text: &'a str,
    sheets: Vec<SheetInfo>,
    /// Where the rows of each sheet begin in the text.
    starts: Vec<usize>,
}

impl<'a> SpreadsheetMl<'a> {
    /// Finds the sheets.
    pub(crate) fn open(text: &'a str) -> Result<Self, SheetError> {
        let (mut sheets, mut starts) = (Vec::new(), Vec::new());
        let mut xml = Xml::of_text(text);
        loop {
            let name = match xml.next()? {
                Event::Start(start) if start.local_name().as_ref() == "Worksheet" => attribute(&start, "Name"),
                Event::Start(start) if start.local_name().as_ref() == "Visible" => {
                    let is_hidden = xml.text_until("Visible")? != "SheetVisible";
                    if let Some(sheet) = sheets.last_mut() {
                        *sheet = SheetInfo { is_hidden, ..std::mem::replace(sheet, SheetInfo::visible(String::new())) };
                    }
                    continue;
                }
                Event::Eof => return Ok(Self { text, sheets, starts }),
                _ => continue,
            };
            sheets.push(SheetInfo::visible(name.unwrap_or_default()));
            starts.push(xml.position());
        }
    }
}

impl Book for SpreadsheetMl<'_> {
    fn sheets(&self) -> &[SheetInfo] {
        &self.sheets
    }

    fn rows(&mut self, sheet: usize) -> Result<SheetRows<'_>, SheetError> {
        let start = self.starts.get(sheet).copied().unwrap_or(self.text.len());
        let xml = Xml::of_text(self.text.get(start..).unwrap_or_default());
        let mut rows = Rows { xml, line: 0 };
        Ok(rows_of(move || rows.next_row()))
    }
}

struct Rows<'a> {
    xml: Xml<Bounded<&'a [u8]>>,
    /// The last row.
    line: u64,
}

impl Rows<'_> {
    fn next_row(&mut self) -> Result<Option<SheetRow>, SheetError> {
        loop {
            match self.xml.next()? {
                Event::Start(start) if start.local_name().as_ref() == "Row" => {
                    self.line = number(&start, "Index").unwrap_or(self.line + 1);
                    let more = number(&start, "Span").unwrap_or(0);
                    let (line, is_hidden) = (self.line, is_true(&start, "Hidden"));
                    if line.saturating_add(more) > MAX_LINES {
                        return Err(SheetError::Damaged(format!("it has a row {line}")));
                    }
                    let cells = self.cells()?;
                    self.line += more; // blank rows of the same height
                    return Ok(Some(SheetRow { line, is_hidden, cells, inner: Vec::new() }));
                }
                Event::End(end) if end.local_name().as_ref() == "Worksheet" => return Ok(None),
                Event::Eof => return Err(ends_early()),
                _ => {}
            }
        }
    }

    /// The cells of the row that has begun.
    fn cells(&mut self) -> Result<Cells, SheetError> {
        let mut cells: Cells = Vec::new();
        let mut column = 0;
        loop {
            match self.xml.next()? {
                Event::Start(start) if start.local_name().as_ref() == "Cell" => {
                    let index = number(&start, "Index").and_then(|index| usize::try_from(index).ok()?.checked_sub(1));
                    column = index.unwrap_or(column);
                    let merged = number(&start, "MergeAcross").and_then(|more| usize::try_from(more).ok()).unwrap_or(0);
                    let has_formula = attribute(&start, "Formula").is_some();
                    if column >= MAX_COLUMNS || cells.len() >= MAX_COLUMNS {
                        return Err(SheetError::Damaged(format!("its row {} is too long", self.line)));
                    }
                    match self.cell()? {
                        Some(Some(cell)) => cells.push((column, cell)),
                        None if has_formula => cells.push((column, Cell::NoValue)),
                        Some(None) | None => {}
                    }
                    column = column.saturating_add(1).saturating_add(merged);
                }
                Event::End(end) if end.local_name().as_ref() == "Row" => break,
                Event::Eof => return Err(ends_early()),
                _ => {}
            }
        }
        cells.sort_by_key(|(column, _)| *column);
        Ok(cells)
    }

    /// The cell that has begun: none if it has no data, an inner none if they are blank.
    fn cell(&mut self) -> Result<Option<Option<Cell>>, SheetError> {
        let mut cell = None;
        loop {
            match self.xml.next()? {
                Event::Start(start) if start.local_name().as_ref() == "Data" => {
                    let kind = attribute(&start, "Type").unwrap_or_default();
                    cell = Some(value(&kind, self.xml.text_until("Data")?));
                }
                Event::Start(start) if start.local_name().as_ref() == "Comment" => self.xml.skip("Comment")?,
                Event::End(end) if end.local_name().as_ref() == "Cell" => return Ok(cell),
                Event::Eof => return Err(ends_early()),
                _ => {}
            }
        }
    }
}

fn number(start: &BytesStart<'_>, name: &str) -> Option<u64> {
    attribute(start, name)?.trim().parse().ok()
}

fn value(kind: &str, text: String) -> Option<Cell> {
    match kind {
        "Number" => match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Some(Cell::Number(number)),
            _ => Cell::text(&text),
        },
        "DateTime" => {
            let shown = text.trim().trim_end_matches("T00:00:00.000").replace('T', " ");
            Some(Cell::Date(DateCell { serial: date::serial_of(&text), shown }))
        }
        "Boolean" => Some(Cell::Flag(text.trim() == "1")),
        "Error" => Some(Cell::Error(text)),
        _ => Cell::text(&text),
    }
}
