//! A folder that belongs to this program for as long as it runs: it holds an owner mark, whose lock the system releases
//! with the process.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::fs::lock::FileLock;
use crate::fs::{private, tree};
use crate::process::os::reaper::Reaper;

/// The name of the owner mark.
pub(crate) const OWNER: &str = "owner";
/// The browser's user data folder in it.
pub(crate) const PROFILE: &str = "profile";
/// The folder for temporary files in it.
pub(crate) const TEMP: &str = "tmp";
/// The copy that becomes a pre-warmed template.
pub(crate) const TEMPLATE: &str = "template";

/// A folder with a locked owner mark. Dropping it releases the lock and removes nothing.
#[derive(Debug)]
pub(crate) struct OwnedDir {
    path: PathBuf,
    /// None once released.
    mark: Option<FileLock>,
    reaper: Option<Reaper>,
}

impl OwnedDir {
    /// Creates one in `base`, named `name-` and six letters, with nothing but its owner mark in it. With `is_kept` it
    /// stays when this program ends, even if it is killed.
    pub(crate) fn create(base: &Path, name: &str, is_kept: bool) -> io::Result<Self> {
        let _lock = lock(base)?;
        let folder = private::temp_folder(base, &format!("{name}-"))?;
        let mark = OpenOptions::new().write(true).create_new(true).open(folder.path().join(OWNER))?;
        let mark = FileLock::of(mark);
        mark.wait()?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        // for people; what counts is the lock, which knows neither reused process ids nor clocks
        writeln!(
            mark.file(),
            "pid = {}\nsince = {since}\nboot = \"{}\"\nkept = {is_kept}",
            std::process::id(),
            boot_id()
        )?;
        let path = folder.keep();
        let reaper = if is_kept { None } else { reaper(&path) };
        Ok(Self { path, mark: Some(mark), reaper })
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Should this program be killed, has the folder removed once no process of `group` runs.
    pub(crate) fn remove_after_group(&self, group: u32) {
        if let Some(reaper) = &self.reaper {
            reaper.wait_for(group);
        }
    }

    /// Removes it, the mark last, trying for up to 1.4 s. Blocks. Does nothing once released.
    pub(crate) fn remove(&mut self) -> io::Result<()> {
        let Some(mark) = self.mark.take() else { return Ok(()) };
        let removed = tree::remove_marked(&self.path, OWNER, mark);
        self.reaper = None;
        removed
    }

    /// Leaves it without an owner; false if it has none already.
    pub(crate) fn release(&mut self) -> bool {
        self.reaper = None;
        self.mark.take().is_some()
    }
}

fn reaper(path: &Path) -> Option<Reaper> {
    match Reaper::start(path, OWNER, &[PROFILE, TEMP, TEMPLATE]) {
        Ok(reaper) => Some(reaper),
        Err(why) => {
            tracing::debug!(%why, "no reaper: if this program is killed, the folder stays until the next start");
            None
        }
    }
}

/// Locks `base` while a folder is created in it, or leftovers are searched for.
pub(crate) fn lock(base: &Path) -> io::Result<FileLock> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(base.join(".lock"))?;
    let lock = FileLock::of(file);
    lock.wait()?; // others hold it only while they create one folder
    Ok(lock)
}

/// Identifies this start of the machine; empty where the system does not tell.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// The message about a folder that could not be removed.
pub(crate) fn left_behind(path: &Path, why: &io::Error) -> String {
    format!(
        "the profile folder {} could not be removed ({why}); remove it by hand, it may hold a login",
        path.display()
    )
}
