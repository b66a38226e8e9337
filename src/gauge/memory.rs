//! Memory and processors: the host's, the container's, and what each process tree holds of them.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytesize::ByteSize;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::pressure;
use crate::model::{MemoryReading, WorkerId};
use crate::ports::MemoryGauge;

/// Reads memory and processors with the means of the operating system.
///
/// A process tree is counted by its proportional share (PSS) on Linux: the processes of a browser share most of their
/// pages, and the sum of what is resident in each would count them several times over. Elsewhere, and where the share
/// may not be read, it is the sum of what is resident.
#[derive(Debug)]
pub struct SystemGauge {
    // `None` on a system that sysinfo does not know: then everything reads as unknown
    system: Option<System>,
    budget: Option<u64>,
    has_cpu: bool,
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
        Self { system: System::new().ok(), budget: None, has_cpu: false }
    }

    /// Reads as if the machine had no more memory for the program and its browsers than `budget`.
    #[must_use]
    pub fn within(self, budget: Option<ByteSize>) -> Self {
        Self { budget: budget.map(|size| size.as_u64()), ..self }
    }

    /// The share of the processors in use since the last call, which the first one does not know.
    fn cpu(&mut self) -> Option<f64> {
        let system = self.system.as_mut()?;
        system.refresh_cpu_usage();
        std::mem::replace(&mut self.has_cpu, true).then(|| f64::from(system.global_cpu_usage()) / 100.0)
    }
}

impl MemoryGauge for SystemGauge {
    fn read(&mut self, roots: &[(WorkerId, u32)]) -> MemoryReading {
        let cpu = self.cpu();
        let Some(system) = &mut self.system else { return MemoryReading::default() };
        let (mut total_bytes, mut available_bytes) = read_host(system);
        let what = ProcessRefreshKind::nothing().with_memory().without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, what);
        let children = children(system);
        let trees = roots.iter().map(|(worker, root)| (*worker, Pid::from_u32(*root)));
        let there = trees.filter(|(_, root)| system.process(*root).is_some());
        let workers: BTreeMap<_, _> =
            there.map(|(worker, root)| (worker, tree_bytes(system, &children, root))).collect();
        let own = sysinfo::get_current_pid().ok();
        let own_bytes = own.map_or(0, |pid| process_bytes(system, pid));
        if let Some(budget) = self.budget.filter(|budget| *budget < total_bytes) {
            let held = workers.values().sum::<u64>() + own_bytes;
            (total_bytes, available_bytes) = (budget, available_bytes.min(budget.saturating_sub(held)));
        }
        let (some_stalled, all_stalled) = pressure::read();
        MemoryReading {
            total_bytes,
            available_bytes,
            workers,
            own_bytes,
            some_stalled,
            all_stalled,
            cpu,
            descriptor_count: own.and_then(|pid| system.process(pid)?.open_files()),
            // itself is in the tree
            process_count: own.map_or(0, |pid| tree(&children, pid).len() - 1),
        }
    }
}

/// Total and available memory: the machine's, or the container's where that is less.
pub(super) fn read_host(system: &mut System) -> (u64, u64) {
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

/// A process with all that it started and they started.
fn tree(children: &HashMap<Pid, Vec<Pid>>, root: Pid) -> Vec<Pid> {
    let mut found = vec![root];
    // a pid that is used again while the list is read could close a circle: nobody is counted twice
    let mut seen = HashSet::from([root]);
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        let below = children.get(pid).into_iter().flatten().copied().filter(|child| seen.insert(*child));
        let below: Vec<_> = below.collect();
        found.extend(below);
        next += 1;
    }
    found
}

fn tree_bytes(system: &System, children: &HashMap<Pid, Vec<Pid>>, root: Pid) -> u64 {
    tree(children, root).into_iter().map(|pid| process_bytes(system, pid)).sum()
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
    fn a_budget_is_all_there_is() {
        let me = (WorkerId(1), std::process::id());
        let mut gauge = SystemGauge::new().within(Some(ByteSize::gb(1)));
        let reading = gauge.read(&[me]);
        assert_eq!(reading.total_bytes, 1_000_000_000);
        // counted as a worker and as the program itself
        let held = reading.workers[&me.0] + reading.own_bytes;
        assert!(reading.available_bytes <= 1_000_000_000 - held, "{reading:?}");
        let plain = SystemGauge::new().within(Some(ByteSize::pb(1))).read(&[]);
        assert!(plain.total_bytes < ByteSize::pb(1).as_u64());
    }

    #[test]
    fn the_program_and_the_processors_are_read_too() {
        let mut gauge = SystemGauge::new();
        let first = gauge.read(&[]);
        assert!(first.own_bytes > 100_000 && first.cpu.is_none());
        if cfg!(target_os = "linux") {
            assert!(first.descriptor_count.is_some_and(|count| count > 2));
        }
        assert!(gauge.read(&[]).cpu.is_some_and(|share| (0.0..=1.01).contains(&share)));
    }
}
