//! Every change that placing makes on the disk, a function each: what a crash can come before or after, and not in the
//! middle of.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

/// Makes a folder and those that it is in.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    step(|| fs::create_dir_all(folder))
}

/// Gives `from` the name `to` in one step, unless something has that name already (false). Both must be on one disk.
pub(crate) fn rename_if_free(from: &Path, to: &Path) -> io::Result<bool> {
    step(|| {
        let mut path = TempPath::try_from_path(PathBuf::from(from))?;
        path.disable_cleanup(true); // never deletes what it could not rename: it may be a person's file
        match path.persist_noclobber(to) {
            Ok(()) => Ok(true),
            Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(refused) => Err(refused.error),
        }
    })
}

/// Gives `from` the name `to` in one step. A file of that name is replaced, a folder only if it is empty.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    step(|| fs::rename(from, to))
}

/// Removes a file.
pub(crate) fn remove_file(file: &Path) -> io::Result<()> {
    step(|| fs::remove_file(file))
}

/// Removes a folder, which must be empty.
pub(crate) fn remove_folder(folder: &Path) -> io::Result<()> {
    step(|| fs::remove_dir(folder))
}

/// The names in a folder are on the disk for good afterwards.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

/// Windows cannot open a folder to sync it; NTFS keeps its names in a log of its own.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(not(test))]
fn step<T>(change: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    change()
}

#[cfg(test)]
fn step<T>(change: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    fuse::burn()?;
    let changed = change()?;
    fuse::burn()?;
    Ok(changed)
}

/// Ends the work of one thread at a chosen moment, as a crash would: from then on nothing is changed any more.
#[cfg(test)]
pub(crate) mod fuse {
    use std::cell::Cell;
    use std::io;

    thread_local! {
        static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    }

    /// The crash comes before the first change, after it, before the second one, and so on, by number from 0.
    pub(crate) fn light(moments: u32) {
        LEFT.set(Some(moments));
    }

    /// No crash any more. Tells whether there was one.
    pub(crate) fn put_out() -> bool {
        LEFT.replace(None) == Some(0)
    }

    pub(crate) fn burn() -> io::Result<()> {
        match LEFT.get() {
            None => Ok(()),
            Some(0) => Err(io::Error::other("crashed on purpose")),
            Some(left) => {
                LEFT.set(Some(left - 1));
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rename_never_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::write(&from, "new").unwrap();
        fs::write(&to, "old").unwrap();
        assert!(!rename_if_free(&from, &to).unwrap());
        assert_eq!(fs::read_to_string(&to).unwrap(), "old");
        assert_eq!(fs::read_to_string(&from).unwrap(), "new");
        assert!(rename_if_free(&from, &folder.path().join("free")).unwrap());
        assert!(!from.exists());
    }
}
