//! What the table of processes is made of.

use std::time::Duration;

use crate::process::service::RestartPolicy;

/// One process of the service. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct InstanceId(pub(crate) u64);

/// One who waits for a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WaiterId(pub(crate) u64);

/// What limits the service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlotRules {
    /// Processes at most, those that are ending included.
    pub(crate) max: usize,
    /// Leases of one process at a time.
    pub(crate) leases_per_process: u32,
    /// Leases after which a process is replaced.
    pub(crate) max_leases: Option<u32>,
    /// How long a process beyond the minimum may be idle.
    pub(crate) idle_timeout: Duration,
    pub(crate) restart: RestartPolicy,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Start this process.
    Start(InstanceId),
    /// End this process.
    Stop(InstanceId, StopCause),
    /// Give a lease of the process.
    Grant(WaiterId, InstanceId),
    /// The service has failed, or the table is closed.
    Refuse(WaiterId),
}

/// Why a process is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopCause {
    /// It has served its number of leases.
    Recycled,
    /// There are more than are wanted.
    ScaledDown,
    /// It does not do its work.
    Broken,
    /// The service ends.
    Closed,
}

/// Where a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Starting,
    Healthy,
    /// A health check failed: no new leases until one succeeds.
    Suspect,
    /// It gets no new leases and ends with its last one.
    Retiring(StopCause),
    /// It was told to end.
    Stopping(StopCause),
}

/// One process, or its place.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) phase: Phase,
    /// Leases now.
    pub(crate) leases: u32,
    /// Leases so far.
    pub(crate) served: u32,
    /// When it became healthy.
    pub(super) healthy_since: Option<Duration>,
    /// Since when it has had no lease.
    pub(super) idle_since: Duration,
}

impl Slot {
    /// Whether it counts as one of those that are wanted.
    pub(super) fn is_active(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Healthy | Phase::Suspect)
    }
}

/// Whether leases are given after failures in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Circuit {
    Closed,
    /// Refused until then.
    Open(Duration),
    /// One process is tried.
    HalfOpen,
}
