//! Memory and processors: the host's, the container's, and what each process tree holds of them.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytesize::ByteSize;
use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessesToUpdate, System};

use super::pressure;
use crate::backend::MemoryReader;
use crate::host::cgroup;
use crate::model::{MemoryReading, WorkerId};

/// Reads memory and processors with the means of the operating system.
///
/// The processes of a browser share most of their pages, and the sum of what is resident in each would count them several
/// times over. So a process tree is counted
///
/// - on Linux by its proportional share (PSS), and where that may not be read by what is each process's own (`RssAnon`),
/// - on Windows by what each process has committed for itself alone (`PrivateUsage`), in memory or paged out,
/// - elsewhere by the sum of what is resident, for want of better: that is several times too much.
#[derive(Debug)]
pub struct HostMemory {
    // `None` on a system that sysinfo does not know: then everything reads as unknown
    system: Option<System>,
    budget: Option<u64>,
    has_cpu: bool,
}

impl Default for HostMemory {
    fn default() -> Self {
        Self::new()
    }
}

impl HostMemory {
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

impl MemoryReader for HostMemory {
    fn read(&mut self, roots: &[(WorkerId, u32)]) -> MemoryReading {
        let cpu = self.cpu();
        let Some(system) = &mut self.system else { return MemoryReading::default() };
        let (mut total_bytes, mut available_bytes) = read_host(system);
        let what = ProcessRefreshKind::nothing().with_memory().without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, what);
        let children = children(system);
        let trees = roots.iter().map(|(worker, root)| (*worker, Pid::from_u32(*root)));
        let there = trees.filter(|(_, root)| system.process(*root).is_some());
        let mut bytes = TreeMemory { system, children: &children, read: HashMap::new() };
        let workers: BTreeMap<_, _> = there.map(|(worker, root)| (worker, bytes.of_tree(root))).collect();
        let own = sysinfo::get_current_pid().ok();
        let own_bytes = own.map_or(0, |pid| bytes.of_one(pid));
        if let Some(budget) = self.budget.filter(|budget| *budget < total_bytes) {
            // with drivers that are shared and browsers that are closing, which are no worker's
            let held = own.map_or(0, |pid| bytes.of_tree(pid));
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

/// Total and available memory: the machine's, or what a container around this program has and has left, if that is less.
pub(crate) fn read_host(system: &mut System) -> (u64, u64) {
    system.refresh_memory();
    let (total, available) = (system.total_memory(), system.available_memory());
    match cgroup::tightest(total) {
        Some(limit) => (limit.total, available.min(limit.left)),
        None => (total, available),
    }
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

/// What processes hold. Each is read once: that is what costs most of a reading.
struct TreeMemory<'a> {
    system: &'a System,
    children: &'a HashMap<Pid, Vec<Pid>>,
    read: HashMap<Pid, u64>,
}

impl TreeMemory<'_> {
    fn of_tree(&mut self, root: Pid) -> u64 {
        tree(self.children, root).into_iter().map(|pid| self.of_one(pid)).sum()
    }

    fn of_one(&mut self, pid: Pid) -> u64 {
        let fresh = || own_share(pid.as_u32()).unwrap_or_else(|| self.system.process(pid).map_or(0, private_bytes));
        *self.read.entry(pid).or_insert_with(fresh)
    }
}

/// What sysinfo knows that comes closest to a process's own memory.
fn private_bytes(process: &Process) -> u64 {
    // sysinfo puts `PrivateUsage` there on Windows, and the whole address space elsewhere
    if cfg!(windows) { process.virtual_memory() } else { process.memory() }
}

/// `Pss` of `/proc/PID/smaps_rollup`, or else `RssAnon` of `/proc/PID/status`, in bytes.
#[cfg(target_os = "linux")]
fn own_share(pid: u32) -> Option<u64> {
    let line = |file: &str, name: &str| {
        std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok().and_then(|text| parse_line(&text, name))
    };
    line("smaps_rollup", "Pss:").or_else(|| line("status", "RssAnon:"))
}

#[cfg(not(target_os = "linux"))]
fn own_share(_pid: u32) -> Option<u64> {
    None
}

#[cfg(any(target_os = "linux", test))]
fn parse_line(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_has_memory_and_the_own_process_uses_some() {
        let me = WorkerId(1);
        let reading = HostMemory::new().read(&[(me, std::process::id())]);
        assert!(reading.total_bytes > 0 && reading.available_bytes > 0);
        assert!(reading.available_bytes <= reading.total_bytes);
        assert!(reading.workers[&me] > 100_000, "{reading:?}");
        assert!(reading.workers[&me] < reading.total_bytes);
    }

    #[test]
    fn a_process_that_is_gone_is_left_out() {
        let reading = HostMemory::new().read(&[(WorkerId(1), u32::MAX - 7)]);
        assert!(reading.workers.is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn children_count_towards_their_root() {
        let mut gauge = HostMemory::new();
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let reading = gauge.read(&[(WorkerId(1), std::process::id()), (WorkerId(2), child.id())]);
        drop(child.stdin.take()); // end of input ends it
        child.wait().unwrap();
        assert!(reading.workers[&WorkerId(1)] > reading.workers[&WorkerId(2)], "{reading:?}");
    }

    #[test]
    fn the_share_is_read_from_the_rollup_and_what_is_its_own_from_the_status() {
        let rollup = "559e-7fff ---p 0 00:00 0 [rollup]\nRss:  900 kB\nPss:  123 kB\nPss_Anon: 5 kB\n";
        assert_eq!(parse_line(rollup, "Pss:"), Some(123 * 1024));
        assert_eq!(parse_line("Rss: 1 kB", "Pss:"), None);
        assert_eq!(parse_line("VmRSS:\t  90 kB\nRssAnon:\t   12 kB\n", "RssAnon:"), Some(12 * 1024));
    }

    #[test]
    fn a_budget_is_all_there_is() {
        let me = (WorkerId(1), std::process::id());
        let mut gauge = HostMemory::new().within(Some(ByteSize::gb(1)));
        let reading = gauge.read(&[me]);
        assert_eq!(reading.total_bytes, 1_000_000_000);
        // the worker's tree is the program's here, and counted once
        let held = reading.workers[&me.0];
        assert!(held >= reading.own_bytes && reading.available_bytes <= 1_000_000_000 - held, "{reading:?}");
        let plain = HostMemory::new().within(Some(ByteSize::pb(1))).read(&[]);
        assert!(plain.total_bytes < ByteSize::pb(1).as_u64());
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_workers_counts_towards_the_budget() {
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let mut gauge = HostMemory::new().within(Some(ByteSize::gb(1)));
        let childs = gauge.read(&[(WorkerId(1), child.id())]).workers[&WorkerId(1)];
        let reading = gauge.read(&[]);
        drop(child.stdin.take()); // end of input ends it
        child.wait().unwrap();
        // its share is less when other tests run the same program
        let held = reading.own_bytes + childs / 4;
        assert!(childs > 50_000 && reading.available_bytes <= 1_000_000_000 - held, "{childs} {reading:?}");
    }

    #[test]
    fn the_program_and_the_processors_are_read_too() {
        let mut gauge = HostMemory::new();
        let first = gauge.read(&[]);
        assert!(first.own_bytes > 100_000 && first.cpu.is_none());
        if cfg!(target_os = "linux") {
            assert!(first.descriptor_count.is_some_and(|count| count > 2));
        }
        assert!(gauge.read(&[]).cpu.is_some_and(|share| (0.0..=1.01).contains(&share)));
    }
}
