//! Profile folders: one per session, private, cloned from a template, marked with its owner, wiped at the end.
//!
//! ```text
//! <base>/.lock                  held while folders are made or leftovers are told from folders in use
//! <base>/w1-x7Hq2a/owner        locked by the owner as long as it lives: the system lets go of it with the process
//! <base>/w1-x7Hq2a/profile/     what the browser gets as its user data folder
//! <base>/w1-x7Hq2a/tmp/         what driver and browser get as their folder for temporary files
//! <base>/d1-r2Kp9c/tmp/         the same for a driver that carries several sessions
//! <base>/template-chromium-…    what profiles of that browser begin as, once one was warmed up
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::folder;
use super::owned::{OwnedFolder, PROFILE, TEMP};
use super::template::Origin;
use crate::config::ProfileConfig;
use crate::model::WorkerId;

/// Socket names of browsers are limited to some 100 characters, and they put some 50 after this folder.
const MAX_TEMP_LEN: usize = 55;

/// Makes the profile folders of a pool.
#[derive(Clone, Debug)]
pub struct ProfileManager {
    base: PathBuf,
    pub(super) template: Option<PathBuf>,
    /// Whether a browser was seen not to start on the user's template, and to start without it.
    pub(super) is_template_refused: Arc<AtomicBool>,
    /// Kind and version of the browser, where warmed templates are used.
    pub(super) warmed_for: Option<(&'static str, String)>,
    max_size: u64,
    cleanup: bool,
    made: Made,
}

/// The folders that this pool has made, and neither removed nor left to be looked into.
#[derive(Clone, Debug, Default)]
struct Made(Arc<Mutex<BTreeSet<PathBuf>>>);

impl Made {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        ready(&base, config.base.is_none())?;
        Ok(Self {
            base,
            template: config.template.clone(),
            is_template_refused: Arc::default(),
            warmed_for: None,
            made: Made::default(),
            max_size: config.max_size.as_u64(),
            cleanup: config.cleanup,
        })
    }

    /// Where the folders are made.
    #[must_use]
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// A fresh profile for `worker`: from the user's template, or else from one that was warmed up for this browser, or
    /// else from the built-in one. Blocks for as long as copying takes.
    ///
    /// # Errors
    /// When the folder cannot be made or the template cannot be read, with the name of the file; nothing is left behind
    /// then.
    pub fn create(&self, worker: WorkerId) -> io::Result<Profile> {
        self.create_from(worker, &self.origin())
    }

    pub(super) fn create_from(&self, worker: WorkerId, origin: &Origin) -> io::Result<Profile> {
        let profile = self.claim(&worker.to_string())?;
        folder::create_private(&profile.path())?;
        folder::create_private(&profile.folder.path().join(TEMP))?;
        origin.fill(&profile.path())?;
        Ok(profile)
    }

    /// A folder for the temporary files of a driver that carries several sessions.
    pub(super) fn create_for_driver(&self, number: usize) -> io::Result<Profile> {
        let profile = self.claim(&format!("d{number}"))?;
        folder::create_private(&profile.folder.path().join(TEMP))?;
        Ok(profile)
    }

    /// A folder with an owner mark, and nothing else in it.
    fn claim(&self, name: &str) -> io::Result<Profile> {
        let folder = OwnedFolder::make(&self.base, name, !self.cleanup)?;
        self.made.lock().insert(folder.path().to_owned());
        Ok(Profile { folder, max_size: self.max_size, cleanup: self.cleanup, made: self.made.clone() })
    }

    /// How many folders this pool has on the disk, and the size of the largest in bytes. Blocks for some milliseconds per
    /// folder.
    #[must_use]
    pub fn footprint(&self) -> (usize, u64) {
        let is_profile = |path: &&PathBuf| path.join(PROFILE).is_dir();
        let made: Vec<_> = self.made.lock().iter().filter(is_profile).cloned().collect();
        (made.len(), made.iter().map(|path| folder::size(path)).max().unwrap_or_default())
    }
}

/// The paths of one session's folder, or of a driver's.
#[derive(Clone, Debug)]
pub(super) struct Plot {
    /// All of it: mark, profile and temporary files.
    pub(super) folder: PathBuf,
    /// The browser's user data folder.
    pub(super) profile: PathBuf,
    /// For temporary files, if they can be there.
    pub(super) temp: Option<PathBuf>,
}

/// One session's folder. Dropping it wipes it, as far as settings ask for that.
#[derive(Debug)]
pub struct Profile {
    folder: OwnedFolder,
    max_size: u64,
    cleanup: bool,
    made: Made,
}

impl Profile {
    /// The browser's user data folder.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join(PROFILE)
    }

    /// Where driver and browser should put temporary files; none where the path is too long for their sockets.
    #[must_use]
    pub fn temp(&self) -> Option<PathBuf> {
        let temp = self.folder.path().join(TEMP);
        (cfg!(windows) || temp.as_os_str().len() <= MAX_TEMP_LEN).then_some(temp)
    }

    /// What a driver must know of it.
    pub(super) fn plot(&self) -> Plot {
        Plot { folder: self.folder.path().to_owned(), profile: self.path(), temp: self.temp() }
    }

    /// Should this program be killed, it is removed all the same when nobody of this process group runs any more, where
    /// settings do not ask for it to be kept.
    pub(super) fn lives_with(&self, group: u32) {
        self.folder.lives_with(group);
    }

    /// Its bytes on the disk. Blocks for some milliseconds.
    #[must_use]
    pub fn size(&self) -> u64 {
        folder::size(self.folder.path())
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
        let path = self.folder.path().to_owned();
        if self.cleanup {
            self.folder.remove().map_err(|why| left_behind(&path, &why))?;
        } else if self.folder.let_go() {
            tracing::info!(folder = %path.display(), "the profile folder is kept, as settings ask");
        }
        self.made.lock().remove(&path);
        Ok(())
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        if let Err(left) = self.remove() {
            tracing::warn!("{left}");
        }
    }
}

pub(super) fn left_behind(path: &Path, why: &io::Error) -> String {
    format!(
        "the profile folder {} could not be removed ({why}); remove it by hand, it may hold a login",
        path.display()
    )
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

/// Makes the folder unless it is there, and then sees whether it can be trusted.
fn ready(base: &Path, is_shared_place: bool) -> io::Result<()> {
    match folder::create_private(base) {
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => check_existing(base, is_shared_place),
        other => other,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PoolConfig;

    fn manager(base: &Path) -> ProfileManager {
        ProfileManager::new(&PoolConfig::builder().base_profile_path(base).build().unwrap().profiles).unwrap()
    }

    #[test]
    fn a_profile_is_private_marked_and_gone_when_dropped() {
        let base = tempfile::tempdir().unwrap();
        let manager = manager(base.path());
        let profile = manager.create(WorkerId(3)).unwrap();
        let folder = profile.folder.path().to_owned();
        assert!(profile.path().join("Default/Preferences").is_file());
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
    fn a_missing_template_leaves_nothing_behind() {
        let base = tempfile::tempdir().unwrap();
        let mut manager = manager(base.path());
        manager.template = Some(base.path().join("absent"));
        let why = manager.create(WorkerId(1)).unwrap_err().to_string();
        assert!(why.contains("absent"), "{why}");
        let left: Vec<_> = fs::read_dir(base.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [".lock"]);
        manager.give_up_on(&manager.origin(), &why);
        manager.create(WorkerId(1)).unwrap();
    }

    #[test]
    fn only_folders_of_this_pool_are_counted() {
        let base = tempfile::tempdir().unwrap();
        let (own, other) = (manager(base.path()), manager(base.path()));
        let others = other.create(WorkerId(1)).unwrap();
        assert_eq!(own.footprint(), (0, 0));
        let (small, large) = (own.create(WorkerId(1)).unwrap(), own.create(WorkerId(2)).unwrap());
        fs::write(large.path().join("x"), [0; 70_000]).unwrap();
        let (count, bytes) = own.footprint();
        assert!(count == 2 && bytes > 70_000 && bytes < 80_000, "{count} {bytes}");
        drop(large);
        assert_eq!(own.footprint().0, 1);
        drop((small, others));
        assert_eq!(own.footprint(), (0, 0));
    }

    #[test]
    fn cleanup_can_be_turned_off() {
        let base = tempfile::tempdir().unwrap();
        let mut manager = manager(base.path());
        manager.cleanup = false;
        let profile = manager.create(WorkerId(1)).unwrap();
        let folder = profile.folder.path().to_owned();
        profile.wipe().unwrap();
        assert!(folder.is_dir());
    }
}
