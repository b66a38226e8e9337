//! The host: its memory, the memory of each browser's process tree, and the room on a disk.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sysinfo::{Disks, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::model::{MemoryReading, WorkerId};
use crate::ports::MemoryGauge;

mod remnants;

pub use remnants::{Remnant, end_processes, has_run_since, processes_on};

/// Reads memory with the means of the operating system.
///
/// A process tree is counted by its proportional share (PSS) on Linux: the processes of a browser share most of their
/// pages, and the sum of what is resident in each would count them several times over. Elsewhere, and where the share
/// may not be read, it is the sum of what is resident.
#[derive(Debug)]
pub struct SystemGauge {
    // `None` on a system that sysinfo does not know: then everything reads as unknown
    system: Option<System>,
}

impl Default for SystemGauge {
    fn default() -> Self {
        Self::new()
    }
}

impl SystemGauge {
    /// Ready to read.
    #[must_use]
    pub fn new() -> Self {
        Self { system: System::new().ok() }
    }
}

impl MemoryGauge for SystemGauge {
    fn read(&mut self, roots: &[(WorkerId, u32)]) -> MemoryReading {
        let Some(system) = &mut self.system else { return MemoryReading::default() };
        let (total_bytes, available_bytes) = read_host(system);
        let mut workers = BTreeMap::new();
        if !roots.is_empty() {
            let what = ProcessRefreshKind::nothing().with_memory().without_tasks();
            system.refresh_processes_specifics(ProcessesToUpdate::All, true, what);
            let children = children(system);
            for (worker, root) in roots {
                let root = Pid::from_u32(*root);
                if system.process(root).is_some() {
                    workers.insert(*worker, tree_bytes(system, &children, root));
                }
            }
        }
        MemoryReading { total_bytes, available_bytes, workers }
    }
}

/// Total and available memory: the machine's, or the container's where that is less.
fn read_host(system: &mut System) -> (u64, u64) {
    system.refresh_memory();
    let (total, available) = (system.total_memory(), system.available_memory());
    match container_limit(system) {
        // pages of the file cache count as used in a container, but give way: only what programs hold is lost
        Some(limit) if limit.total_memory > 0 && limit.total_memory < total => {
            (limit.total_memory, available.min(limit.total_memory.saturating_sub(limit.rss)))
        }
        _ => (total, available),
    }
}

/// The tighter one of this process's limit and the system's; there may be both, a service in a container.
fn container_limit(system: &mut System) -> Option<sysinfo::CGroupLimits> {
    let own = sysinfo::get_current_pid().ok().and_then(|pid| {
        let what = ProcessRefreshKind::nothing().without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, what);
        system.process(pid)?.cgroup_limits()
    });
    own.into_iter().chain(system.cgroup_limits()).min_by_key(|limit| limit.total_memory)
}

fn children(system: &System) -> HashMap<Pid, Vec<Pid>> {
    let mut children: HashMap<Pid, Vec<Pid>> = HashMap::new();
    for (pid, process) in system.processes() {
        if let Some(parent) = process.parent() {
            children.entry(parent).or_default().push(*pid);
        }
    }
    children
}

fn tree_bytes(system: &System, children: &HashMap<Pid, Vec<Pid>>, root: Pid) -> u64 {
    let mut bytes = 0;
    let mut waiting = vec![root];
    // a pid that is used again while the list is read could close a circle: nobody is counted twice
    let mut seen = HashSet::from([root]);
    while let Some(pid) = waiting.pop() {
        bytes += process_bytes(system, pid);
        waiting.extend(children.get(&pid).into_iter().flatten().filter(|child| seen.insert(**child)));
    }
    bytes
}

fn process_bytes(system: &System, pid: Pid) -> u64 {
    proportional_share(pid.as_u32()).unwrap_or_else(|| system.process(pid).map_or(0, sysinfo::Process::memory))
}

/// `Pss` of `/proc/PID/smaps_rollup` in bytes.
#[cfg(target_os = "linux")]
fn proportional_share(pid: u32) -> Option<u64> {
    parse_share(&std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?)
}

#[cfg(not(target_os = "linux"))]
fn proportional_share(_pid: u32) -> Option<u64> {
    None
}

#[cfg(any(target_os = "linux", test))]
fn parse_share(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Bytes that may still be written where `path` is or would be. `None` when that cannot be found out.
///
/// May block while a network drive is asked.
#[must_use]
pub fn disk_free(path: &Path) -> Option<u64> {
    let path = plain(existing(path)?);
    let disks = Disks::new_with_refreshed_list().ok()?;
    (&disks)
        .into_iter()
        .filter(|disk| path.starts_with(disk.mount_point()))
        .max_by_key(|disk| disk.mount_point().components().count())
        .map(sysinfo::Disk::available_space)
}

/// The nearest folder on the way to `path` that is there, without links in its name.
fn existing(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    path.ancestors().find_map(|part| part.canonicalize().ok())
}

/// Without the mark of Windows' long paths, which no mount point carries.
fn plain(path: PathBuf) -> PathBuf {
    match path.to_str().and_then(|text| text.strip_prefix(r"\\?\")) {
        Some(text) if cfg!(windows) => PathBuf::from(text),
        _ => path,
    }
}

/// What `doctor` says about the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Host {
    /// The operating system with its version.
    pub system: String,
    /// The processor's kind, such as `x86_64`.
    pub architecture: String,
    /// How many threads run at once.
    pub processor_count: usize,
    /// Memory in bytes, or the container's limit if that is less.
    pub total_bytes: u64,
    /// Memory that is free to be used.
    pub available_bytes: u64,
    /// Whether a container's limit is what counts.
    pub is_limited: bool,
}

/// Facts about this machine; never fails, what is unknown is 0 or "unknown".
#[must_use]
pub fn host() -> Host {
    let (total_bytes, available_bytes, installed) = System::new().map_or((0, 0, 0), |mut system| {
        let (total, available) = read_host(&mut system);
        (total, available, system.total_memory())
    });
    Host {
        system: System::long_os_version().unwrap_or_else(|_| std::env::consts::OS.to_owned()),
        architecture: std::env::consts::ARCH.to_owned(),
        processor_count: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        total_bytes,
        available_bytes,
        is_limited: total_bytes < installed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_has_memory_and_the_own_process_uses_some() {
        let me = WorkerId(1);
        let reading = SystemGauge::new().read(&[(me, std::process::id())]);
        assert!(reading.total_bytes > 0 && reading.available_bytes > 0);
        assert!(reading.available_bytes <= reading.total_bytes);
        assert!(reading.workers[&me] > 100_000, "{reading:?}");
        assert!(reading.workers[&me] < reading.total_bytes);
    }

    #[test]
    fn a_process_that_is_gone_is_left_out() {
        let reading = SystemGauge::new().read(&[(WorkerId(1), u32::MAX - 7)]);
        assert!(reading.workers.is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn children_count_towards_their_root() {
        let mut gauge = SystemGauge::new();
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let reading = gauge.read(&[(WorkerId(1), std::process::id()), (WorkerId(2), child.id())]);
        drop(child.stdin.take()); // end of input ends it
        child.wait().unwrap();
        assert!(reading.workers[&WorkerId(1)] > reading.workers[&WorkerId(2)], "{reading:?}");
    }

    #[test]
    fn the_share_is_read_from_the_rollup() {
        let rollup = "559e-7fff ---p 0 00:00 0 [rollup]\nRss:  900 kB\nPss:  123 kB\nPss_Anon: 5 kB\n";
        assert_eq!(parse_share(rollup), Some(123 * 1024));
        assert_eq!(parse_share("Rss: 1 kB"), None);
    }

    #[test]
    fn a_folder_that_is_not_yet_there_has_its_disk() {
        let here = std::env::temp_dir().join("not/yet/there");
        assert_eq!(existing(&here).map(plain), existing(&std::env::temp_dir()).map(plain));
        assert!(disk_free(&here).is_none_or(|bytes| bytes > 0));
    }

    #[test]
    fn facts_about_the_host_are_there() {
        let host = host();
        assert!(host.processor_count > 0 && host.total_bytes > 0 && !host.system.is_empty());
    }
}
