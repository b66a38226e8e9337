//! A folder that is this program's as long as the program lives, and nobody's afterwards: with a mark whose lock the
//! system lets go of.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::fs::tree;
use crate::process::os::reaper::Reaper;

/// The name of the owner mark.
pub(crate) const OWNER: &str = "owner";
/// The browser's user data folder in it.
pub(crate) const PROFILE: &str = "profile";
/// The folder for temporary files in it.
pub(crate) const TEMP: &str = "tmp";
/// What becomes a warmed template, while it is copied.
pub(crate) const TEMPLATE: &str = "template";

/// A folder of ours. Dropping it lets go of it, and removes nothing.
#[derive(Debug)]
pub(crate) struct OwnedDir {
    path: PathBuf,
    /// None once it was let go of.
    mark: Option<File>,
    heir: Option<Reaper>,
}

impl OwnedDir {
    /// A new one in `base`, named `name` and six letters more, with its mark and nothing else in it. One that is to be
    /// kept stays when its owner ends, however that comes.
    pub(crate) fn make(base: &Path, name: &str, is_kept: bool) -> io::Result<Self> {
        let _making = lock(base)?;
        let prefix = format!("{name}-");
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let folder = builder.tempdir_in(base)?;
        let mut mark = OpenOptions::new().write(true).create_new(true).open(folder.path().join(OWNER))?;
        mark.lock()?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        // for people; what counts is the lock, which knows neither reused process ids nor clocks
        writeln!(mark, "pid = {}\nsince = {since}\nboot = \"{}\"\nkept = {is_kept}", std::process::id(), boot_id())?;
        let path = folder.keep();
        let heir = if is_kept { None } else { heir(&path) };
        Ok(Self { path, mark: Some(mark), heir })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Should this program be killed, the folder is removed when nobody of this process group runs any more.
    pub(crate) fn lives_with(&self, group: u32) {
        if let Some(heir) = &self.heir {
            heir.wait_for(group);
        }
    }

    /// Removes it, the mark last, and checks; tries for up to 1.4 s. Blocks. Does nothing when it was let go of.
    pub(crate) fn remove(&mut self) -> io::Result<()> {
        let Some(mark) = self.mark.take() else { return Ok(()) };
        let removed = tree::remove_marked(&self.path, OWNER, mark);
        self.heir = None;
        removed
    }

    /// Leaves it where it is; false when that was done before.
    pub(crate) fn let_go(&mut self) -> bool {
        self.heir = None;
        self.mark.take().is_some()
    }
}

fn heir(path: &Path) -> Option<Reaper> {
    match Reaper::of(path, OWNER, &[PROFILE, TEMP, TEMPLATE]) {
        Ok(heir) => Some(heir),
        Err(why) => {
            tracing::debug!(%why, "if this program were killed, the folder would stay until the next start");
            None
        }
    }
}

/// Held while folders are made in `base`, or leftovers are told from folders in use.
pub(crate) fn lock(base: &Path) -> io::Result<File> {
    let lock = OpenOptions::new().write(true).create(true).truncate(false).open(base.join(".lock"))?;
    lock.lock()?; // held by others for the time of making one folder
    Ok(lock)
}

pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}
