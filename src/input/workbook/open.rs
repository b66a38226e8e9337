//! A zip archive as the workbook that it is.

use super::ods::{self, OdsBook};
use super::package::Package;
use super::xlsb::XlsbBook;
use super::xlsx::XlsxBook;
use crate::input::book::Book;
use crate::input::error::SheetError;

/// Opens a zip archive as the workbook that it is.
pub(crate) fn open_package(bytes: &[u8]) -> Result<Box<dyn Book + '_>, SheetError> {
    let mut package = Package::open(bytes)?;
    if let Some(workbook) = package.workbook()? {
        return Ok(if workbook.ends_with(".bin") {
            Box::new(XlsbBook::open(package, &workbook)?)
        } else {
            Box::new(XlsxBook::open(package, &workbook)?)
        });
    }
    if let Some(text) = ods::content(&mut package)? {
        return Ok(Box::new(OdsBook::open(text)?));
    }
    Err(SheetError::AnotherKind(package.kind()))
}
