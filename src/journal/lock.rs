//! One program at a time writes a journal.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::backend::JournalError;
use crate::fs::lock::{FileLock, read_owner};
use crate::fs::private;
use crate::journal::schema::io_fault;

/// The owner of a journal that does not say who it is.
const UNNAMED: &str = "another program";

/// Lock on a journal that allows one program to write. The file stays: removing it while another program is about to
/// lock it would let two in.
#[derive(Debug)]
pub(crate) struct JournalLock {
    note: PathBuf,
    _lock: FileLock,
}

impl JournalLock {
    /// Takes the lock. Creates the folder and the file, private to this user, if they do not exist.
    pub(crate) fn take(path: &Path) -> Result<Self, JournalError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            private::ensure_folder(folder).map_err(|why| io_fault(folder, &why))?;
        }
        let lock_path = beside(path, ".lock");
        let lock = FileLock::of(open_private(&lock_path).map_err(|why| io_fault(&lock_path, &why))?);
        let note = beside(path, ".owner");
        match lock.lock_past_askers() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(JournalError::InUse { path: path.to_owned(), owner: read_owner(&note, UNNAMED) });
            }
            Err(TryLockError::Error(why)) => return Err(io_fault(&lock_path, &why)),
        }
        // SQLite gives its other files the permissions of the database
        drop(open_private(path).map_err(|why| io_fault(path, &why))?);
        let owner = format!("process {} since {:.0}\n", std::process::id(), Timestamp::now());
        if let Err(why) = open_private(&note).and_then(|_| fs::write(&note, owner)) {
            // only the lock matters; a full disk is reported by the first entry
            tracing::warn!(
                "{} cannot be written ({why}): other programs cannot see which process owns the journal",
                note.display()
            );
        }
        Ok(Self { note, _lock: lock })
    }
}

impl Drop for JournalLock {
    fn drop(&mut self) {
        // before the lock is released, or the note of the next owner could be removed
        let _ = fs::remove_file(&self.note); // an old note is only read while somebody holds the lock
    }
}

/// The program that is writing the journal at `path`, in words, if any. Changes nothing.
///
/// Shares the lock for a moment with everybody who asks. `None` also if the disk has no locks, or this user may not use
/// them.
pub(crate) fn at_work(path: &Path) -> Option<String> {
    let lock = File::open(beside(path, ".lock")).ok()?;
    FileLock::is_held(lock).then(|| read_owner(&beside(path, ".owner"), UNNAMED))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

fn open_private(path: &Path) -> std::io::Result<File> {
    private::open_options().create(true).truncate(false).read(true).write(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_program_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("journal.db");
        let first = JournalLock::take(&path).unwrap();
        let refused = JournalLock::take(&path).unwrap_err();
        let text = refused.to_string();
        assert!(matches!(refused, JournalError::InUse { .. }), "{text}");
        assert!(text.contains(&format!("process {} since 2", std::process::id())), "{text}");
        assert!(text.contains("--journal"), "{text}");
        drop(first);
        JournalLock::take(&path).unwrap();
    }

    #[test]
    fn whoever_asks_is_told_who_is_at_work_and_keeps_nobody_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        assert_eq!(at_work(&path), None, "there is no journal");
        let owner = JournalLock::take(&path).unwrap();
        assert!(at_work(&path).unwrap().contains(&format!("process {} since 2", std::process::id())));
        drop(owner);
        assert_eq!(at_work(&path), None);
        let is_over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                        at_work(&path);
                    }
                });
            }
            let taken: Vec<_> = (0..200).map(|_| JournalLock::take(&path).map(drop)).collect();
            is_over.store(true, std::sync::atomic::Ordering::Relaxed);
            taken.into_iter().for_each(|taken| taken.unwrap());
        });
    }

    #[cfg(unix)]
    #[test]
    fn folder_and_files_are_for_this_user_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("journal.db");
        let _owner = JournalLock::take(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        for file in fs::read_dir(path.parent().unwrap()).unwrap() {
            let file = file.unwrap().path();
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
    }
}
