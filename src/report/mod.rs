//! The report of a run: `report.csv` for people and their spreadsheets, `report.json` for programs.
//!
//! Both are made from the journal's [`History`] and can be made again at any time. `docs/report.schema.json` describes the
//! JSON file.

mod csv;
mod data;
mod json;
#[cfg(test)]
mod sample;

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::backend::History;
use crate::fs::atomic;

pub use crate::fs::atomic::WrittenFile;
pub(crate) use data::RunFacts;
pub use data::Summary;

/// The paths of the two files.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReportFiles {
    /// The table for people.
    pub csv: WrittenFile,
    /// The document for programs.
    pub json: WrittenFile,
}

/// The report could not be written. The journal still holds all of its data.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum ReportError {
    /// The folder or the file cannot be written.
    #[error("{} cannot be written: {source}; free some disk space or choose another output folder", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

/// Writes `report.csv` and `report.json` into `out`, each atomically.
///
/// If a file cannot be replaced because a spreadsheet program has it open, the new one is written as `report (2).csv`;
/// see [`WrittenFile::instead_of`].
///
/// # Errors
/// [`ReportError`] when the folder cannot be written.
pub(crate) fn write(out: &Path, history: &History, facts: &RunFacts) -> Result<(ReportFiles, Summary), ReportError> {
    let failed = |path: &Path, source| ReportError::Io { path: path.to_owned(), source };
    std::fs::create_dir_all(out).map_err(|why| failed(out, why))?;
    let summary = Summary::of(history, facts);
    let path = out.join("report.csv");
    let csv = atomic::write(&path, |file| csv::write(file, history, facts)).map_err(|why| failed(&path, why))?;
    let path = out.join("report.json");
    let json =
        atomic::write(&path, |file| json::write(file, history, facts, &summary)).map_err(|why| failed(&path, why))?;
    Ok((ReportFiles { csv, json }, summary))
}

/// Removes the temporary files of a program that was killed while it wrote its report. Call it only while holding the
/// lock of the output folder.
pub(crate) fn sweep(out: &Path) {
    for entry in std::fs::read_dir(out).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let middle = name.strip_prefix("report.").and_then(|rest| rest.strip_suffix(".part"));
        let is_temporary = middle.and_then(|middle| middle.split_once('.')).is_some_and(|(ending, pid)| {
            matches!(ending, "csv" | "json") && !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit())
        });
        if is_temporary && let Err(why) = std::fs::remove_file(entry.path()) {
            tracing::warn!(file = name, %why, "cannot remove the temporary file of an earlier report");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_temporary_files_of_a_killed_program_are_removed() {
        let out = tempfile::tempdir().unwrap();
        for name in
            ["report.csv.4711.part", "report.json.1.part", "report.csv", "report.mine.part", "report.csv.x.part"]
        {
            std::fs::write(out.path().join(name), "").unwrap();
        }
        sweep(out.path());
        let mut left: Vec<_> = std::fs::read_dir(out.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["report.csv", "report.csv.x.part", "report.mine.part"]);
    }
}
