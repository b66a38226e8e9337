//! Sheets and lists in, tasks out.
//!
//! [`read`] takes CSV files, workbooks, plain lists, standard input and bare numbers, and gives an [`Intake`]: each
//! order once, in the order of its first mention, and every row that is not an order with its line and the reason.
//! Sheets made by people are messy: a header somewhere below a title, any of the usual encodings and delimiters, and
//! numbers that a spreadsheet has turned into something else are understood; what is ambiguous is refused, never guessed.
//! No row is lost, changed or invented without a word: each one is an order, a repetition or rejected, and is counted.

#![cfg_attr(
    not(feature = "cli"),
    allow(dead_code, unused_imports, reason = "part of it is for the command line alone")
)]

mod book;
mod cell;
mod error;
mod html;
mod intake;
mod kind;
mod options;
mod sheets;
mod source;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod workbook;

use std::collections::HashMap;

use bytesize::ByteSize;

use self::error::SheetError;
use self::html::HtmlBook;
use self::intake::{IntakeBuilder, RemarkKind};
use self::kind::{FileKind, file_kind};
use self::sheets::take_book;
use self::source::read_all;
use self::text::{TextBook, decode};
use self::workbook::{OdsBook, SpreadsheetMl, open_compound, open_package};
use crate::model::Metadata;

pub use error::InputError;
#[cfg(feature = "internals")]
pub use intake::Remark;
pub use intake::{Intake, RowCounts};
pub use options::InputOptions;
pub use source::Source;

/// Largest input; a list of a million orders with a dozen columns is half of it.
const MAX_SIZE: ByteSize = ByteSize::mb(200);

/// Reads all of `sources`.
///
/// An intake without tasks is not an error: then every row was refused, and `rejects` says why.
///
/// # Errors
/// [`InputError`] of the first source that cannot be used at all.
pub fn read(sources: &[Source], options: &InputOptions) -> Result<Intake, InputError> {
    let mut intake = Intake::default();
    let mut places = HashMap::new();
    for source in sources {
        let mut builder = IntakeBuilder::new(source.to_string(), options, &mut intake, &mut places);
        match source {
            Source::Argument(word) => {
                let found = cell::number::po_number(&cell::Cell::Text(word.clone()), &options.numbers);
                let found = found.map_err(|why| InputError::NotAnInput { word: word.clone(), why })?;
                builder.count_row(1, false)?;
                if let Some(change) = found.change {
                    builder.remark(RemarkKind::from(change), 1, word);
                }
                builder.take(1, found.po, None, Metadata::new());
            }
            Source::Path(_) | Source::Stdin => take_bytes(&read_all(source, MAX_SIZE)?, &mut builder)?,
        }
        builder.finish()?;
    }
    Ok(intake)
}

fn take_bytes(bytes: &[u8], builder: &mut IntakeBuilder<'_>) -> Result<(), InputError> {
    let input = builder.input().to_owned();
    let failed = |why: SheetError| why.of(&input);
    match file_kind(bytes) {
        FileKind::Package => take_book(&mut *open_package(bytes).map_err(failed)?, builder),
        FileKind::Compound => take_book(&mut *open_compound(bytes).map_err(failed)?, builder),
        FileKind::Html => take_book(&mut HtmlBook::open(bytes).map_err(failed)?, builder),
        FileKind::Other(what) => Err(failed(SheetError::AnotherKind(what))),
        kind @ (FileKind::SpreadsheetMl | FileKind::FlatOds | FileKind::Text) => {
            let Some(text) = decode(bytes) else { return Err(InputError::NotText { input }) };
            match kind {
                FileKind::SpreadsheetMl => take_book(&mut SpreadsheetMl::open(&text).map_err(failed)?, builder),
                FileKind::FlatOds => take_book(&mut OdsBook::open(text).map_err(failed)?, builder),
                _ => take_book(&mut TextBook::new(&text, builder.options()), builder),
            }
        }
    }
}
