//! The report of a run: `report.csv` for people and their spreadsheets, `report.json` for programs.
//!
//! Both are made from the journal's [`History`](crate::backend::History) and can be made again at any time; they need no
//! live process. The JSON file is described by `docs/report.schema.json`.

mod csv;
mod data;
mod json;
mod place;
mod summary;

pub use data::{ReportError, ReportFiles, RunFacts, write};
pub use place::{WrittenFile, sweep};
pub use summary::Summary;
