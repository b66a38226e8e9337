//! `.ods` and `.fods`: OpenDocument spreadsheets.
//!
//! Rows and cells that are alike are stored once, with a count, so a small file can mean millions of cells: they are
//! counted, and an absurd number is refused.

use std::borrow::Cow;
use std::collections::HashSet;

use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

use super::package::Package;
use super::xml::{Bounded, Xml, attribute, ends_early, push_text};
use crate::input::book::{Book, Cells, MAX_COLUMNS, MAX_LINES, SheetInfo, SheetRow, SheetRows, rows_of};
use crate::input::cell::{Cell, DateCell, clipped, date};
use crate::input::error::SheetError;

/// Most cells of a sheet that hold something, counted as often as they are repeated.
const MAX_CELLS: usize = 20_000_000;

pub(crate) struct OdsBook {
    text: String,
    sheets: Vec<SheetInfo>,
    /// Where the rows of each sheet begin in the text.
    starts: Vec<usize>,
}

/// The content of a package that is a spreadsheet; none if it is none.
pub(crate) fn content(package: &mut Package<'_>) -> Result<Option<String>, SheetError> {
    let kind = package.text("mimetype")?.unwrap_or_default();
    let is_sheet = kind.contains("opendocument.spreadsheet");
    if !is_sheet && (kind.contains("opendocument") || package.part("content.xml")?.is_none()) {
        return Ok(None);
    }
    if package.text("META-INF/manifest.xml")?.is_some_and(|manifest| manifest.contains("encryption-data")) {
        return Err(SheetError::Locked);
    }
    match package.text("content.xml")? {
        Some(text) if is_sheet || text.contains("<office:spreadsheet") => Ok(Some(text)),
        Some(_) => Ok(None),
        None => Err(SheetError::Damaged("it has no content".to_owned())),
    }
}

impl OdsBook {
    /// Finds the sheets in the content.
    pub(crate) fn open(text: String) -> Result<Self, SheetError> {
        let (mut sheets, mut starts, mut depth) = (Vec::new(), Vec::new(), 0_usize);
        let (mut hidden_styles, mut style) = (HashSet::new(), String::new());
        let mut xml = Xml::of_text(&text);
        loop {
            let table = match xml.next()? {
                Event::Start(start) => match start.local_name().as_ref() {
                    "style" => {
                        style = attribute(&start, "name").unwrap_or_default();
                        None
                    }
                    "table-properties" => {
                        if attribute(&start, "display").as_deref() == Some("false") {
                            hidden_styles.insert(style.clone());
                        }
                        None
                    }
                    "table" => {
                        depth += 1;
                        let style = attribute(&start, "style-name").unwrap_or_default();
                        let name = attribute(&start, "name").unwrap_or_default();
                        // a table inside of a cell is none of the sheets
                        (depth == 1).then(|| SheetInfo { name, is_hidden: hidden_styles.contains(&style) })
                    }
                    _ => None,
                },
                Event::End(end) if end.local_name().as_ref() == "table" => {
                    depth = depth.saturating_sub(1);
                    None
                }
                Event::Eof => break,
                _ => None,
            };
            if let Some(info) = table {
                sheets.push(info);
                starts.push(xml.position());
            }
        }
        Ok(Self { text, sheets, starts })
    }
}

impl Book for OdsBook {
    fn sheets(&self) -> &[SheetInfo] {
        &self.sheets
    }

    fn rows(&mut self, sheet: usize) -> Result<SheetRows<'_>, SheetError> {
        let start = self.starts.get(sheet).copied().unwrap_or(self.text.len());
        let mut rows = OdsRows {
            xml: Xml::of_text(self.text.get(start..).unwrap_or_default()),
            line: 0,
            left: MAX_CELLS,
            repeated: None,
        };
        Ok(rows_of(move || rows.next_row()))
    }
}

struct OdsRows<'a> {
    xml: Xml<Bounded<&'a [u8]>>,
    /// The last row.
    line: u64,
    /// How many more cells may come.
    left: usize,
    /// A row that is to come again, and how often.
    repeated: Option<(SheetRow, u64)>,
}

impl OdsRows<'_> {
    fn next_row(&mut self) -> Result<Option<SheetRow>, SheetError> {
        // a chart that lies on the sheet has a table of its own, before the rows
        let mut inner_tables = 0_usize;
        if let Some((row, count)) = self.repeated.take() {
            self.line += 1;
            self.left = self.left.checked_sub(row.cells.len()).ok_or(SheetError::TooManyCells)?;
            let again = SheetRow { line: self.line, ..row };
            if count > 1 {
                self.repeated = Some((again.clone(), count - 1));
            }
            return Ok(Some(again));
        }
        loop {
            match self.xml.next()? {
                Event::Start(start) if start.local_name().as_ref() == "table" => inner_tables += 1,
                Event::Start(start) if inner_tables == 0 && start.local_name().as_ref() == "table-row" => {
                    let count = repeated(&start, "number-rows-repeated");
                    let is_hidden = attribute(&start, "visibility").is_some_and(|visibility| visibility != "visible");
                    let cells = self.cells()?;
                    if cells.is_empty() {
                        self.line = self.line.saturating_add(count);
                        continue;
                    }
                    if self.line.saturating_add(count) > MAX_LINES {
                        return Err(SheetError::TooManyCells);
                    }
                    self.line += 1;
                    let row = SheetRow { line: self.line, is_hidden, cells, inner: Vec::new() };
                    if count > 1 {
                        self.repeated = Some((row.clone(), count - 1));
                    }
                    return Ok(Some(row));
                }
                Event::End(end) if end.local_name().as_ref() == "table" => match inner_tables.checked_sub(1) {
                    Some(outer) => inner_tables = outer,
                    None => return Ok(None),
                },
                Event::Eof => return Err(ends_early()),
                _ => {}
            }
        }
    }

    /// The cells of the row that has begun.
    fn cells(&mut self) -> Result<Cells, SheetError> {
        let mut cells = Vec::new();
        let mut column = 0_usize;
        loop {
            match self.xml.next()? {
                Event::Start(start) if matches!(start.local_name().as_ref(), "table-cell" | "covered-table-cell") => {
                    let name = start.local_name().as_ref().to_owned();
                    let count = usize::try_from(repeated(&start, "number-columns-repeated")).unwrap_or(usize::MAX);
                    let tag = CellTag::new(&start);
                    let text = self.text(&name)?;
                    let end = column.saturating_add(count);
                    if let Some(cell) = tag.cell(&text) {
                        if end > MAX_COLUMNS {
                            return Err(SheetError::Damaged(format!("its row {} is too long", self.line + 1)));
                        }
                        self.left = self.left.checked_sub(count).ok_or(SheetError::TooManyCells)?;
                        cells.extend((column..end).map(|column| (column, cell.clone())));
                    }
                    column = end;
                }
                Event::End(end) if end.local_name().as_ref() == "table-row" => return Ok(cells),
                Event::Eof => return Err(ends_early()),
                _ => {}
            }
        }
    }

    /// The text of the cell `name`, which has begun: its paragraphs as lines, without notes and without what a picture or
    /// another table in it says.
    fn text(&mut self, name: &str) -> Result<String, SheetError> {
        let (mut text, mut paragraphs, mut depth, mut beside) = (String::new(), 0, 0_usize, 0_usize);
        loop {
            match self.xml.next()? {
                Event::Start(start) => match start.local_name().as_ref() {
                    inner if inner == name => depth += 1,
                    "annotation" | "frame" | "table" | "shapes" | "custom-shape" => beside += 1,
                    _ if beside > 0 => {}
                    "p" | "h" => {
                        if paragraphs > 0 {
                            text.push('\n');
                        }
                        paragraphs += 1;
                    }
                    "line-break" => text.push('\n'),
                    "tab" => text.push(' '),
                    "s" => {
                        let count = attribute(&start, "c").and_then(|count| count.parse().ok()).unwrap_or(1_usize);
                        text.extend(std::iter::repeat_n(' ', count.min(1000)));
                    }
                    _ => {}
                },
                Event::End(end) => match end.local_name().as_ref() {
                    inner if inner == name => match depth.checked_sub(1) {
                        Some(outer) => depth = outer,
                        None => return Ok(text),
                    },
                    "annotation" | "frame" | "table" | "shapes" | "custom-shape" => beside = beside.saturating_sub(1),
                    _ => {}
                },
                Event::Eof => return Err(ends_early()),
                // between the paragraphs there is nothing but the layout of the file
                event if beside == 0 && paragraphs > 0 => push_text(&event, &mut text),
                _ => {}
            }
        }
    }
}

fn repeated(start: &BytesStart<'_>, name: &str) -> u64 {
    attribute(start, name).and_then(|count| count.parse().ok()).unwrap_or(1).max(1)
}

/// What the tag of a cell says.
struct CellTag {
    kind: String,
    is_error: bool,
    has_formula: bool,
    value: Option<String>,
}

impl CellTag {
    fn new(start: &BytesStart<'_>) -> Self {
        let mut tag = Self { kind: String::new(), is_error: false, has_formula: false, value: None };
        for attribute in start.attributes().with_checks(false).flatten() {
            let value = unescape(&attribute.value).map_or_else(|_| attribute.value.to_string(), Cow::into_owned);
            match attribute.key.as_ref() {
                "calcext:value-type" => tag.is_error = value == "error",
                "table:formula" => tag.has_formula = true,
                "office:value-type" => tag.kind = value,
                "office:value"
                | "office:date-value"
                | "office:time-value"
                | "office:boolean-value"
                | "office:string-value" => {
                    tag.value = Some(clipped(&value).into_owned());
                }
                _ => {}
            }
        }
        tag
    }

    /// The cell; `text` is what it shows.
    fn cell(&self, text: &str) -> Option<Cell> {
        let text = clipped(text).into_owned();
        if self.is_error {
            let shown = if text.is_empty() { "#ERROR".to_owned() } else { text };
            return Some(Cell::Error(shown));
        }
        match (self.kind.as_str(), &self.value) {
            ("float" | "percentage" | "currency", Some(value)) => match value.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => Some(Cell::Number(number)),
                _ => Cell::text(value),
            },
            ("date", Some(value)) => {
                Some(Cell::Date(DateCell { serial: date::serial_of(value), shown: value.replace('T', " ") }))
            }
            ("time", _) => Some(Cell::Date(DateCell { serial: None, shown: text })),
            ("boolean", Some(value)) => Some(Cell::Flag(value == "true")),
            ("" | "void", _) if self.has_formula && text.is_empty() => Some(Cell::NoValue),
            (_, Some(value)) if text.is_empty() => Cell::text(value),
            _ => Cell::text(&text),
        }
    }
}
