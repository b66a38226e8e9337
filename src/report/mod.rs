//! The report of a run: `report.csv` for people and their spreadsheets, `report.json` for programs.
//!
//! Both are made from the journal's [`History`](crate::backend::History) and can be made again at any time; they need no
//! live process. The JSON file is described by `docs/report.schema.json`.

mod csv;
mod data;
mod json;
mod place;
mod summary;

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::backend::History;

pub use data::RunFacts;
pub use place::{WrittenFile, sweep};
pub use summary::Summary;

use self::place::place;

/// Where the two files lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportFiles {
    /// The table for people.
    pub csv: WrittenFile,
    /// The document for programs.
    pub json: WrittenFile,
}

/// A report could not be written. The journal still holds everything that it would have said.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The folder or the file cannot be written.
    #[error("{} cannot be written: {why}; free some room or choose another output folder", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        why: std::io::Error,
    },
}

/// Writes `report.csv` and `report.json` into `out`, each at once: an older file is whole until the new one is.
///
/// When an older file cannot be replaced, because a spreadsheet program holds it, the new one is put beside it as
/// `report (2).csv`; [`WrittenFile::instead_of`] says so.
///
/// # Errors
/// [`ReportError`] when the folder cannot be written.
pub fn write(out: &Path, history: &History, facts: &RunFacts) -> Result<(ReportFiles, Summary), ReportError> {
    let failed = |path: &Path, why| ReportError::Io { path: path.to_owned(), why };
    std::fs::create_dir_all(out).map_err(|why| failed(out, why))?;
    let summary = Summary::of(history, facts);
    let path = out.join("report.csv");
    let csv = place(&path, |file| csv::write(file, history, facts)).map_err(|why| failed(&path, why))?;
    let path = out.join("report.json");
    let json = place(&path, |file| json::write(file, history, facts, &summary)).map_err(|why| failed(&path, why))?;
    Ok((ReportFiles { csv, json }, summary))
}
