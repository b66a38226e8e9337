//! A report file appears at once or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// How many names are tried when older files cannot be replaced.
const MAX_NAMES: u32 = 9;

/// Where a report file was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenFile {
    /// The file.
    pub path: PathBuf,
    /// The name that it should have had, when a file of that name could not be replaced.
    pub instead_of: Option<PathBuf>,
}

/// Has `fill` write a file beside `path`, then renames it.
pub(crate) fn place(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<WrittenFile> {
    // in the same folder, so that the rename cannot turn into a copy
    let draft = path.with_added_extension(format!("{}.part", std::process::id()));
    let placed = fill_draft(&draft, fill).and_then(|()| rename_to_free_name(&draft, path));
    if placed.is_err() {
        let _ = std::fs::remove_file(&draft); // the error that is being returned matters more
    }
    placed
}

/// Removes the drafts of a program that was killed while it wrote its report. Only for whoever has the folder for itself.
pub fn sweep(out: &Path) {
    for entry in std::fs::read_dir(out).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let middle = name.strip_prefix("report.").and_then(|rest| rest.strip_suffix(".part"));
        let is_draft = middle.and_then(|middle| middle.split_once('.')).is_some_and(|(ending, pid)| {
            matches!(ending, "csv" | "json") && !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit())
        });
        if is_draft && let Err(why) = std::fs::remove_file(entry.path()) {
            tracing::warn!(file = name, %why, "half a report of an earlier run stays");
        }
    }
}

fn fill_draft(draft: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let file: File = OpenOptions::new().write(true).create(true).truncate(true).open(draft)?;
    let mut buffer = BufWriter::new(file);
    fill(&mut buffer)?;
    // on the disk before the rename, or a power cut could leave a whole name on half a file
    buffer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

fn rename_to_free_name(draft: &Path, path: &Path) -> io::Result<WrittenFile> {
    let refused = match std::fs::rename(draft, path) {
        Ok(()) => return Ok(WrittenFile { path: path.to_owned(), instead_of: None }),
        Err(refused) => refused,
    };
    // a spreadsheet program holds its file open, on Windows against renames too
    for number in 2..=MAX_NAMES {
        let beside = numbered(path, number);
        if std::fs::rename(draft, &beside).is_ok() {
            return Ok(WrittenFile { path: beside, instead_of: Some(path.to_owned()) });
        }
    }
    Err(refused)
}

/// `report (2).csv`.
fn numbered(path: &Path, number: u32) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ending = path.extension().map(|ending| format!(".{}", ending.to_string_lossy())).unwrap_or_default();
    path.with_file_name(format!("{stem} ({number}){ending}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn half_reports_of_a_killed_program_go_and_nothing_else() {
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

    #[test]
    fn an_older_report_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.csv");
        for text in ["old and long", "new"] {
            let placed = place(&path, |file| file.write_all(text.as_bytes())).unwrap();
            assert_eq!(placed, WrittenFile { path: path.clone(), instead_of: None });
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(folder.path()), ["report.csv"]);
    }

    #[test]
    fn a_failed_report_leaves_the_older_one_whole_and_no_draft() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.csv");
        std::fs::write(&path, "old").unwrap();
        place(&path, |file| file.write_all(b"half").and(Err(io::Error::other("full")))).unwrap_err();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(folder.path()), ["report.csv"]);
    }

    #[test]
    fn a_file_that_cannot_be_replaced_is_written_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.csv");
        // a folder of that name refuses the rename as an open file does on Windows
        std::fs::create_dir_all(path.join("in the way")).unwrap();
        let placed = place(&path, |file| file.write_all(b"new")).unwrap();
        assert_eq!(placed.path, folder.path().join("report (2).csv"));
        assert_eq!(placed.instead_of, Some(path));
    }
}
