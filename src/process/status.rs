//! What a process pool reports: its services and processes now, and what was left when it closed.

use std::time::Duration;

use serde::Serialize;

/// All services of a pool, in the order in which they were added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProcessPoolStatus {
    /// One for each service.
    pub services: Vec<ServiceStatus>,
}

impl ProcessPoolStatus {
    /// The service of this name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&ServiceStatus> {
        self.services.iter().find(|service| service.name == name)
    }
}

/// A service at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// How many processes it has without demand; `scale` changes it.
    pub min_processes: usize,
    /// How many it may have.
    pub max_processes: usize,
    /// Its processes, the oldest first.
    pub instances: Vec<InstanceStatus>,
    /// Leases that are out.
    pub leased: usize,
    /// How many wait for a lease.
    pub waiting: usize,
    /// Whether leases are given after failures.
    pub circuit: CircuitState,
    /// Failures in a row.
    pub failures: u32,
    /// How many processes were started in place of failed ones.
    pub restarts: u64,
    /// The last failure, in words.
    pub last_failure: Option<String>,
    /// Exit status of the process that ended last, such as `exit status: 1`.
    pub last_exit: Option<String>,
    /// How long ago the service was added.
    pub uptime: Duration,
}

impl ServiceStatus {
    /// Its healthy processes, for a load balancer in front of them.
    pub fn healthy(&self) -> impl Iterator<Item = &InstanceStatus> {
        self.instances.iter().filter(|instance| instance.state == InstanceState::Healthy)
    }
}

/// Whether a service that failed too often in a row is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CircuitState {
    /// It works, or has not failed too often.
    Closed,
    /// Leases are refused for this time.
    Open {
        /// Until the next try.
        retry_in: Duration,
    },
    /// One process is being tried.
    HalfOpen,
}

/// A process of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InstanceStatus {
    /// Its number, counted from 1; its output is logged under `SERVICE#NUMBER`.
    pub number: u64,
    /// Where it stands.
    pub state: InstanceState,
    /// Its command line; none before it was started.
    pub command: Option<String>,
    /// The process id of the head of its group.
    pub pid: Option<u32>,
    /// The port that it was given.
    pub port: Option<u16>,
    /// How many processes its group has; none where the system does not tell.
    pub process_count: Option<usize>,
    /// Resident memory of its group; pages that its processes share count for each. None where the system does not tell.
    pub memory_bytes: Option<u64>,
    /// How long its last successful health check took.
    pub health_latency: Option<Duration>,
    /// How many health checks were made after it was started.
    pub checks: u64,
    /// How many of them failed.
    pub failed_checks: u64,
    /// Leases that are out.
    pub leases: u32,
    /// Leases so far.
    pub served: u32,
    /// How long it has run.
    pub uptime: Duration,
}

/// Where a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InstanceState {
    /// Its first health check has not succeeded yet.
    Starting,
    /// It gets leases.
    Healthy,
    /// Its last health check failed: it gets no new leases.
    Unhealthy,
    /// It gets no new leases and ends with its last one.
    Retiring,
    /// It was told to end.
    Stopping,
}

/// How a pool was closed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProcessPoolReport {
    /// How many processes ended when they were asked to.
    pub ended: usize,
    /// How many had to be killed.
    pub killed: usize,
    /// A sentence about each process that is still there; empty if nothing was left behind.
    pub leftovers: Vec<String>,
}
