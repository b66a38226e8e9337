//! What a pool looks like from outside at one moment.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{PoNumber, WorkerId};

/// How far the pool has come. Stages only advance.
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

/// Whether new attempts start while the pool is running.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum DispatchState {
    /// They do.
    #[default]
    Running,
    /// Paused by the caller.
    Paused,
    /// The portal is down, throttles or asks for a login. A single attempt tries it again after a pause.
    Suspended {
        /// Why, for a person.
        reason: String,
        /// Whether a person has to do something first, such as logging in.
        #[serde(default)]
        needs_person: bool,
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
pub struct WorkerStatus {
    /// What it is doing.
    pub status: WorkerState,
    /// The orders in work, the one that was begun first at the front.
    pub po: Vec<PoNumber>,
    /// The process at the root of its session's tree, if it runs on this machine.
    pub pid: Option<u32>,
    /// Attempts ended by this worker, well or not.
    pub attempt_count: u64,
    /// How often its session was replaced because it was sick.
    pub restart_count: u32,
    /// How often its session was replaced although it was well: after so many orders, for its age, its memory.
    #[serde(default)]
    pub recycle_count: u32,
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
    /// Ended as FAILED, ACCESS_DENIED or PR_NOT_ACCESSIBLE.
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

/// How short memory is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryLevel {
    /// There is enough.
    #[default]
    Normal,
    /// No worker is added.
    Elevated,
    /// The fattest worker that can be spared retires after its order.
    High,
    /// The fattest worker is replaced at once; its order is repeated at no cost.
    Critical,
}

impl fmt::Display for MemoryLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Normal => "normal",
            Self::Elevated => "elevated",
            Self::High => "high",
            Self::Critical => "critical",
        })
    }
}

/// What the host was seen to have and to use at one moment; sizes in bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MemoryReading {
    /// Installed, or the limit of the container, or what the settings allow, whichever is least.
    pub total_bytes: u64,
    /// Free to be used without swapping.
    pub available_bytes: u64,
    /// The process tree of each worker.
    pub workers: BTreeMap<WorkerId, u64>,
    /// The program itself.
    #[serde(default)]
    pub own_bytes: u64,
    /// Share of the last ten seconds in which some process waited for memory, where the kernel tells it (Linux, PSI).
    #[serde(default)]
    pub some_stalled: Option<f64>,
    /// The same, but all of them waited at once.
    #[serde(default)]
    pub all_stalled: Option<f64>,
    /// Share of all processors in use since the reading before, 0 to 1.
    #[serde(default)]
    pub cpu: Option<f64>,
    /// Files, pipes and connections that the program holds open, where the system tells it.
    #[serde(default)]
    pub descriptor_count: Option<usize>,
    /// Processes below the program: drivers, browsers and what they started.
    #[serde(default)]
    pub process_count: usize,
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
    pub drivers: Vec<DriverStatus>,
    /// Profile folders of this pool that are on the disk.
    pub profile_count: usize,
    /// The size of the largest of them in bytes.
    pub largest_profile_bytes: u64,
}

/// One driver process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverStatus {
    /// Its number, from 1; kept by its successor when it is restarted.
    pub number: u16,
    /// Its process id while it runs.
    pub pid: Option<u32>,
    /// Where it listens on the loopback interface.
    pub port: Option<u16>,
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
    /// Whether new attempts start.
    pub dispatch: DispatchState,
    /// Seconds since the start.
    pub uptime_seconds: f64,
    /// How many workers the pool wants at the moment.
    pub worker_target: usize,
    /// How many it would want if memory were no matter and no worker had been given up.
    #[serde(default)]
    pub worker_wanted: usize,
    /// How many orders may be in work at once, when the site has complained of more.
    #[serde(default)]
    pub slowed_to: Option<usize>,
    /// How many have a live session.
    pub worker_count: usize,
    /// One line per worker.
    pub workers: BTreeMap<WorkerId, WorkerStatus>,
    /// Tasks by state.
    pub tasks: Totals,
    /// Memory and processors, when last measured.
    pub memory: MemoryReading,
    /// How short memory is.
    #[serde(default)]
    pub memory_level: MemoryLevel,
    /// Why orders that could start wait although a worker is free; `None` when they do not.
    #[serde(default)]
    pub held_back: Option<String>,
    /// Tasks of the asynchronous runtime that are alive, this pool's and the caller's, when last counted.
    #[serde(default)]
    pub task_count: usize,
    /// Drivers and profile folders, when last looked at.
    #[serde(default)]
    pub footprint: Footprint,
    /// Why the pool starts no more tasks, if it does not.
    pub stopped_because: Option<StopReason>,
}

/// Why a pool starts no more tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopReason {
    /// The class, which decides the exit code.
    pub kind: StopKind,
    /// What happened and what to do, for a person.
    pub message: String,
}

impl fmt::Display for StopReason {
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

/// What a sweep removed, or would remove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Folders that were removed.
    pub removed: Vec<PathBuf>,
    /// Processes that were ended.
    pub ended: Vec<OrphanedProcess>,
    /// Folders without an owner that were kept on purpose.
    pub kept: Vec<PathBuf>,
    /// Folders of programs that run: this one or another.
    pub in_use: Vec<PathBuf>,
    /// What could not be ended or removed, each as a sentence for a person.
    pub left: Vec<String>,
}

/// A process that a killed program left behind, found by the profile folder that it runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrphanedProcess {
    /// Its process id.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// The folder it runs on.
    pub folder: PathBuf,
}
