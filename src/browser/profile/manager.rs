//! Profile folders: one per session, private, cloned from a template, marked with its owner, wiped at the end.
//!
//! ```text
//! <base>/.lock                  held while folders are made or leftovers are told from folders in use
//! <base>/w1-x7Hq2a/owner        locked by the owner as long as it lives: the system lets go of it with the process
//! <base>/w1-x7Hq2a/profile/     what the browser gets as its user data folder
//! <base>/w1-x7Hq2a/tmp/         what driver and browser get as their folder for temporary files
//! <base>/d1-r2Kp9c/tmp/         the same for a driver that carries several sessions
//! <base>/template-chromium-…    what profiles of that browser begin as, once one was warmed up
//! <short>/t1-u4Lm8z/tmp/        instead of the other two, and marked as they are, where <base> is a long path
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::template::ProfileSource;
use crate::browser::profile::owned_dir::{OwnedDir, PROFILE, TEMP};
use crate::browser::profile::paths;
use crate::config::ProfileConfig;
use crate::fs::tree;
use crate::model::WorkerId;

/// Makes the profile folders of a pool.
#[derive(Clone, Debug)]
pub struct ProfileManager {
    base: PathBuf,
    /// Where folders for temporary files are made, if not in the profile's own.
    short: Option<PathBuf>,
    pub(crate) template: Option<PathBuf>,
    /// Whether a browser was seen not to start on the user's template, and to start without it.
    pub(crate) is_template_refused: Arc<AtomicBool>,
    /// Kind and version of the browser, where warmed templates are used.
    pub(crate) warmed_for: Option<(&'static str, String)>,
    max_size: u64,
    cleanup: bool,
    made: ProfileRegistry,
}

/// The folders that this pool has made, and neither removed nor left to be looked into.
#[derive(Clone, Debug, Default)]
struct ProfileRegistry(Arc<Mutex<BTreeSet<PathBuf>>>);

impl ProfileRegistry {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProfileManager {
    /// Makes sure that the base folder is there, and private if it is ours alone.
    ///
    /// # Errors
    /// When the folder cannot be made, when the one in the system's temporary folder belongs to somebody else, or when its
    /// path is too long for browsers and there is no shorter one for their temporary files.
    pub fn new(config: &ProfileConfig) -> io::Result<Self> {
        let base = match &config.base {
            Some(base) => {
                let base = std::path::absolute(base)?;
                if let Some(parent) = base.parent() {
                    fs::create_dir_all(parent)?;
                }
                base
            }
            None => paths::default_base(),
        };
        paths::ready(&base, config.base.is_none())?;
        Ok(Self {
            short: paths::short_base(&base)?,
            base,
            template: config.template.clone(),
            is_template_refused: Arc::default(),
            warmed_for: None,
            made: ProfileRegistry::default(),
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

    pub(crate) fn create_from(&self, worker: WorkerId, origin: &ProfileSource) -> io::Result<Profile> {
        let profile = self.claim(&worker.to_string())?;
        tree::create_private(&profile.path())?;
        origin.fill(&profile.path())?;
        Ok(profile)
    }

    /// A folder for the temporary files of a driver that carries several sessions.
    pub(crate) fn create_for_driver(&self, number: usize) -> io::Result<Profile> {
        self.claim(&format!("d{number}"))
    }

    /// A folder with an owner mark, and a place for temporary files in it or elsewhere.
    fn claim(&self, name: &str) -> io::Result<Profile> {
        let folder = OwnedDir::make(&self.base, name, !self.cleanup)?;
        self.made.lock().insert(folder.path().to_owned());
        let (max_size, cleanup, made) = (self.max_size, self.cleanup, self.made.clone());
        let mut profile = Profile { folder, short: None, max_size, cleanup, made };
        if let Some(short) = &self.short {
            let name = format!("t{}", name.trim_start_matches(['w', 'd']));
            profile.short = Some(OwnedDir::make(short, &name, false)?);
        }
        tree::create_private(&profile.temp())?;
        Ok(profile)
    }

    /// How many folders this pool has on the disk, and the size of the largest in bytes. Blocks for some milliseconds per
    /// folder.
    #[must_use]
    pub fn footprint(&self) -> (usize, u64) {
        let is_profile = |path: &&PathBuf| path.join(PROFILE).is_dir();
        let made: Vec<_> = self.made.lock().iter().filter(is_profile).cloned().collect();
        (made.len(), made.iter().map(|path| tree::size(path)).max().unwrap_or_default())
    }
}

/// The paths of one session's folder, or of a driver's.
#[derive(Clone, Debug)]
pub(crate) struct ProfilePaths {
    /// All of it: mark, profile and temporary files.
    pub(crate) folder: PathBuf,
    /// The browser's user data folder.
    pub(crate) profile: PathBuf,
    /// For temporary files.
    pub(crate) temp: PathBuf,
}

/// One session's folder. Dropping it wipes it, as far as settings ask for that.
#[derive(Debug)]
pub struct Profile {
    folder: OwnedDir,
    /// The folder for temporary files, where it is not in the other one.
    short: Option<OwnedDir>,
    max_size: u64,
    cleanup: bool,
    made: ProfileRegistry,
}

impl Profile {
    /// The browser's user data folder.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join(PROFILE)
    }

    /// Where driver and browser should put temporary files: in the session's folder, or, where that path is too long for
    /// their sockets, in one with a shorter path that is wiped with it.
    #[must_use]
    pub fn temp(&self) -> PathBuf {
        self.short.as_ref().unwrap_or(&self.folder).path().join(TEMP)
    }

    /// What a driver must know of it.
    pub(crate) fn plot(&self) -> ProfilePaths {
        ProfilePaths { folder: self.folder.path().to_owned(), profile: self.path(), temp: self.temp() }
    }

    /// Should this program be killed, it is removed all the same when nobody of this process group runs any more, where
    /// settings do not ask for it to be kept.
    pub(crate) fn lives_with(&self, group: u32) {
        for folder in self.short.iter().chain([&self.folder]) {
            folder.lives_with(group);
        }
    }

    /// Its bytes on the disk. Blocks for some milliseconds.
    #[must_use]
    pub fn size(&self) -> u64 {
        tree::size(self.folder.path())
    }

    /// Whether settings allow it to be that large.
    pub(crate) fn allows(&self, bytes: u64) -> bool {
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
        let removed = |folder: &mut OwnedDir| folder.remove().map_err(|why| left_behind(folder.path(), &why));
        let short = self.short.as_mut().map_or(Ok(()), removed);
        if self.cleanup {
            removed(&mut self.folder)?;
        } else if self.folder.let_go() {
            tracing::info!(folder = %path.display(), "the profile folder is kept, as settings ask");
        }
        self.made.lock().remove(&path);
        short
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        if let Err(left) = self.remove() {
            tracing::warn!("{left}");
        }
    }
}

pub(crate) fn left_behind(path: &Path, why: &io::Error) -> String {
    format!(
        "the profile folder {} could not be removed ({why}); remove it by hand, it may hold a login",
        path.display()
    )
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
    #[cfg(unix)]
    fn temporary_files_of_a_profile_with_a_long_path_go_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let manager = manager(&folder.path().join("p".repeat(80)));
        let profile = manager.create(WorkerId(1)).unwrap();
        let temp = profile.temp();
        assert!(temp.is_dir() && !temp.starts_with(manager.base()), "{}", temp.display());
        fs::write(temp.join("x"), "").unwrap();
        let marked = temp.parent().unwrap().to_owned();
        assert!(fs::read_to_string(marked.join("owner")).unwrap().contains("pid = "));
        profile.wipe().unwrap();
        assert!(!marked.exists());
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
        assert_eq!(manager.footprint(), (0, 0), "nobody measures it from then on");
        let found = manager.leftovers().unwrap();
        assert!(found.orphans.is_empty() && found.kept.len() == 1 && found.kept[0].folder() == folder);
        drop(found);
        assert_eq!(manager.sweep().unwrap(), crate::browser::SweepResult::default());
        assert!(folder.is_dir());
    }
}
