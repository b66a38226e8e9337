//! Makes profile folders: one per session, private, filled from a template, marked with its owner, wiped at the end.
//!
//! ```text
//! <base>/.lock held while folders are created, or leftovers are told apart from folders in use <base>/w1-x7Hq2a/owner
//! locked by the owner as long as it lives: the system releases it with the process <base>/w1-x7Hq2a/profile/ the
//! browser's user data folder <base>/w1-x7Hq2a/tmp/ temporary files of driver and browser <base>/template-chromium-…
//! pre-warmed template of that browser <short>/t1-u4Lm8z/tmp/ instead of the session's tmp where <base> is a long path,
//! with an owner mark of its own
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::browser::profile::owned_dir::{OwnedDir, PROFILE, TEMP, TEMPLATE, left_behind};
use crate::browser::profile::paths;
use crate::browser::profile::template::{ProfileSource, WarmTemplate};
use crate::config::{PoolConfig, ProfileConfig};
use crate::fs::private;
use crate::fs::tree;
use crate::model::WorkerId;

/// Makes the profile folders of a pool.
#[derive(Clone, Debug)]
pub struct ProfileManager {
    base: PathBuf,
    /// Where folders for temporary files are made, if not in the profile's own.
    short: Option<PathBuf>,
    /// The user's template.
    template: Option<PathBuf>,
    /// Whether a browser failed to start on the user's template and started without it.
    is_template_rejected: Arc<AtomicBool>,
    /// The pre-warmed template, where these are used.
    warm: Option<WarmTemplate>,
    max_size: u64,
    cleanup: bool,
    made: ProfileRegistry,
}

/// The folders that this pool has made and neither removed nor kept for inspection.
#[derive(Clone, Debug, Default)]
struct ProfileRegistry(Arc<Mutex<BTreeSet<PathBuf>>>);

impl ProfileRegistry {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProfileManager {
    /// Creates the base folder unless it exists; the default one is private to this user.
    ///
    /// # Errors
    /// When the folder cannot be created, when the default one belongs to another user, or when its path is too long
    /// for browsers and there is no shorter one for their temporary files.
    pub fn new(config: &PoolConfig) -> io::Result<Self> {
        Self::of(&config.profiles)
    }

    pub(crate) fn of(config: &ProfileConfig) -> io::Result<Self> {
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
        paths::ensure(&base, config.base.is_none())?;
        Ok(Self {
            short: paths::short_base(&base)?,
            base,
            template: config.template.clone(),
            is_template_rejected: Arc::default(),
            warm: None,
            made: ProfileRegistry::default(),
            max_size: config.max_size.as_u64(),
            cleanup: config.cleanup,
        })
    }

    /// The folder in which profile folders are made.
    #[must_use]
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// Makes a new profile for `worker` from the user's template, the pre-warmed or the built-in one. Blocks while
    /// copying.
    ///
    /// # Errors
    /// When the folder cannot be made or the template cannot be read; names the file. Nothing is left behind.
    #[cfg(test)]
    pub(crate) fn create(&self, worker: WorkerId) -> io::Result<Profile> {
        self.create_from(worker, &self.source())
    }

    /// Makes a new profile for `worker` from `source`; otherwise as [`ProfileManager::create`].
    pub(crate) fn create_from(&self, worker: WorkerId, source: &ProfileSource) -> io::Result<Profile> {
        let folder = OwnedDir::create(&self.base, &worker.to_string(), !self.cleanup)?;
        self.made.lock().insert(folder.path().to_owned());
        let (max_size, cleanup, made) = (self.max_size, self.cleanup, self.made.clone());
        let mut profile = Profile { folder, short: None, max_size, cleanup, made };
        if let Some(short) = &self.short {
            profile.short = Some(OwnedDir::create(short, &format!("t{}", worker.0), false)?);
        }
        private::create_folder(&profile.temp())?;
        private::create_folder(&profile.path())?;
        source.fill(&profile.path())?;
        Ok(profile)
    }

    /// The same manager, using the pre-warmed template of this kind and version of browser.
    pub(crate) fn with_warm_template(mut self, kind: &str, version: &str) -> Self {
        self.warm = Some(WarmTemplate::new(&self.base, kind, version));
        self
    }

    /// What the next profile is made from.
    pub(crate) fn source(&self) -> ProfileSource {
        if let Some(template) = &self.template
            && !self.is_template_rejected.load(Ordering::Acquire)
        {
            return ProfileSource::Custom(template.clone());
        }
        let warm = self.warm.as_ref().map(WarmTemplate::path).filter(|path| path.is_dir());
        warm.map_or(ProfileSource::BuiltIn, |path| ProfileSource::Warm(path.to_owned()))
    }

    /// Whether a pre-warmed template would be used and does not exist.
    pub(crate) fn lacks_warm_template(&self) -> bool {
        self.template.is_none() && self.warm.as_ref().is_some_and(|warm| !warm.path().is_dir())
    }

    /// Makes the pre-warmed template from the profile of a browser that was closed. Blocks.
    pub(crate) fn save_warm_template(&self, profile: &Profile) -> io::Result<()> {
        let copy = profile.folder.path().join(TEMPLATE);
        self.warm.as_ref().map_or(Ok(()), |warm| warm.save(&profile.path(), &copy))
    }

    /// No longer uses `source`: a browser failed to start on it, and started without it. Blocks.
    pub(crate) fn reject_source(&self, source: &ProfileSource, why: &str) {
        match source {
            ProfileSource::Custom(template) => {
                if !self.is_template_rejected.swap(true, Ordering::AcqRel) {
                    tracing::warn!(
                        "no browser starts on the profile template {} ({why}); using the built-in one. Repair the folder, \
                         or name another one as profile_template",
                        template.display()
                    );
                }
            }
            ProfileSource::Warm(template) => {
                tracing::info!("no browser starts on the template {} ({why}); making a new one", template.display());
                if let Err(why) = tree::remove(template) {
                    tracing::warn!("the template {} could not be removed: {why}", template.display());
                }
            }
            ProfileSource::BuiltIn => {}
        }
    }

    /// How many profile folders of this pool exist, and the size of the largest in bytes. Blocks for some milliseconds
    /// per folder.
    #[must_use]
    pub(crate) fn footprint(&self) -> (usize, u64) {
        let is_profile = |path: &&PathBuf| path.join(PROFILE).is_dir();
        let made: Vec<_> = self.made.lock().iter().filter(is_profile).cloned().collect();
        (made.len(), made.iter().map(|path| tree::size(path)).max().unwrap_or_default())
    }
}

/// The paths of one session's folder.
#[derive(Clone, Debug)]
pub(crate) struct ProfilePaths {
    /// The whole folder, with its owner mark.
    pub(crate) folder: PathBuf,
    /// The browser's user data folder.
    pub(crate) profile: PathBuf,
    /// The folder for temporary files.
    pub(crate) temp: PathBuf,
}

/// The profile folder of one session. Dropping it wipes it, unless `profile_cleanup` is off.
#[derive(Debug)]
pub(crate) struct Profile {
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
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join(PROFILE)
    }

    /// The folder for temporary files of driver and browser: in the session's folder or, where that path is too long
    /// for their sockets, in one with a shorter path that is wiped with it.
    #[must_use]
    pub(crate) fn temp(&self) -> PathBuf {
        self.short.as_ref().unwrap_or(&self.folder).path().join(TEMP)
    }

    /// Its paths, for a driver.
    pub(crate) fn paths(&self) -> ProfilePaths {
        ProfilePaths { folder: self.folder.path().to_owned(), profile: self.path(), temp: self.temp() }
    }

    /// Should this program be killed, has the folder removed once no process of `group` runs, unless it is to be kept.
    pub(crate) fn remove_after_group(&self, group: u32) {
        for folder in self.short.iter().chain([&self.folder]) {
            folder.remove_after_group(group);
        }
    }

    /// Its size on the disk in bytes. Blocks for some milliseconds.
    #[must_use]
    pub(crate) fn size(&self) -> u64 {
        tree::size(self.folder.path())
    }

    /// Whether `profile_max_size` allows this size.
    pub(crate) fn allows(&self, bytes: u64) -> bool {
        bytes <= self.max_size
    }

    /// Removes the folder, trying for up to 1.4 s; keeps it when `profile_cleanup` is off. Blocks.
    ///
    /// # Errors
    /// What is left and why, for a person.
    pub(crate) fn wipe(mut self) -> Result<(), String> {
        self.remove()
    }

    fn remove(&mut self) -> Result<(), String> {
        let path = self.folder.path().to_owned();
        let removed = |folder: &mut OwnedDir| folder.remove().map_err(|why| left_behind(folder.path(), &why));
        let short = self.short.as_mut().map_or(Ok(()), removed);
        if self.cleanup {
            removed(&mut self.folder)?;
        } else if self.folder.release() {
            tracing::info!(folder = %path.display(), "profile folder kept (profile_cleanup is off)");
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PoolConfig;

    fn manager(base: &Path) -> ProfileManager {
        ProfileManager::new(&PoolConfig::builder().base_profile_path(base).build().unwrap()).unwrap()
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
        manager.reject_source(&manager.source(), &why);
        manager.create(WorkerId(1)).unwrap();
    }

    #[test]
    fn the_pre_warmed_template_is_used_unless_the_user_has_one() {
        let base = tempfile::tempdir().unwrap();
        let mut manager = manager(base.path()).with_warm_template("chromium", "156.0.1.2");
        let profile = manager.create(WorkerId(1)).unwrap();
        assert!(manager.lacks_warm_template());
        fs::write(profile.path().join("Default/Warm"), "").unwrap();
        manager.save_warm_template(&profile).unwrap();
        assert!(!manager.lacks_warm_template());
        let warm = manager.create(WorkerId(2)).unwrap();
        assert!(warm.path().join("Default/Warm").is_file() && warm.path().join("First Run").is_file());
        manager.reject_source(&manager.source(), "it is broken");
        assert_eq!(manager.source(), ProfileSource::BuiltIn);
        manager.template = Some(base.path().join("mine"));
        assert_eq!(manager.source(), ProfileSource::Custom(base.path().join("mine")));
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
}
