//! Opens a container as the workbook that it is: a zip archive, or a compound file (`.xls`, encrypted workbooks and many other
//! things).

use std::io::{Cursor, Read};

use cfb::CompoundFile;

use super::ods::{self, OdsBook};
use super::package::Package;
use super::xls::XlsBook;
use super::xlsb::XlsbBook;
use super::xlsx::XlsxBook;
use crate::input::book::Book;
use crate::input::error::SheetError;

/// What else comes in a compound file, by one of its streams.
const OTHER_KINDS: [(&str, &str); 5] = [
    ("WordDocument", "a Word document"),
    ("PowerPoint Document", "a PowerPoint presentation"),
    ("__properties_version1.0", "a mail of Outlook"),
    ("VisioDocument", "a Visio drawing"),
    ("CONTENTS", "a sheet of Microsoft Works"),
];

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

/// Opens a compound file as the workbook that it is.
pub(crate) fn open_compound(bytes: &[u8]) -> Result<Box<dyn Book>, SheetError> {
    let damaged = |_| SheetError::Damaged("it is damaged or cut off".to_owned());
    let mut file = CompoundFile::open(Cursor::new(bytes)).map_err(damaged)?;
    if file.exists("EncryptedPackage") || file.exists("EncryptionInfo") {
        return Err(SheetError::Locked);
    }
    for name in ["Workbook", "Book", "WORKBOOK", "BOOK", "workbook", "book"] {
        if file.is_stream(name) {
            let mut stream = Vec::new();
            file.open_stream(name).and_then(|mut stream_of| stream_of.read_to_end(&mut stream)).map_err(damaged)?;
            return Ok(Box::new(XlsBook::open(bytes, &stream)?));
        }
    }
    let other = OTHER_KINDS.iter().find(|(name, _)| file.exists(name)).map(|(_, kind)| *kind);
    Err(SheetError::AnotherKind(other.unwrap_or("a compound file, but no workbook")))
}
