//! Telling folders that programs which are gone have left from folders in use, and removing them.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::template;
use crate::browser::profile::manager::{ProfileManager, left_behind};
use crate::browser::profile::owned_dir::{self, OWNER, boot_id};
use crate::browser::profile::paths;
use crate::fs::tree;

/// What a sweep of leftovers did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepResult {
    /// Folders that were removed.
    pub removed: Vec<PathBuf>,
    /// Folders that could not be removed, each as a sentence for a person.
    pub left: Vec<String>,
}

/// What there is in the folder of the profiles.
#[derive(Debug, Default)]
pub struct Leftovers {
    /// Folders whose owner is gone.
    pub orphans: Vec<OrphanedProfile>,
    /// The same, but settings have asked for them to be kept.
    pub kept: Vec<OrphanedProfile>,
    /// Folders whose owner lives: this program or another one.
    pub in_use: Vec<PathBuf>,
    /// Folders of which it cannot be told whose they are, each as a sentence for a person.
    pub unclear: Vec<String>,
}

/// A folder whose owner is gone. As long as this value lives no other program takes it for one of its own to remove.
#[derive(Debug)]
pub struct OrphanedProfile {
    folder: PathBuf,
    /// The mark, locked; none in a folder that holds nothing.
    mark: Option<File>,
}

/// Who had a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerInfo {
    /// Its process id, which may be another process's by now.
    pub pid: u32,
    /// When it took the folder, in seconds since 1970.
    pub since: u64,
}

impl OrphanedProfile {
    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Who had it; none when the machine was started anew since, or the mark cannot be read. Reads a file.
    #[must_use]
    pub fn owner(&self) -> Option<OwnerInfo> {
        let mark: toml::Table = fs::read_to_string(self.folder.join(OWNER)).ok()?.parse().ok()?;
        let number = |name| mark.get(name).and_then(toml::Value::as_integer);
        if mark.get("boot").and_then(toml::Value::as_str) != Some(boot_id().as_str()) {
            return None;
        }
        Some(OwnerInfo { pid: u32::try_from(number("pid")?).ok()?, since: u64::try_from(number("since")?).ok()? })
    }

    /// Whether settings have asked for it to be kept, to be looked into. Reads a file.
    fn is_kept(&self) -> bool {
        let mark = fs::read_to_string(self.folder.join(OWNER)).ok().and_then(|text| text.parse::<toml::Table>().ok());
        mark.is_some_and(|mark| mark.get("kept").and_then(toml::Value::as_bool) == Some(true))
    }

    /// Removes it; tries for up to 1.4 s. Blocks.
    ///
    /// # Errors
    /// What is left and why, as a sentence for a person.
    pub fn remove(self) -> Result<PathBuf, String> {
        let Self { folder, mark } = self;
        let removed = match mark {
            Some(mark) => tree::remove_marked(&folder, OWNER, mark),
            None => match fs::remove_dir(&folder) {
                Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(()),
                other => other,
            },
        };
        match removed {
            Ok(()) => Ok(folder),
            Err(why) => Err(left_behind(&folder, &why)),
        }
    }
}

impl ProfileManager {
    /// Looks at every folder of ours, also those of other programs. Changes nothing. Blocks.
    ///
    /// # Errors
    /// When the base folder cannot be read or locked.
    pub fn leftovers(&self) -> io::Result<Leftovers> {
        let mut found = Leftovers::default();
        look_in(self.base(), &['w', 'd'], &mut found)?;
        // temporary files of profiles whose paths are long, of any program of this user
        let mut others = Leftovers::default();
        for place in paths::short_bases().iter().filter(|place| paths::is_own(place)) {
            look_in(place, &['t'], &mut others)?;
        }
        found.orphans.extend(others.orphans);
        found.unclear.extend(others.unclear);
        Ok(found)
    }

    /// Removes the folders of programs that are gone. Folders in use, also by other running programs, are not touched, nor
    /// are those that were to be kept; neither are processes. Blocks.
    ///
    /// # Errors
    /// When the base folder cannot be read or locked.
    pub fn sweep(&self) -> io::Result<SweepResult> {
        let Leftovers { orphans, kept: _, in_use: _, unclear } = self.leftovers()?;
        let mut swept = SweepResult { removed: Vec::new(), left: unclear };
        for orphan in orphans {
            match orphan.remove() {
                Ok(folder) => swept.removed.push(folder),
                Err(left) => swept.left.push(left),
            }
        }
        Ok(swept)
    }

    /// Templates that were warmed up for any browser, by any program.
    #[must_use]
    pub fn warmed_templates(&self) -> Vec<PathBuf> {
        template::all(self.base(), None)
    }

    /// Removes the templates that were warmed up. Sessions begin on the built-in one until there is one again. Blocks.
    #[must_use]
    pub fn remove_warmed_templates(&self) -> SweepResult {
        let (removed, left) = template::remove_others(self.base(), None, None);
        SweepResult { removed, left }
    }
}

/// Tells whose the folders in `base` are whose names begin with one of these letters.
fn look_in(base: &Path, letters: &[char], found: &mut Leftovers) -> io::Result<()> {
    let _telling = owned_dir::lock(base)?;
    for entry in fs::read_dir(base)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() || !is_ours(&entry.file_name().to_string_lossy(), letters) {
            continue;
        }
        let folder = entry.path();
        let mark = match OpenOptions::new().write(true).open(folder.join(OWNER)) {
            Ok(mark) => mark,
            // what a removal that was killed at its last step leaves
            Err(_) if fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_none()) => {
                found.orphans.push(OrphanedProfile { folder, mark: None });
                continue;
            }
            // without a mark it may be somebody else's, whatever its name
            Err(why) => {
                found.unclear.push(format!(
                    "{} is named like a profile folder, but has no readable owner mark ({why}): if it is nobody else's, \
                     remove it by hand, it may hold a login",
                    folder.display()
                ));
                continue;
            }
        };
        // a lock that we get has no owner any more
        match mark.try_lock() {
            Ok(()) => {
                let orphan = OrphanedProfile { folder, mark: Some(mark) };
                if orphan.is_kept() { &mut found.kept } else { &mut found.orphans }.push(orphan);
            }
            Err(TryLockError::WouldBlock) => found.in_use.push(folder),
            Err(TryLockError::Error(why)) => found.unclear.push(format!("{}: {why}", folder.display())),
        }
    }
    Ok(())
}

/// Names that `ProfileManager` gives: a letter (`w` for a worker's, `d` for a driver's, `t` for temporary files), a
/// number, `-`, six letters.
fn is_ours(name: &str, letters: &[char]) -> bool {
    name.strip_prefix(letters).and_then(|rest| rest.split_once('-')).is_some_and(|(number, rest)| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) && rest.len() == 6
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PoolConfig;
    use crate::model::WorkerId;

    fn manager(base: &Path) -> ProfileManager {
        ProfileManager::new(&PoolConfig::builder().base_profile_path(base).build().unwrap().profiles).unwrap()
    }

    #[test]
    fn a_sweep_takes_leftovers_and_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        let manager = manager(base.path());
        let in_use = manager.create(WorkerId(1)).unwrap();
        let orphan = base.path().join("w7-abcdef");
        fs::create_dir_all(orphan.join("profile")).unwrap();
        fs::write(orphan.join(OWNER), "pid = 1").unwrap();
        let empty = base.path().join("w9-abcdef");
        let unmarked = base.path().join("w8-abcdef");
        let foreign = base.path().join("photos");
        fs::create_dir_all(unmarked.join("profile")).unwrap();
        fs::create_dir(&empty).unwrap();
        fs::create_dir(&foreign).unwrap();
        let found = manager.leftovers().unwrap();
        assert_eq!((found.orphans.len(), found.in_use.len()), (2, 1));
        drop(found);
        let SweepResult { mut removed, left } = manager.sweep().unwrap();
        removed.sort();
        assert_eq!(removed, [orphan.clone(), empty.clone()]);
        // it may be somebody else's, and it may hold a login: it is told and not touched
        assert!(left.len() == 1 && left[0].contains("w8-abcdef"), "{left:?}");
        assert!(in_use.path().is_dir() && unmarked.is_dir() && foreign.is_dir());
        assert!(!orphan.exists() && !empty.exists());
    }

    #[test]
    fn names_of_ours_are_known() {
        let base = tempfile::tempdir().unwrap();
        let profile = manager(base.path()).create(WorkerId(13)).unwrap();
        let folder = profile.path().parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        assert!(is_ours(&folder, &['w', 'd']) && !is_ours(&folder, &['t']), "{folder}");
        for name in ["w-abcdef", "w1-abc", "x1-abcdef", "w1x-abcdef", "template-chromium-156", ".lock", "w1"] {
            assert!(!is_ours(name, &['w', 'd', 't']), "{name}");
        }
    }

    #[test]
    fn the_owner_is_read_from_the_mark_unless_the_machine_was_started_anew() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("w7-abcdef");
        fs::create_dir(&folder).unwrap();
        let orphan = |text: String| {
            fs::write(folder.join(OWNER), text).unwrap();
            OrphanedProfile { folder: folder.clone(), mark: Some(File::open(folder.join(OWNER)).unwrap()) }.owner()
        };
        let boot = boot_id();
        assert_eq!(orphan(format!("pid = 7\nsince = 9\nboot = \"{boot}\"")), Some(OwnerInfo { pid: 7, since: 9 }));
        assert_eq!(orphan("pid = 7\nsince = 9\nboot = \"another\"".to_owned()), None);
        assert_eq!(orphan("pid = ".to_owned()), None);
    }
}
