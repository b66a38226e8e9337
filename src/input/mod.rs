//! Sheets and lists in, tasks out.
//!
//! [`read`] takes CSV files, workbooks, plain lists, standard input and bare numbers, and gives an [`Intake`]: each
//! order once, in the order of its first mention, and every row that is not an order with its line and the reason.
//! Sheets made by people are messy: a header somewhere below a title, any of the usual encodings and delimiters, and
//! numbers that a spreadsheet has turned into something else are understood; what is ambiguous is refused, never guessed.

mod cell;
mod error;
mod intake;
mod list;
mod source;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod workbook;

use std::collections::HashMap;

use bytesize::ByteSize;

use self::intake::IntakeBuilder;
use self::source::read_all;
use self::table::{SheetKind, gather};
use self::text::{TextRows, decode};
use self::workbook::{is_workbook, take_workbook};
use crate::model::{Metadata, TaskPriority};

pub use error::InputError;
pub use intake::Intake;
pub use source::Source;

/// Largest input; a list of a million orders with a dozen columns is half of it.
const MAX_SIZE: ByteSize = ByteSize::mb(200);

/// Reads all of `sources`; tasks that say nothing about their priority get `default`.
///
/// An intake without tasks is not an error: then every row was refused, and `rejects` says why.
///
/// # Errors
/// [`InputError`] of the first source that cannot be used at all.
pub fn read(sources: &[Source], default: TaskPriority) -> Result<Intake, InputError> {
    let mut intake = Intake::default();
    let mut places = HashMap::new();
    for source in sources {
        let mut builder = IntakeBuilder::new(source.to_string(), default, &mut intake, &mut places);
        match source {
            Source::Argument(po) => builder.take(po.clone(), None, Metadata::new()),
            Source::Path(_) | Source::Stdin => take_bytes(&read_all(source, MAX_SIZE)?, &mut builder)?,
        }
    }
    Ok(intake)
}

fn take_bytes(bytes: &[u8], builder: &mut IntakeBuilder<'_>) -> Result<(), InputError> {
    let input = builder.input().to_owned();
    let shape = if is_workbook(bytes) {
        take_workbook(bytes, builder)?
    } else {
        let Some(text) = decode(bytes) else { return Err(InputError::NotText { input }) };
        gather(&mut TextRows::new(&text), true, builder)?
    };
    match shape {
        SheetKind::Table | SheetKind::List => Ok(()),
        SheetKind::Unknown(columns) => Err(InputError::NoPoColumn { input, columns }),
        SheetKind::Blank => Err(InputError::Empty { input }),
    }
}
