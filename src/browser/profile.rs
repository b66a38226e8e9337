//! Profile folders: one per session, private, cloned from a template, marked with its owner, wiped at the end.
//!
//! ```text
//! <base>/.lock                  held while folders are made or leftovers are told from folders in use
//! <base>/w1-x7Hq2a/owner        locked by the owner as long as it lives: the system lets go of it with the process
//! <base>/w1-x7Hq2a/profile/     what the browser gets as its user data folder
//! <base>/w1-x7Hq2a/tmp/         what driver and browser get as their folder for temporary files
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::folder;
use crate::config::ProfileConfig;
use crate::model::WorkerId;

/// Preferences of the built-in template.
const PREFERENCES: &str = include_str!("../../profiles/template/Default/Preferences");

/// Socket names of browsers are limited to some 100 characters, and they put some 50 after this folder.
const MAX_TEMP_LEN: usize = 55;

const OWNER: &str = "owner";

/// Makes the profile folders of a pool.
#[derive(Clone, Debug)]
pub struct ProfileManager {
    base: PathBuf,
    template: Option<PathBuf>,
    max_size: u64,
    cleanup: bool,
}

/// What a sweep of leftovers did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Folders that were removed.
    pub removed: Vec<PathBuf>,
    /// Folders that could not be removed, each as a sentence for a person.
    pub left: Vec<String>,
}

impl ProfileManager {
    /// Makes sure that the base folder is there, and private if it is ours alone.
    ///
    /// # Errors
    /// When the folder cannot be made, or when the one in the system's temporary folder belongs to somebody else.
    pub fn new(config: &ProfileConfig) -> io::Result<Self> {
        let base = match &config.base {
            Some(base) => {
                let base = std::path::absolute(base)?;
                if let Some(parent) = base.parent() {
                    fs::create_dir_all(parent)?;
                }
                base
            }
            None => default_base(),
        };
        match folder::create_private(&base) {
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => check_existing(&base, config.base.is_none())?,
            other => other?,
        }
        Ok(Self {
            base,
            template: config.template.clone(),
            max_size: config.max_size.as_u64(),
            cleanup: config.cleanup,
        })
    }

    /// Where the folders are made.
    #[must_use]
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// A fresh profile for `worker`. Blocks for as long as copying the template takes.
    ///
    /// # Errors
    /// When the folder cannot be made or the template cannot be read; nothing is left behind then.
    pub fn create(&self, worker: WorkerId) -> io::Result<Profile> {
        let profile = {
            let _making = self.lock_base()?;
            let prefix = format!("{worker}-");
            let mut builder = tempfile::Builder::new();
            builder.prefix(&prefix);
            #[cfg(unix)]
            builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
            let folder = builder.tempdir_in(&self.base)?;
            let mut owner = OpenOptions::new().write(true).create_new(true).open(folder.path().join(OWNER))?;
            owner.lock()?;
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            // for people; what counts is the lock, which knows neither reused process ids nor clocks
            writeln!(owner, "pid = {}\nsince = {since}\nboot = \"{}\"", std::process::id(), boot_id())?;
            Profile { folder: folder.keep(), owner: Some(owner), max_size: self.max_size, cleanup: self.cleanup }
        };
        folder::create_private(&profile.folder.join("profile"))?;
        folder::create_private(&profile.folder.join("tmp"))?;
        match &self.template {
            Some(template) => folder::copy(template, &profile.path()).map_err(|why| {
                io::Error::new(why.kind(), format!("the template {} cannot be copied: {why}", template.display()))
            })?,
            None => {
                folder::create_private(&profile.path().join("Default"))?;
                fs::write(profile.path().join("Default/Preferences"), PREFERENCES)?;
            }
        }
        fs::write(profile.path().join("First Run"), "")?; // its presence says that the first run is over
        Ok(profile)
    }

    /// Removes the folders of programs that are gone. Folders in use, also by other running programs, are not touched.
    /// Blocks.
    ///
    /// # Errors
    /// When the base folder cannot be read or locked.
    pub fn sweep(&self) -> io::Result<Swept> {
        let mut swept = Swept::default();
        let mut orphans = Vec::new();
        {
            let _telling = self.lock_base()?;
            for entry in fs::read_dir(&self.base)? {
                let entry = entry?;
                if !entry.file_type()?.is_dir() || !is_ours(&entry.file_name().to_string_lossy()) {
                    continue;
                }
                // without a mark it is none of ours, whatever its name; a lock that we get has no owner any more
                let Ok(owner) = OpenOptions::new().write(true).open(entry.path().join(OWNER)) else { continue };
                match owner.try_lock() {
                    Ok(()) => orphans.push((entry.path(), owner)),
                    Err(TryLockError::WouldBlock) => {}
                    Err(TryLockError::Error(why)) => swept.left.push(format!("{}: {why}", entry.path().display())),
                }
            }
        }
        for (path, owner) in orphans {
            drop(owner); // Windows removes no open file
            match folder::remove(&path) {
                Ok(()) => swept.removed.push(path),
                Err(why) => swept.left.push(left_behind(&path, &why)),
            }
        }
        Ok(swept)
    }

    fn lock_base(&self) -> io::Result<File> {
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(self.base.join(".lock"))?;
        lock.lock()?; // held by others for the time of making one folder
        Ok(lock)
    }
}

/// One session's folder. Dropping it wipes it, as far as settings ask for that.
#[derive(Debug)]
pub struct Profile {
    folder: PathBuf,
    owner: Option<File>,
    max_size: u64,
    cleanup: bool,
}

impl Profile {
    /// The browser's user data folder.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.join("profile")
    }

    /// Where driver and browser should put temporary files; none where the path is too long for their sockets.
    #[must_use]
    pub fn temp(&self) -> Option<PathBuf> {
        let temp = self.folder.join("tmp");
        (cfg!(windows) || temp.as_os_str().len() <= MAX_TEMP_LEN).then_some(temp)
    }

    /// Its bytes on the disk. Blocks for some milliseconds.
    #[must_use]
    pub fn size(&self) -> u64 {
        folder::size(&self.folder)
    }

    /// Whether it has grown beyond what settings allow. Blocks as [`Profile::size`] does.
    #[must_use]
    pub fn has_outgrown(&self) -> bool {
        !self.allows(self.size())
    }

    /// Whether settings allow it to be that large.
    pub(super) fn allows(&self, bytes: u64) -> bool {
        bytes <= self.max_size
    }

    /// Removes it and checks; tries for up to 1.4 s. Blocks. Keeps it if settings say so.
    ///
    /// # Errors
    /// What is left and why, as a sentence for a person.
    pub fn wipe(mut self) -> Result<(), String> {
        self.remove()
    }

    fn remove(&mut self) -> Result<(), String> {
        // first, because Windows removes no open file
        if self.owner.take().is_none() {
            return Ok(());
        }
        if !self.cleanup {
            tracing::info!(folder = %self.folder.display(), "the profile folder is kept, as settings ask");
            return Ok(());
        }
        folder::remove(&self.folder).map_err(|why| left_behind(&self.folder, &why))
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        if let Err(left) = self.remove() {
            tracing::warn!("{left}");
        }
    }
}

fn left_behind(path: &Path, why: &io::Error) -> String {
    format!(
        "the profile folder {} could not be removed ({why}); remove it by hand, it may hold a login",
        path.display()
    )
}

/// Names that [`ProfileManager::create`] gives: `w`, a number, `-`, six letters.
fn is_ours(name: &str) -> bool {
    name.strip_prefix('w').and_then(|rest| rest.split_once('-')).is_some_and(|(number, rest)| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) && rest.len() == 6
    })
}

/// A folder of our own below the system's for temporary files, the same in every run, so that a later run finds what
/// an earlier one left.
fn default_base() -> PathBuf {
    #[cfg(unix)]
    let name = format!("coupa-batch-{}", rustix::process::geteuid().as_raw());
    #[cfg(not(unix))]
    let name = "coupa-batch"; // the folder for temporary files is the user's own there
    std::env::temp_dir().join(name)
}

/// Anyone can make a folder of our name in a shared temporary folder: a login must not be put into one of theirs.
fn check_existing(base: &Path, is_shared_place: bool) -> io::Result<()> {
    let about = if is_shared_place { fs::symlink_metadata(base)? } else { fs::metadata(base)? };
    let refuse =
        |why: &str| Err(io::Error::other(format!("{} {why}; give another folder as profile_dir", base.display())));
    if !about.is_dir() {
        return refuse("is not a folder");
    }
    #[cfg(unix)]
    if is_shared_place {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        if about.uid() != rustix::process::geteuid().as_raw() {
            return refuse("belongs to another user");
        }
        if about.mode() & 0o077 != 0 {
            fs::set_permissions(base, fs::Permissions::from_mode(0o700))?;
        }
    }
    Ok(())
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PoolConfig;

    fn manager(base: &Path) -> ProfileManager {
        ProfileManager::new(&PoolConfig::builder().base_profile_path(base).build().unwrap().profiles).unwrap()
    }

    #[test]
    fn the_built_in_template_is_valid_and_opens_no_pdf() {
        let preferences: serde_json::Value = serde_json::from_str(PREFERENCES).unwrap();
        assert_eq!(preferences["plugins"]["always_open_pdf_externally"], true);
        assert_eq!(preferences["download"]["prompt_for_download"], false);
    }

    #[test]
    fn a_profile_is_private_marked_and_gone_when_dropped() {
        let base = tempfile::tempdir().unwrap();
        let manager = manager(base.path());
        let profile = manager.create(WorkerId(3)).unwrap();
        let folder = profile.folder.clone();
        assert!(profile.path().join("Default/Preferences").is_file());
        assert!(is_ours(folder.file_name().unwrap().to_str().unwrap()), "{}", folder.display());
        assert!(profile.size() > 0);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        }
        drop(profile);
        assert!(!folder.exists());
    }

    #[test]
    fn a_sweep_takes_leftovers_and_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        let manager = manager(base.path());
        let in_use = manager.create(WorkerId(1)).unwrap();
        let orphan = base.path().join("w7-abcdef");
        fs::create_dir_all(orphan.join("profile")).unwrap();
        fs::write(orphan.join(OWNER), "pid = 1").unwrap();
        let unmarked = base.path().join("w8-abcdef");
        let foreign = base.path().join("photos");
        fs::create_dir(&unmarked).unwrap();
        fs::create_dir(&foreign).unwrap();
        let swept = manager.sweep().unwrap();
        assert_eq!(swept, Swept { removed: vec![orphan.clone()], left: vec![] });
        assert!(in_use.path().is_dir() && unmarked.is_dir() && foreign.is_dir() && !orphan.exists());
    }

    #[test]
    fn a_missing_template_leaves_nothing_behind() {
        let base = tempfile::tempdir().unwrap();
        let mut manager = manager(base.path());
        manager.template = Some(base.path().join("absent"));
        let why = manager.create(WorkerId(1)).unwrap_err().to_string();
        assert!(why.contains("absent"), "{why}");
        let left: Vec<_> = fs::read_dir(base.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [".lock"]);
    }

    #[test]
    fn cleanup_can_be_turned_off() {
        let base = tempfile::tempdir().unwrap();
        let mut manager = manager(base.path());
        manager.cleanup = false;
        let profile = manager.create(WorkerId(1)).unwrap();
        let folder = profile.folder.clone();
        profile.wipe().unwrap();
        assert!(folder.is_dir());
    }
}
