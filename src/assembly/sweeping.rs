//! Ending what a program that is gone has left: its folders, and the processes that still run on them.

use std::io;
use std::path::PathBuf;

use crate::browser::{OrphanedProfile, ProfileManager};
use crate::process::os::orphans::{OrphanedProcess, end_processes, has_run_since, processes_on};

/// What a sweep is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Whether it only looks; default false.
    pub is_dry: bool,
    /// Whether templates that were warmed up go as well; default false.
    pub with_templates: bool,
    /// Whether profile folders go as well that settings have asked to be kept (`profile_cleanup = false`); default false.
    pub with_kept: bool,
}

/// What a sweep did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Folders that were removed.
    pub removed: Vec<PathBuf>,
    /// Processes that were ended.
    pub ended: Vec<OrphanedProcess>,
    /// Folders without an owner that stay because settings have asked for that.
    pub kept: Vec<PathBuf>,
    /// Folders whose owner lives: this program or another one.
    pub in_use: Vec<PathBuf>,
    /// What could not be ended or removed, each as a sentence for a person.
    pub left: Vec<String>,
}

/// Ends what programs that are gone have left in the folder of these profiles: first the processes that run on a folder
/// without an owner, then the folder, unless it is to be kept. What a running program owns is not touched, and neither is
/// any other process.
///
/// Blocks, for seconds when something does not go.
///
/// # Errors
/// When the folder cannot be read or locked.
pub fn sweep(profiles: &ProfileManager, how: Sweep) -> io::Result<SweepReport> {
    let found = profiles.leftovers()?;
    let mut report = SweepReport { in_use: found.in_use, left: found.unclear, ..SweepReport::default() };
    let still_runs = |orphan: &OrphanedProfile| orphan.owner().filter(|owner| has_run_since(owner.pid, owner.since));
    // one that is kept is let go of when its session ends, long before its program does
    let (at_rest, in_work): (Vec<_>, Vec<_>) = found.kept.into_iter().partition(|kept| still_runs(kept).is_none());
    report.kept.extend(in_work.iter().map(|kept| kept.folder().to_owned()));
    let (mut orphans, kept) = if how.with_kept { (at_rest, Vec::new()) } else { (Vec::new(), at_rest) };
    report.kept.extend(kept.iter().map(|kept| kept.folder().to_owned()));
    for orphan in found.orphans {
        // the lock says that it is gone; should its process live all the same, nothing of it is ended
        match still_runs(&orphan) {
            Some(owner) => report.left.push(format!(
                "{} has no owner any more, but process {}, which had it, still runs: end that first",
                orphan.folder().display(),
                owner.pid
            )),
            None => orphans.push(orphan),
        }
    }
    let folders: Vec<_> = orphans.iter().chain(&kept).map(|orphan| orphan.folder().to_owned()).collect();
    if !folders.is_empty() {
        report.ended = processes_on(&folders);
    }
    if how.is_dry {
        report.removed = orphans.iter().map(|orphan| orphan.folder().to_owned()).collect();
        if how.with_templates {
            report.removed.extend(profiles.warmed_templates());
        }
        return Ok(report);
    }
    if !report.ended.is_empty()
        && let Err(left) = end_processes(&report.ended)
    {
        report.left.push(left);
        let still = processes_on(&folders);
        report.ended.retain(|ended| !still.contains(ended));
        // a browser that lives on would write into its folder again
        orphans.retain(|orphan| !still.iter().any(|remnant| remnant.folder == orphan.folder()));
    }
    for removed in orphans.into_iter().map(OrphanedProfile::remove) {
        match removed {
            Ok(folder) => report.removed.push(folder),
            Err(left) => report.left.push(left),
        }
    }
    if how.with_templates {
        let templates = profiles.remove_warmed_templates();
        report.removed.extend(templates.removed);
        report.left.extend(templates.left);
    }
    Ok(report)
}
