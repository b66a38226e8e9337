//! What the heart is told, and what it wants done.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::config::{HoldConfig, RecycleConfig, RetryConfig, ScalingConfig, WorkerCount};
use crate::model::{AttemptEnd, Footprint, MemoryLevel, MemoryReading, Outcome, PoTask, Stage, Stop, TaskId, WorkerId};
use crate::policy::Room;
use crate::pool::control::{Control, Earlier, SubmitError};
use crate::pool::lease::{Call, Grant, LeaseId};
use crate::pool::lent::LendRequest;
use crate::pool::task_handle::{TaskCell, TaskHandle, TaskStatus};
use crate::pool::worker::{WorkerGone, WorkerUp};
use crate::ports::{AttemptError, KillSwitch};

/// What somebody outside the engine wants.
#[derive(Debug)]
pub(in crate::pool) enum Request {
    Submit {
        tasks: Vec<PoTask>,
        control: Control,
        reply: oneshot::Sender<Result<Vec<TaskHandle>, SubmitError>>,
    },
    SubmitWithPast {
        orders: Vec<(PoTask, Option<Earlier>)>,
        control: Control,
        reply: oneshot::Sender<Result<Vec<TaskHandle>, SubmitError>>,
    },
    OpenTasks {
        control: Control,
        reply: oneshot::Sender<Vec<TaskHandle>>,
    },
    Cancel {
        task: TaskId,
        reply: oneshot::Sender<bool>,
    },
    Lend(LendRequest),
    Pause,
    Resume,
    ScaleTo(usize),
    Drain(Stop),
    Abort,
    Close,
}

/// Everything that the heart can be told.
#[derive(Debug)]
pub(in crate::pool) enum Input {
    Request(Request),
    Called(Call),
    Ended {
        lease: LeaseId,
        end: AttemptEnd,
        retry_after: Option<Duration>,
    },
    Concluded {
        task: TaskId,
        result: Result<Outcome, AttemptError>,
    },
    WorkerStarting(WorkerId),
    WorkerUp(WorkerId, WorkerUp),
    WorkerClosing(WorkerId),
    WorkerGone(WorkerId, WorkerGone),
    Sampled(Sample),
    /// The journal did not take the last turn: so many admissions and these outcomes were not written.
    JournalBroke {
        why: String,
        admitted: u64,
        settled: Vec<Arc<Outcome>>,
    },
    KillAll,
}

/// What the monitor found.
#[derive(Debug)]
pub(in crate::pool) struct Sample {
    pub(in crate::pool) reading: MemoryReading,
    pub(in crate::pool) room: Room,
    pub(in crate::pool) footprint: Footprint,
    pub(in crate::pool) task_count: usize,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            reading: MemoryReading::default(),
            room: Room { level: MemoryLevel::Normal, cap: usize::MAX },
            footprint: Footprint::default(),
            task_count: 0,
        }
    }
}

/// What is to be done, once the entries of the same turn are written.
#[derive(Debug)]
pub(in crate::pool) enum Act {
    /// Answer a call; a grant that finds its caller gone comes back through its lease.
    Grant(Call, Grant),
    /// Let the task's handles see where it stands.
    Tell(Arc<TaskCell>, TaskStatus),
    /// Answer a submission.
    Accept(oneshot::Sender<Result<Vec<TaskHandle>, SubmitError>>, Result<Vec<TaskHandle>, SubmitError>),
    /// Answer with handles.
    Handles(oneshot::Sender<Vec<TaskHandle>>, Vec<TaskHandle>),
    /// Answer a cancellation.
    Cancelled(oneshot::Sender<bool>, bool),
    /// Give the order's folder its final name, then report back.
    Conclude(TaskId, PoTask, Outcome),
    /// Cancel all attempts.
    CancelAttempts,
    /// End the processes of these sessions.
    Kill(Vec<KillSwitch>),
    /// End those of this worker, since memory is critical, and let it see why.
    Evict(WorkerId, KillSwitch, Arc<AtomicBool>),
}

/// The directive that workers and the supervisor obey; written by the heart alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pool) struct Directive {
    pub(in crate::pool) stage: Stage,
    /// How many workers there are to be now.
    pub(in crate::pool) target: usize,
    /// The most there ever were to be: those that are given up count against these.
    pub(in crate::pool) most: usize,
}

/// Limits that the heart goes by.
#[derive(Clone, Copy, Debug)]
pub(in crate::pool) struct Rules {
    pub(in crate::pool) retry: RetryConfig,
    pub(in crate::pool) drain: Duration,
    pub(in crate::pool) seed: u64,
    pub(in crate::pool) worker_count: WorkerCount,
    pub(in crate::pool) scaling: ScalingConfig,
    /// How many orders the first submission will have, if the caller knows.
    pub(in crate::pool) expected_count: Option<usize>,
    /// How many processors there are, if the system tells.
    pub(in crate::pool) processor_count: Option<usize>,
    pub(in crate::pool) recycle: RecycleConfig,
    pub(in crate::pool) hold: HoldConfig,
    pub(in crate::pool) has_site: bool,
    /// So many failed orders in a row end the run; none does when `None`.
    pub(in crate::pool) stop_after: Option<NonZeroU32>,
}
