//! Locks on files: the operating system releases them when the program ends, however that happens.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

/// A file that this program can lock. Dropping it releases the lock at once, and not only when the last copy of the open file
/// is closed: a process that is being started holds one until it runs its own program.
#[derive(Debug)]
pub(crate) struct FileLock(File);

impl FileLock {
    /// The file, not locked yet.
    pub(crate) fn of(file: File) -> Self {
        Self(file)
    }

    /// Takes the lock unless another program holds it.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] when another program holds it, [`TryLockError::Error`] where the disk knows no locks.
    pub(crate) fn try_lock(&self) -> Result<(), TryLockError> {
        self.0.try_lock()
    }

    /// Takes the lock, past those who share it for a moment in [`FileLock::is_held`]. An owner keeps it for longer. Blocks
    /// for up to 0.2 s.
    ///
    /// # Errors
    /// As [`FileLock::try_lock`].
    pub(crate) fn lock_past_askers(&self) -> Result<(), TryLockError> {
        const TRIES: u32 = 100;
        const BETWEEN: Duration = Duration::from_millis(2);
        for _ in 1..TRIES {
            match self.0.try_lock() {
                // a lock cannot be waited for with a deadline
                Err(TryLockError::WouldBlock) => std::thread::sleep(BETWEEN),
                other => return other,
            }
        }
        self.0.try_lock()
    }

    /// Waits for the lock: for files that nobody locks for long. Blocks.
    pub(crate) fn wait(&self) -> io::Result<()> {
        self.0.lock()
    }

    /// Whether another program holds the lock now; false where that cannot be known. Shares the lock for a moment.
    pub(crate) fn is_held(file: File) -> bool {
        let asked = Self(file);
        matches!(asked.0.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// The file itself.
    pub(crate) fn file(&self) -> &File {
        &self.0
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // of a file that is not locked, or on a disk that knows no locks, there is nothing to release
        let _ = self.0.unlock();
    }
}

/// The note in which the owner of a lock says who it is, or `unnamed`. It is not in the locked file itself: on Windows nobody
/// else can read that.
pub(crate) fn read_owner(note: &Path, unnamed: &str) -> String {
    let owner = fs::read_to_string(note).unwrap_or_default();
    if owner.trim().is_empty() { unnamed } else { owner.trim() }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> File {
        File::options().create(true).truncate(false).write(true).open(path).unwrap()
    }

    #[test]
    fn a_lock_ends_with_its_owner_although_a_copy_of_the_file_is_still_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = FileLock::of(open(&path));
        first.try_lock().unwrap();
        let copy = first.file().try_clone().unwrap(); // as a process holds that is being started
        assert!(FileLock::is_held(open(&path)));
        let second = FileLock::of(open(&path));
        assert!(matches!(second.try_lock(), Err(TryLockError::WouldBlock)));
        drop(first);
        assert!(!FileLock::is_held(open(&path)));
        second.try_lock().unwrap();
        drop(copy);
        assert!(FileLock::is_held(open(&path)), "the copy had no part in it");
    }

    #[test]
    fn an_owner_without_a_note_is_called_by_a_general_name() {
        let folder = tempfile::tempdir().unwrap();
        let note = folder.path().join("owner");
        assert_eq!(read_owner(&note, "another run"), "another run");
        fs::write(&note, "process 7\n").unwrap();
        assert_eq!(read_owner(&note, "another run"), "process 7");
    }
}
