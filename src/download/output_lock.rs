//! One program at a time in an output folder.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::DownloadError;
use crate::download::staging::{OWN_FOLDER, STAGINGS};
use crate::fs::lock::{FileLock, read_owner};

/// The right to work in an output folder, held for the life of a run. Taking it removes what a run that was killed has
/// left in the staging folders; dropping it removes what is left of this one.
///
/// The lock ends with the program, however that ends. The file stays: removing it while
/// another program is about to lock it would let two in. Some network disks know no locks; there the folder is taken all
/// the same, and a warning says what nobody watches then.
#[derive(Debug)]
pub struct OutputLock {
    out: PathBuf,
    own: PathBuf,
    lock: FileLock,
    is_exclusive: bool,
}

/// More than a block: a full disk takes the few bytes that fit into the folder's own entry.
const PROBE: [u8; 16 * 1024] = [0; 16 * 1024];

impl OutputLock {
    /// Claims `out`, which is made if it is not there. Blocks for as long as removing leftovers takes.
    ///
    /// # Errors
    /// [`DownloadError::Claimed`] when another program works there, [`DownloadError::Output`] when the folder cannot be
    /// written.
    pub fn take(out: &Path) -> Result<Self, DownloadError> {
        Self::take_with(out, FileLock::try_lock)
    }

    fn take_with(
        out: &Path,
        try_lock: impl FnOnce(&FileLock) -> Result<(), TryLockError>,
    ) -> Result<Self, DownloadError> {
        let at = |source| DownloadError::Output { out: out.to_owned(), source };
        let own = std::path::absolute(out).map_err(at)?.join(OWN_FOLDER);
        fs::create_dir_all(&own).map_err(|why| {
            let _ = fs::remove_dir(&own); // what was in the way is not ours; an empty folder of ours is
            at(why)
        })?;
        let path = own.join("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(at)?;
        let lock = FileLock::of(file);
        let owner = own.join("owner");
        let is_exclusive = match try_lock(&lock) {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => {
                let owner = read_owner(&owner, "another run");
                return Err(DownloadError::Claimed { out: out.to_owned(), owner });
            }
            Err(TryLockError::Error(why)) => {
                tracing::warn!(
                    "{} cannot be locked ({why}), as on some network shares, so nothing keeps a second run out: make sure that \
                     no other run works there, or use a folder on a local disk",
                    out.display()
                );
                false
            }
        };
        let claim = Self { out: out.to_owned(), own, lock, is_exclusive };
        claim.settle_in(&owner).map_err(|why| {
            claim.withdraw(&owner, &path);
            at(why)
        })?;
        Ok(claim)
    }

    fn settle_in(&self, owner: &Path) -> io::Result<()> {
        self.sweep()?;
        try_out(self.lock.file())?;
        fs::write(owner, format!("another run (process {})\n", std::process::id()))
    }

    /// Leaves a folder that turned out to be of no use as it was, as far as it can be. Whoever opens the lock in this very
    /// moment fails on the same disk.
    fn withdraw(&self, owner: &Path, lock: &Path) {
        let _ = fs::remove_file(owner);
        let _ = fs::remove_file(lock);
        let _ = fs::remove_dir(&self.own); // not when somebody else keeps something there
    }

    /// The folder that is claimed.
    #[must_use]
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// Removes what is left in the staging folders; where nobody is kept out, that may be another run's, and stays.
    fn sweep(&self) -> io::Result<()> {
        if !self.is_exclusive {
            return Ok(());
        }
        match fs::remove_dir_all(self.own.join(STAGINGS)) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
            _ => Ok(()),
        }
    }
}

fn try_out(mut file: &File) -> io::Result<()> {
    file.set_len(0)?;
    file.write_all(&PROBE)?;
    file.sync_all()?;
    file.set_len(0)
}

impl Drop for OutputLock {
    fn drop(&mut self) {
        if let Err(why) = self.sweep() {
            tracing::warn!("{} cannot be removed ({why}); the next run tries again", self.own.join(STAGINGS).display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_program_is_told_who_the_first_is() {
        let out = tempfile::tempdir().unwrap();
        let first = OutputLock::take(out.path()).unwrap();
        let refused = OutputLock::take(out.path()).unwrap_err().to_string();
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
        drop(first);
        OutputLock::take(out.path()).unwrap();
    }

    #[test]
    fn a_disk_without_locks_is_taken_with_the_reason_and_nothing_of_another_run_is_removed() {
        let out = tempfile::tempdir().unwrap();
        let others = out.path().join(OWN_FOLDER).join(STAGINGS).join("attempt-x");
        fs::create_dir_all(&others).unwrap();
        for _ in 0..2 {
            let without = |_: &FileLock| Err(TryLockError::Error(io::ErrorKind::Unsupported.into()));
            let taken = OutputLock::take_with(out.path(), without).unwrap();
            assert!(!taken.is_exclusive);
            drop(taken);
            assert!(others.exists());
        }
        assert!(OutputLock::take(out.path()).unwrap().is_exclusive);
        assert!(!others.exists(), "where nobody else can be at work, it is removed");
    }

    #[test]
    fn what_a_killed_run_left_is_removed_and_nothing_else() {
        let out = tempfile::tempdir().unwrap();
        let own = out.path().join(OWN_FOLDER);
        fs::create_dir_all(own.join(STAGINGS).join("attempt-x")).unwrap();
        fs::write(own.join("other"), "").unwrap();
        drop(OutputLock::take(out.path()).unwrap());
        assert!(!own.join(STAGINGS).exists() && own.join("other").exists());
    }
}
