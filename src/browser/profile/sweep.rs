//! Removes what programs that have ended left behind: profile folders, and the processes that still run on them.

use std::fs::{self, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::browser::profile::manager::ProfileManager;
use crate::browser::profile::owned_dir::{self, OWNER, boot_id, left_behind};
use crate::browser::profile::{paths, template};
use crate::fs::lock::FileLock;
use crate::fs::tree;
use crate::model::SweepReport;
use crate::process::os::orphans::{end_processes, has_run_since, processes_on};

/// Options of a sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sweep {
    /// Only report what would be removed; default false.
    pub(crate) is_dry: bool,
    /// Also remove pre-warmed templates; default false.
    pub(crate) with_templates: bool,
    /// Also remove profile folders that were kept on purpose (`profile_cleanup = false`); default false.
    pub(crate) with_kept: bool,
}

impl ProfileManager {
    /// Removes the folders of programs that have ended, with default options: see `sweep`.
    ///
    /// # Errors
    /// When the base folder cannot be read or locked.
    pub fn sweep(&self) -> io::Result<SweepReport> {
        sweep(self, Sweep::default())
    }
}

/// Removes what programs that have ended left in the folder of these profiles: first the processes that run on a folder
/// without an owner, then the folder, unless it is kept on purpose. Folders of running programs and all other processes
/// are not touched. Blocks, for seconds when something cannot be removed.
///
/// # Errors
/// When the folder cannot be read or locked.
pub(crate) fn sweep(profiles: &ProfileManager, options: Sweep) -> io::Result<SweepReport> {
    let found = Leftovers::find(profiles.base())?;
    let mut report = SweepReport { in_use: found.in_use, left: found.unclear, ..SweepReport::default() };
    let still_runs = |orphan: &OrphanedProfile| orphan.owner().filter(|owner| has_run_since(owner.pid, owner.since));
    // a kept folder is released when its session ends, long before its program does
    let (idle, in_work): (Vec<_>, Vec<_>) = found.kept.into_iter().partition(|kept| still_runs(kept).is_none());
    report.kept.extend(in_work.iter().map(|kept| kept.folder.clone()));
    let (mut orphans, kept) = if options.with_kept { (idle, Vec::new()) } else { (Vec::new(), idle) };
    report.kept.extend(kept.iter().map(|kept| kept.folder.clone()));
    for orphan in found.orphans {
        // by its lock it has no owner; should the process run anyway, nothing of it is ended
        match still_runs(&orphan) {
            Some(owner) => report.left.push(format!(
                "{} has no owner any more, but process {}, which had it, still runs; end that process first",
                orphan.folder.display(),
                owner.pid
            )),
            None => orphans.push(orphan),
        }
    }
    let folders: Vec<_> = orphans.iter().chain(&kept).map(|orphan| orphan.folder.clone()).collect();
    if !folders.is_empty() {
        report.ended = processes_on(&folders);
    }
    let templates = if options.with_templates { template::warm_templates(profiles.base()) } else { Vec::new() };
    if options.is_dry {
        report.removed = orphans.into_iter().map(|orphan| orphan.folder).chain(templates).collect();
        return Ok(report);
    }
    if !report.ended.is_empty()
        && let Err(left) = end_processes(&report.ended)
    {
        report.left.push(left);
        let still = processes_on(&folders);
        report.ended.retain(|ended| !still.contains(ended));
        // a browser that still runs would write into its folder again
        orphans.retain(|orphan| !still.iter().any(|process| process.folder == orphan.folder));
    }
    let removed = orphans.into_iter().map(OrphanedProfile::remove);
    let templates = templates.into_iter().map(|path| match tree::remove(&path) {
        Ok(()) => Ok(path),
        Err(why) => Err(format!("the template {} could not be removed: {why}", path.display())),
    });
    for removed in removed.chain(templates) {
        match removed {
            Ok(folder) => report.removed.push(folder),
            Err(left) => report.left.push(left),
        }
    }
    Ok(report)
}

/// The profile folders of all programs.
#[derive(Debug, Default)]
struct Leftovers {
    /// Folders without an owner.
    orphans: Vec<OrphanedProfile>,
    /// The same, but kept on purpose.
    kept: Vec<OrphanedProfile>,
    /// Folders of running programs.
    in_use: Vec<PathBuf>,
    /// Folders whose owner cannot be determined, each as a sentence for a person.
    unclear: Vec<String>,
}

/// A folder without an owner. While this value lives no other program takes the folder for its own to remove.
#[derive(Debug)]
struct OrphanedProfile {
    folder: PathBuf,
    /// The owner mark, locked; none in an empty folder.
    mark: Option<FileLock>,
}

/// Who had a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OwnerInfo {
    /// Its process id, which another process may have by now.
    pid: u32,
    /// When it took the folder, in seconds since 1970.
    since: u64,
}

impl OrphanedProfile {
    /// Who had it; none when the machine was restarted since or the mark cannot be read. Reads a file.
    fn owner(&self) -> Option<OwnerInfo> {
        let mark = self.read_mark()?;
        let number = |name| mark.get(name).and_then(toml::Value::as_integer);
        if mark.get("boot").and_then(toml::Value::as_str) != Some(boot_id().as_str()) {
            return None;
        }
        Some(OwnerInfo { pid: u32::try_from(number("pid")?).ok()?, since: u64::try_from(number("since")?).ok()? })
    }

    /// Whether it was kept on purpose. Reads a file.
    fn is_kept(&self) -> bool {
        self.read_mark().is_some_and(|mark| mark.get("kept").and_then(toml::Value::as_bool) == Some(true))
    }

    fn read_mark(&self) -> Option<toml::Table> {
        fs::read_to_string(self.folder.join(OWNER)).ok()?.parse().ok()
    }

    /// Removes it, trying for up to 1.4 s. Blocks.
    fn remove(self) -> Result<PathBuf, String> {
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

impl Leftovers {
    /// Looks at every profile folder in `base`, also those of other programs. Changes nothing. Blocks.
    fn find(base: &Path) -> io::Result<Self> {
        let mut found = Self::default();
        // `d` is what earlier versions called the folders of drivers
        found.look_in(base, &['w', 'd'])?;
        // temporary files of profiles whose paths are long, of any program of this user
        let mut temporary = Self::default();
        for place in paths::short_bases().iter().filter(|place| paths::is_own(place)) {
            temporary.look_in(place, &['t'])?;
        }
        found.orphans.extend(temporary.orphans);
        found.unclear.extend(temporary.unclear);
        Ok(found)
    }

    /// Sorts the folders in `base` whose names begin with one of `letters`.
    fn look_in(&mut self, base: &Path, letters: &[char]) -> io::Result<()> {
        let _lock = owned_dir::lock(base)?;
        for entry in fs::read_dir(base)? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() || !is_profile_name(&entry.file_name().to_string_lossy(), letters) {
                continue;
            }
            let folder = entry.path();
            let mark = match OpenOptions::new().write(true).open(folder.join(OWNER)) {
                Ok(mark) => FileLock::of(mark),
                // left by a removal that was killed at its last step
                Err(_) if fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_none()) => {
                    self.orphans.push(OrphanedProfile { folder, mark: None });
                    continue;
                }
                // without a mark it may belong to something else, whatever its name
                Err(why) => {
                    self.unclear.push(format!(
                        "{} is named like a profile folder but has no readable owner mark ({why}); unless it belongs to \
                         something else, remove it by hand: it may hold a login",
                        folder.display()
                    ));
                    continue;
                }
            };
            // a lock that can be taken has no owner
            match mark.try_lock() {
                Ok(()) => {
                    let orphan = OrphanedProfile { folder, mark: Some(mark) };
                    if orphan.is_kept() { &mut self.kept } else { &mut self.orphans }.push(orphan);
                }
                Err(TryLockError::WouldBlock) => self.in_use.push(folder),
                Err(TryLockError::Error(why)) => self.unclear.push(format!("{}: {why}", folder.display())),
            }
        }
        Ok(())
    }
}

/// Whether it is a name that `ProfileManager` gives: a letter (`w` for a worker, `t` for temporary files), a number,
/// `-`, six letters.
fn is_profile_name(name: &str, letters: &[char]) -> bool {
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
        ProfileManager::new(&PoolConfig::builder().base_profile_path(base).build().unwrap()).unwrap()
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
        let found = Leftovers::find(manager.base()).unwrap();
        assert_eq!((found.orphans.len(), found.in_use.len()), (2, 1));
        drop(found);
        let SweepReport { mut removed, left, .. } = manager.sweep().unwrap();
        removed.sort();
        assert_eq!(removed, [orphan.clone(), empty.clone()]);
        // it may belong to something else, and it may hold a login: reported and not touched
        assert!(left.len() == 1 && left[0].contains("w8-abcdef"), "{left:?}");
        assert!(in_use.path().is_dir() && unmarked.is_dir() && foreign.is_dir());
        assert!(!orphan.exists() && !empty.exists());
    }

    #[test]
    fn names_of_profile_folders_are_recognised() {
        let base = tempfile::tempdir().unwrap();
        let profile = manager(base.path()).create(WorkerId(13)).unwrap();
        let folder = profile.path().parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        assert!(is_profile_name(&folder, &['w', 'd']) && !is_profile_name(&folder, &['t']), "{folder}");
        for name in ["w-abcdef", "w1-abc", "x1-abcdef", "w1x-abcdef", "template-chromium-156", ".lock", "w1"] {
            assert!(!is_profile_name(name, &['w', 'd', 't']), "{name}");
        }
    }

    #[test]
    fn the_owner_is_read_from_the_mark_unless_the_machine_was_restarted() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("w7-abcdef");
        fs::create_dir(&folder).unwrap();
        let orphan = |text: String| {
            fs::write(folder.join(OWNER), text).unwrap();
            OrphanedProfile {
                folder: folder.clone(),
                mark: Some(FileLock::of(fs::File::open(folder.join(OWNER)).unwrap())),
            }
            .owner()
        };
        let boot = boot_id();
        assert_eq!(orphan(format!("pid = 7\nsince = 9\nboot = \"{boot}\"")), Some(OwnerInfo { pid: 7, since: 9 }));
        assert_eq!(orphan("pid = 7\nsince = 9\nboot = \"another\"".to_owned()), None);
        assert_eq!(orphan("pid = ".to_owned()), None);
    }

    #[test]
    fn cleanup_can_be_turned_off() {
        let base = tempfile::tempdir().unwrap();
        let mut config = PoolConfig::builder().base_profile_path(base.path()).build().unwrap().profiles;
        config.cleanup = false;
        let manager = ProfileManager::of(&config).unwrap();
        let profile = manager.create(WorkerId(1)).unwrap();
        let folder = profile.paths().folder;
        profile.wipe().unwrap();
        assert!(folder.is_dir());
        assert_eq!(manager.footprint(), (0, 0), "it is no longer measured");
        let report = manager.sweep().unwrap();
        assert_eq!(report, SweepReport { kept: vec![folder.clone()], ..SweepReport::default() });
        assert!(folder.is_dir());
    }
}
