//! Sheets and lists in, tasks out.
//!
//! [`read`] takes CSV files, workbooks, plain lists, standard input and bare numbers, and gives an [`Intake`]: each
//! order once, in the order of its first mention, and every row that is not an order with its line and the reason.
//! Sheets made by people are messy; what is read leniently and what is refused stands in `docs/configuration.md`'s

mod error;
mod intake;
mod list;
mod normalise;
mod source;
mod table;
mod text;
mod workbook;

pub use error::InputError;
pub use intake::{Intake, read};
pub use source::Source;
