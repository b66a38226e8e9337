//! Memory of processes.

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Resident memory of these processes in bytes; pages that they share count for each. None where the system does not tell.
pub(crate) fn resident_bytes(pids: &[u32]) -> Option<u64> {
    let mut system = System::new().ok()?;
    let pids: Vec<_> = pids.iter().map(|pid| Pid::from_u32(*pid)).collect();
    let what = ProcessRefreshKind::nothing().with_memory().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, what);
    let bytes = pids.iter().filter_map(|pid| system.process(*pid)).map(|process| process.memory()).sum();
    Some(bytes).filter(|bytes| *bytes > 0)
}
