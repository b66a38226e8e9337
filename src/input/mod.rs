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
mod text;
mod workbook;

pub use error::InputError;
pub use intake::{Intake, read};
pub use source::Source;
