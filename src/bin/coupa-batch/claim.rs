//! The output folder, tried out and taken for one run before anything else happens.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::exit::Stopped;

/// Where the program keeps its own things inside of the output folder.
const OWN_FOLDER: &str = ".coupa-batch";
/// More than a block: a full disk takes the few bytes that fit into the folder's own entry.
const PROBE: [u8; 16 * 1024] = [0; 16 * 1024];

/// A folder that can be written and that no other run works in; two would overwrite each other's report and sweep each
/// other's downloads. The claim ends when it is dropped, and with the process, however that ends.
#[derive(Debug)]
pub(crate) struct Claim {
    file: Option<File>,
    own: PathBuf,
}

impl Claim {
    /// Makes the folder where it is not there, and takes it.
    ///
    /// # Errors
    /// A bad call, with what to do, when it cannot be made or written, or when another run works in it.
    pub(crate) fn on(out: &Path) -> Result<Self, Stopped> {
        let own = out.join(OWN_FOLDER);
        let refuse = |why: io::Error| {
            let advice = if why.kind() == io::ErrorKind::StorageFull {
                "free some space there"
            } else {
                "make sure that you may write there"
            };
            Stopped::bad_call(format!(
                "the output folder {} cannot be written: {why}; {advice}, or choose another folder with --out",
                out.display()
            ))
        };
        fs::create_dir_all(&own).map_err(|why| {
            // what was in the way is not ours; an empty folder of ours is
            let _ = fs::remove_dir(&own);
            refuse(why)
        })?;
        // from here on dropping it tidies up
        let mut claim = Self { file: None, own };
        let file = File::create(claim.lock()).map_err(refuse)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Stopped::bad_call(format!(
                    "another run is working in {}: wait for it, or choose another folder with --out",
                    out.display()
                )));
            }
            // some network disks know no locks; that is no reason not to work there
            Err(TryLockError::Error(why)) => tracing::debug!("the output folder cannot be locked: {why}"),
        }
        claim.file = Some(file);
        claim.file.iter().try_for_each(|file| try_out(file)).map_err(refuse)?;
        Ok(claim)
    }

    fn lock(&self) -> PathBuf {
        self.own.join("in-use")
    }
}

fn try_out(mut file: &File) -> io::Result<()> {
    file.write_all(&PROBE)?;
    file.sync_all()?;
    file.set_len(0)
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.file.is_some() {
            // before the lock is let go of, or another run's would be removed; Windows removes it when it is closed
            let _ = fs::remove_file(self.lock());
            self.file = None;
        }
        let _ = fs::remove_dir(&self.own); // others keep their things there, too
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_taken_once_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("made/on/demand");
        let claim = Claim::on(&out).unwrap();
        let refused = Claim::on(&out).unwrap_err().message;
        assert!(refused.contains("another run") && refused.contains("--out"), "{refused}");
        drop(claim);
        assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
        drop(Claim::on(&out).unwrap());
    }

    #[test]
    fn what_others_keep_beside_it_stays() {
        let out = tempfile::tempdir().unwrap();
        let claim = Claim::on(out.path()).unwrap();
        fs::write(out.path().join(OWN_FOLDER).join("journal"), "x").unwrap();
        drop(claim);
        assert_eq!(fs::read(out.path().join(OWN_FOLDER).join("journal")).unwrap(), b"x");
    }
}
