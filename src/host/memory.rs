//! Memory and processor use: of the host, the container and each process tree.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytesize::ByteSize;
use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessesToUpdate, System};

use super::cgroup;
use crate::backend::MemoryReader;
use crate::model::{MemoryReading, WorkerId};

/// Reads the use of memory and processors from the operating system.
///
/// The processes of a browser share most of their pages, so the sum of their resident sizes would count these several
/// times. A process tree is measured
///
/// - on Linux by its proportional set size (PSS), or by `RssAnon` where PSS is not readable,
/// - on Windows by its private committed memory (`PrivateUsage`), in memory or paged out,
/// - elsewhere by the sum of resident sizes, which is several times too much.
#[derive(Debug)]
pub struct HostMemory {
    // `None` on a system that sysinfo does not support: then every reading is unknown
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
    /// A reader without a budget.
    #[must_use]
    pub fn new() -> Self {
        Self { system: System::new().ok(), budget: None, has_cpu: false }
    }

    /// Limits the memory that the program and its browsers may use together to `budget`, if there is one.
    #[must_use]
    pub fn within(self, budget: Option<ByteSize>) -> Self {
        Self { budget: budget.map(|size| size.as_u64()), ..self }
    }

    /// Share of the processors in use since the last call; `None` on the first call.
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
            // includes browsers that are closing, which belong to no worker any more
            let held = own.map_or(0, |pid| bytes.of_tree(pid));
            (total_bytes, available_bytes) = (budget, available_bytes.min(budget.saturating_sub(held)));
        }
        let (some_stalled, all_stalled) = cgroup::pressure();
        MemoryReading {
            total_bytes,
            available_bytes,
            workers,
            own_bytes,
            some_stalled,
            all_stalled,
            cpu,
            descriptor_count: own.and_then(|pid| system.process(pid)?.open_files()),
            // without this program itself
            process_count: own.map_or(0, |pid| tree(&children, pid).len() - 1),
        }
    }
}

/// Total and available memory of the machine, or of the container if that is less.
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

/// The process `root` and all its descendants.
fn tree(children: &HashMap<Pid, Vec<Pid>>, root: Pid) -> Vec<Pid> {
    let mut found = vec![root];
    // a process id that was reused while the list was read could form a cycle
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

/// Memory of processes. Each process is read once, which is the expensive part of a reading.
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

/// sysinfo's best approximation of a process's own memory.
fn private_bytes(process: &Process) -> u64 {
    // on Windows `virtual_memory` is `PrivateUsage`; elsewhere it is the whole address space
    if cfg!(windows) { process.virtual_memory() } else { process.memory() }
}

/// `Pss` from `/proc/PID/smaps_rollup`, or `RssAnon` from `/proc/PID/status`, in bytes.
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
    fn a_process_that_has_ended_is_left_out() {
        let reading = HostMemory::new().read(&[(WorkerId(1), u32::MAX - 7)]);
        assert!(reading.workers.is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn children_count_towards_their_root() {
        let mut reader = HostMemory::new();
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let reading = reader.read(&[(WorkerId(1), std::process::id()), (WorkerId(2), child.id())]);
        drop(child.stdin.take()); // end of input ends it
        child.wait().unwrap();
        assert!(reading.workers[&WorkerId(1)] > reading.workers[&WorkerId(2)], "{reading:?}");
    }

    #[test]
    fn pss_is_read_from_the_rollup_and_rss_anon_from_the_status() {
        let rollup = "559e-7fff ---p 0 00:00 0 [rollup]\nRss:  900 kB\nPss:  123 kB\nPss_Anon: 5 kB\n";
        assert_eq!(parse_line(rollup, "Pss:"), Some(123 * 1024));
        assert_eq!(parse_line("Rss: 1 kB", "Pss:"), None);
        assert_eq!(parse_line("VmRSS:\t  90 kB\nRssAnon:\t   12 kB\n", "RssAnon:"), Some(12 * 1024));
    }

    #[test]
    fn a_budget_limits_total_and_available_memory() {
        let me = (WorkerId(1), std::process::id());
        let mut reader = HostMemory::new().within(Some(ByteSize::gb(1)));
        let reading = reader.read(&[me]);
        assert_eq!(reading.total_bytes, 1_000_000_000);
        // here the worker's tree is the program's, which is counted once
        let held = reading.workers[&me.0];
        assert!(held >= reading.own_bytes && reading.available_bytes <= 1_000_000_000 - held, "{reading:?}");
        let plain = HostMemory::new().within(Some(ByteSize::pb(1))).read(&[]);
        assert!(plain.total_bytes < ByteSize::pb(1).as_u64());
    }

    #[cfg(unix)]
    #[test]
    fn processes_of_no_worker_count_towards_the_budget() {
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let mut reader = HostMemory::new().within(Some(ByteSize::gb(1)));
        let childs = reader.read(&[(WorkerId(1), child.id())]).workers[&WorkerId(1)];
        let reading = reader.read(&[]);
        drop(child.stdin.take()); // end of input ends it
        child.wait().unwrap();
        // its share is less when other tests run the same program
        let held = reading.own_bytes + childs / 4;
        assert!(childs > 50_000 && reading.available_bytes <= 1_000_000_000 - held, "{childs} {reading:?}");
    }

    #[test]
    fn the_program_and_the_processors_are_read_too() {
        let mut reader = HostMemory::new();
        let first = reader.read(&[]);
        assert!(first.own_bytes > 100_000 && first.cpu.is_none());
        if cfg!(target_os = "linux") {
            assert!(first.descriptor_count.is_some_and(|count| count > 2));
        }
        assert!(reader.read(&[]).cpu.is_some_and(|share| (0.0..=1.01).contains(&share)));
    }
}
