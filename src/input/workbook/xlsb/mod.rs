//! `.xlsb`: the binary form of Office Open XML. Its parts are records in a zip archive.

mod records;
mod sheet;

use std::collections::HashMap;
use std::io::BufRead;

use self::records::{Records, u16_at, u32_at, wide_text};
use self::sheet::XlsbRows;
use super::package::{Package, worksheets};
use super::xlsx::strings::MAX_STRINGS;
use super::xlsx::styles::NumberStyles;
use crate::input::book::{Book, SheetInfo, SheetRows, rows_of};
use crate::input::cell::clipped;
use crate::input::error::SheetError;

/// Kinds of records.
const STRING_ITEM: u16 = 19;
const FORMAT_CODE: u16 = 44;
const CELL_FORMAT: u16 = 47;
const WORKBOOK_PROPERTIES: u16 = 153;
const SHEET: u16 = 156;
const BEGIN_CELL_FORMATS: u16 = 617;
const END_CELL_FORMATS: u16 = 618;

/// The length of a text that is not there.
const NO_TEXT: u32 = u32::MAX;

pub(crate) struct XlsbBook<'a> {
    package: Package<'a>,
    sheets: Vec<SheetInfo>,
    /// The part of each sheet.
    parts: Vec<String>,
    strings: Vec<Box<str>>,
    styles: NumberStyles,
}

impl<'a> XlsbBook<'a> {
    /// Opens a workbook whose main part is at `path`.
    pub(crate) fn open(mut package: Package<'a>, path: &str) -> Result<Self, SheetError> {
        let links = package.relationships(path)?;
        let (mut listed, mut is_1904, mut is_cut) = (Vec::new(), false, false);
        each(&mut package, path, |kind, data| match kind {
            WORKBOOK_PROPERTIES => is_1904 = data.first().is_some_and(|flags| flags & 1 != 0),
            SHEET => match sheet(data) {
                Some(sheet) => listed.extend(sheet),
                None => is_cut = true,
            },
            _ => {}
        })?;
        if is_cut {
            return Err(SheetError::Damaged("its list of sheets is damaged".to_owned()));
        }
        let (sheets, parts) = worksheets(listed, &links)?;
        let linked = |kind: &str| links.iter().find(|link| link.kind == kind).map(|link| link.target.clone());
        let mut strings = Vec::new();
        if let Some(path) = linked("sharedStrings") {
            each(&mut package, &path, |kind, data| {
                if kind == STRING_ITEM {
                    let text = data.get(1..).and_then(wide_text).unwrap_or_default();
                    strings.push(clipped(&text).into());
                }
            })?;
        }
        let (mut codes, mut formats, mut is_in_cells) = (HashMap::new(), Vec::new(), false);
        if let Some(path) = linked("styles") {
            each(&mut package, &path, |kind, data| match kind {
                FORMAT_CODE => {
                    if let (Some(id), Some(code)) = (u16_at(data, 0), data.get(2..).and_then(wide_text)) {
                        codes.insert(u32::from(id), code);
                    }
                }
                BEGIN_CELL_FORMATS => is_in_cells = true,
                END_CELL_FORMATS => is_in_cells = false,
                CELL_FORMAT if is_in_cells => formats.push(u16_at(data, 2).map_or(0, u32::from)),
                _ => {}
            })?;
        }
        let styles = NumberStyles::new(&formats, &codes, is_1904);
        Ok(Self { package, sheets, parts, strings, styles })
    }
}

/// Looks at each record of a part.
fn each(package: &mut Package<'_>, path: &str, mut look: impl FnMut(u16, &[u8])) -> Result<(), SheetError> {
    let Some(part) = package.part(path)? else {
        return Err(SheetError::Damaged(format!("its part {path} is missing")));
    };
    let mut records = Records::new(part);
    let mut count = 0;
    while let Some(kind) = records.next()? {
        count += 1;
        if count > MAX_STRINGS {
            return Err(SheetError::TooLarge);
        }
        look(kind, records.data());
    }
    Ok(())
}

/// A sheet as the workbook lists it: visibility, id, relationship, name. The outer `None` is a damaged record, the inner one
/// a sheet without a part of its own, such as a macro of Excel 4.
fn sheet(data: &[u8]) -> Option<Option<(SheetInfo, String)>> {
    let is_hidden = u32_at(data, 0)? != 0;
    let link = data.get(8..)?;
    let link_len = u32_at(link, 0)?;
    if link_len == NO_TEXT {
        return Some(None);
    }
    let link_len = usize::try_from(link_len).ok()?;
    let name = wide_text(link.get(link_len.checked_mul(2)?.checked_add(4)?..)?)?;
    Some(Some((SheetInfo { name, is_hidden }, wide_text(link)?)))
}

impl Book for XlsbBook<'_> {
    fn sheets(&self) -> &[SheetInfo] {
        &self.sheets
    }

    fn rows(&mut self, sheet: usize) -> Result<SheetRows<'_>, SheetError> {
        let missing = || SheetError::Damaged("one of its sheets is missing".to_owned());
        let path = self.parts.get(sheet).ok_or_else(missing)?;
        let part = self.package.part(path)?.ok_or_else(missing)?;
        Ok(rows(part, &self.strings, &self.styles))
    }
}

fn rows<'a>(part: impl BufRead + 'a, strings: &'a [Box<str>], styles: &'a NumberStyles) -> SheetRows<'a> {
    let mut rows = XlsbRows::new(Records::new(part), strings, styles);
    rows_of(move || rows.next_row())
}
