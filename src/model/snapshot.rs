//! What a pool looks like from outside at one moment.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{PoNumber, WorkerId};

/// How far the pool has come. Stages only climb.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Takes and starts tasks.
    #[default]
    Running,
    /// Starts none; running ones may finish.
    Draining,
    /// Running ones are being cancelled.
    Aborting,
    /// All is over.
    Closed,
}

/// Whether new attempts may start while the pool is running.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Gate {
    /// They may.
    #[default]
    Open,
    /// Paused by the caller.
    Paused,
    /// The site is down, throttles or wants a login; asked again with one attempt when the time is over.
    Closed {
        /// Why, for a person.
        reason: String,
        /// Whether it opens only when a person does something, such as logging in.
        #[serde(default)]
        wants_person: bool,
    },
}

/// What one worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// Its browser is being started.
    Starting,
    /// Waits for a task.
    Idle,
    /// Has a task.
    Busy,
    /// Its browser is being closed.
    Closing,
    /// Could not be started as often as allowed; the pool goes on without it.
    Failed,
}

impl WorkerState {
    /// The word shown to people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Closing => "closing",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for WorkerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One line per worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerView {
    /// What it is doing.
    pub status: WorkerState,
    /// The order in work.
    pub po: Option<PoNumber>,
    /// The process at the root of its session's tree, if it runs on this machine.
    pub pid: Option<u32>,
    /// Attempts ended by this worker, well or not.
    pub attempt_count: u64,
    /// How often its session was replaced.
    pub restart_count: u32,
    /// Memory of its process tree in bytes, when last measured.
    pub memory_bytes: Option<u64>,
    /// The last thing that went wrong with its session.
    pub last_error: Option<String>,
}

/// Tasks counted by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// All that were accepted.
    pub admitted: u64,
    /// Waiting for a worker, or for their next try.
    pub pending: u64,
    /// In work.
    pub running: u64,
    /// Ended as COMPLETED.
    pub completed: u64,
    /// Ended as NO_ATTACHMENTS.
    pub no_attachments: u64,
    /// Ended as PARTIAL.
    pub partial: u64,
    /// Ended as PO_NOT_FOUND.
    pub not_found: u64,
    /// Ended as FAILED or PR_NOT_ACCESSIBLE.
    pub failed: u64,
    /// Ended as SKIPPED.
    pub skipped: u64,
    /// Files in the folders of settled orders.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Totals {
    /// How many have their outcome.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.completed + self.no_attachments + self.partial + self.not_found + self.failed + self.skipped
    }

    /// Whether nothing waits and nothing runs.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.pending == 0 && self.running == 0
    }
}

/// Memory of the host and of each worker, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MemoryReading {
    /// Installed, or the limit of the container if that is less.
    pub total_bytes: u64,
    /// Free to be used without swapping.
    pub available_bytes: u64,
    /// The process tree of each worker.
    pub workers: BTreeMap<WorkerId, u64>,
}

impl MemoryReading {
    /// The share in use, 0 to 1; 0 when nothing is known.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits")]
    pub fn usage(&self) -> f64 {
        if self.total_bytes == 0 {
            return 0.0;
        }
        1.0 - self.available_bytes.min(self.total_bytes) as f64 / self.total_bytes as f64
    }
}

/// What stands on this machine for the sessions of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footprint {
    /// The driver processes.
    pub drivers: Vec<DriverView>,
    /// Profile folders of this pool that are on the disk.
    pub profile_count: usize,
    /// The size of the largest of them in bytes.
    pub largest_profile_bytes: u64,
}

/// One driver process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverView {
    /// Its number, from 1; kept by its successor when it is restarted.
    pub number: u16,
    /// Its process id while it runs.
    pub pid: Option<u32>,
    /// Where it listens on the loopback interface.
    pub port: Option<u16>,
    /// Sessions that it carries.
    pub session_count: usize,
    /// Whether its last health check was answered in time.
    pub is_healthy: bool,
    /// How long it took to answer its last health check, in microseconds.
    pub health_micros: Option<u64>,
    /// How often it was started again.
    pub restart_count: u32,
    /// Seconds since its last start.
    pub uptime_seconds: u64,
    /// How its predecessor ended, such as `exit status: 0`.
    pub last_exit: Option<String>,
}

/// A cheap picture of the whole pool; serialises to JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PoolStatus {
    /// How far the pool has come.
    pub pool_status: Stage,
    /// Whether new attempts may start.
    pub gate: Gate,
    /// Seconds since the start.
    pub uptime_seconds: f64,
    /// How many workers the pool wants at the moment.
    pub worker_target: usize,
    /// How many orders may be in work at once, when the site has complained of more.
    #[serde(default)]
    pub slowed_to: Option<usize>,
    /// How many have a live session.
    pub worker_count: usize,
    /// One line per worker.
    pub workers: BTreeMap<WorkerId, WorkerView>,
    /// Tasks by state.
    pub tasks: Totals,
    /// Memory, when last measured.
    pub memory: MemoryReading,
    /// Why the pool starts no more tasks, if it does not.
    pub stopped_because: Option<Stop>,
}

/// Why a pool starts no more tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// The class, which decides the exit code.
    pub kind: StopKind,
    /// What happened and what to do, for a person.
    pub message: String,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The classes of reasons to start no more tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopKind {
    /// Somebody asked for it: a signal, or the caller.
    Requested,
    /// The portal refused the login, or wants one and was given none.
    LoginRefused,
    /// The portal's address never answered.
    NeverReached,
    /// The portal was in trouble for longer than the patience.
    SiteDown,
    /// The portal's pages no longer fit the recipe.
    PagesChanged,
    /// The output folder cannot be written.
    DiskFull,
    /// The time that the run was given is over.
    TimeUp,
    /// So many orders in a row failed that the rest is not worth trying.
    TooManyFailures,
    /// No browser could be started (any more).
    NoWorkers,
    /// The journal cannot be written.
    JournalUnusable,
}
