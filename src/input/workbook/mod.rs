//! Files with sheets, in the formats that they are stored in.

mod ods;
mod open;
mod package;
mod panics;
mod spreadsheetml;
mod xls;
mod xlsb;
mod xlsx;
mod xml;

pub(crate) use ods::OdsBook;
pub(crate) use open::{open_compound, open_package};
pub(crate) use spreadsheetml::{NAMESPACE, SpreadsheetMl};
