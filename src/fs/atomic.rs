//! Atomic writes: a reader sees the old file or the new one, never a part of it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// How many names are tried when existing files cannot be replaced.
const MAX_NAMES: u32 = 9;

/// Where a file was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenFile {
    /// The file.
    pub path: PathBuf,
    /// The requested path, if the file there could not be replaced; default none.
    pub instead_of: Option<PathBuf>,
}

/// Writes a file atomically: `fill` writes a temporary file in the same folder, which is flushed to the disk and renamed.
///
/// If the existing file cannot be replaced, because another program has it open, the new one gets the next free name
/// such as `report (2).csv`. The temporary file is named `<name>.<process id>.part`; a process that is killed leaves it.
///
/// # Errors
/// What `fill` or the system reports. The existing file is unchanged then and the temporary file removed.
pub(crate) fn write(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<WrittenFile> {
    // in the same folder, so that the rename cannot turn into a copy
    let temporary = path.with_added_extension(format!("{}.part", std::process::id()));
    let placed = write_temporary(&temporary, fill).and_then(|()| rename_to_free_name(&temporary, path));
    if placed.is_err() {
        let _ = std::fs::remove_file(&temporary); // the error that is being returned matters more
    }
    placed
}

fn write_temporary(temporary: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let file: File = OpenOptions::new().write(true).create(true).truncate(true).open(temporary)?;
    let mut buffer = BufWriter::new(file);
    fill(&mut buffer)?;
    // on the disk before the rename, or a power cut could leave a whole name on half a file
    buffer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

fn rename_to_free_name(temporary: &Path, path: &Path) -> io::Result<WrittenFile> {
    let refused = match std::fs::rename(temporary, path) {
        Ok(()) => return Ok(WrittenFile { path: path.to_owned(), instead_of: None }),
        Err(refused) => refused,
    };
    // a spreadsheet program holds its file open, on Windows against renames too
    for number in 2..=MAX_NAMES {
        let beside = numbered(path, number);
        if std::fs::rename(temporary, &beside).is_ok() {
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
    fn an_existing_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.csv");
        for text in ["old and long", "new"] {
            let placed = write(&path, |file| file.write_all(text.as_bytes())).unwrap();
            assert_eq!(placed, WrittenFile { path: path.clone(), instead_of: None });
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(folder.path()), ["report.csv"]);
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.csv");
        std::fs::write(&path, "old").unwrap();
        write(&path, |file| file.write_all(b"half").and(Err(io::Error::other("full")))).unwrap_err();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(folder.path()), ["report.csv"]);
    }

    #[test]
    fn a_file_that_cannot_be_replaced_gets_a_sibling() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.csv");
        // a folder of that name refuses the rename as an open file does on Windows
        std::fs::create_dir_all(path.join("in the way")).unwrap();
        let placed = write(&path, |file| file.write_all(b"new")).unwrap();
        assert_eq!(placed.path, folder.path().join("report (2).csv"));
        assert_eq!(placed.instead_of, Some(path));
    }
}
