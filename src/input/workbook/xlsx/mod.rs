//! `.xlsx` and `.xlsm`: Office Open XML.

mod sheet;
pub(crate) mod strings;
pub(crate) mod styles;

use quick_xml::events::Event;

use self::sheet::{Shared, XlsxRows};
use self::styles::NumberStyles;
use super::package::{Package, worksheets};
use super::xml::{attribute, is_true};
use crate::input::book::{Book, SheetInfo, SheetRows, rows_of};
use crate::input::error::SheetError;

pub(crate) struct XlsxBook<'a> {
    package: Package<'a>,
    sheets: Vec<SheetInfo>,
    /// The part of each sheet.
    parts: Vec<String>,
    shared: Shared,
}

impl<'a> XlsxBook<'a> {
    /// Opens a workbook whose main part is at `path`.
    pub(crate) fn open(mut package: Package<'a>, path: &str) -> Result<Self, SheetError> {
        let links = package.relationships(path)?;
        let (listed, is_1904) = listed(&mut package, path)?;
        let (sheets, parts) = worksheets(listed, &links)?;
        let linked = |kind: &str| links.iter().find(|link| link.kind == kind).map(|link| link.target.clone());
        let strings = match linked("sharedStrings") {
            Some(path) => strings::read(&mut package, &path)?,
            None => Vec::new(),
        };
        let styles = match linked("styles") {
            Some(path) => NumberStyles::read(&mut package, &path, is_1904)?,
            None => NumberStyles::plain(is_1904),
        };
        Ok(Self { package, sheets, parts, shared: Shared { strings, styles } })
    }
}

/// The sheets as the workbook lists them, and whether its dates begin in 1904.
fn listed(package: &mut Package<'_>, path: &str) -> Result<(Vec<(SheetInfo, String)>, bool), SheetError> {
    let (mut sheets, mut is_1904) = (Vec::new(), false);
    let Some(mut xml) = package.small_xml(path)? else {
        return Err(SheetError::Damaged("it has no list of its sheets".to_owned()));
    };
    loop {
        match xml.next()? {
            Event::Start(start) if start.local_name().as_ref() == "workbookPr" => is_1904 = is_true(&start, "date1904"),
            Event::Start(start) if start.local_name().as_ref() == "sheet" => {
                let name = attribute(&start, "name").unwrap_or_default();
                let is_hidden = attribute(&start, "state").is_some_and(|state| state != "visible");
                sheets.push((SheetInfo { name, is_hidden }, attribute(&start, "id").unwrap_or_default()));
            }
            Event::Eof => return Ok((sheets, is_1904)),
            _ => {}
        }
    }
}

impl Book for XlsxBook<'_> {
    fn sheets(&self) -> &[SheetInfo] {
        &self.sheets
    }

    fn rows(&mut self, sheet: usize) -> Result<SheetRows<'_>, SheetError> {
        let missing = || SheetError::Damaged("one of its sheets is missing".to_owned());
        let path = self.parts.get(sheet).ok_or_else(missing)?;
        let xml = self.package.xml(path)?.ok_or_else(missing)?;
        let mut rows = XlsxRows::new(xml, &self.shared);
        Ok(rows_of(move || rows.next_row()))
    }
}
