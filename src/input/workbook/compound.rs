//! Compound files: the container of `.xls`, of encrypted workbooks and of many other things.

use std::io::{Cursor, Read};

use cfb::CompoundFile;

use super::xls::XlsBook;
use crate::input::book::Book;
use crate::input::error::SheetError;

/// What else comes in this container, by one of its streams.
const OTHERS: [(&str, &str); 5] = [
    ("WordDocument", "a Word document"),
    ("PowerPoint Document", "a PowerPoint presentation"),
    ("__properties_version1.0", "a mail of Outlook"),
    ("VisioDocument", "a Visio drawing"),
    ("CONTENTS", "a sheet of Microsoft Works"),
];

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
    let other = OTHERS.iter().find(|(name, _)| file.exists(name)).map(|(_, kind)| *kind);
    Err(SheetError::AnotherKind(other.unwrap_or("a compound file, but not a workbook")))
}
