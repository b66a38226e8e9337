//! What the heart is told, and what it wants done.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::backend::{AttemptError, KillSwitch};
use crate::config::{AdmissionConfig, RecycleConfig, RetryConfig, ScalingConfig, WorkerCount};
use crate::model::PriorResult;
use crate::model::{
    AttemptEnd, Footprint, MemoryLevel, MemoryReading, Outcome, PoTask, Stage, StopReason, TaskId, WorkerId,
};
use crate::policy::MemoryLimit;
use crate::pool::control::{PoolControl, SubmitError};
use crate::pool::pooled_session::AcquireRequest;
use crate::pool::runtime::lease::{Assignment, LeaseId, WorkRequest};
use crate::pool::runtime::worker::{SessionOpened, WorkerExited};
use crate::pool::task_handle::{TaskCell, TaskHandle, TaskStatus};

/// What somebody outside the engine wants.
#[derive(Debug)]
pub(crate) enum Request {
    Submit {
        tasks: Vec<PoTask>,
        control: PoolControl,
        reply: oneshot::Sender<Result<Vec<TaskHandle>, SubmitError>>,
    },
    SubmitWithPast {
        orders: Vec<(PoTask, Option<PriorResult>)>,
        control: PoolControl,
        reply: oneshot::Sender<Result<Vec<TaskHandle>, SubmitError>>,
    },
    OpenTasks {
        control: PoolControl,
        reply: oneshot::Sender<Vec<TaskHandle>>,
    },
    Cancel {
        task: TaskId,
        reply: oneshot::Sender<bool>,
    },
    Lend(AcquireRequest),
    Pause,
    Resume,
    ScaleTo(usize),
    Drain(StopReason),
    Abort,
    Close,
}

/// Everything that the heart can be told.
#[derive(Debug)]
pub(crate) enum Input {
    Request(Request),
    Called(WorkRequest),
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
    SessionOpened(WorkerId, SessionOpened),
    WorkerClosing(WorkerId),
    WorkerExited(WorkerId, WorkerExited),
    Sampled(ResourceSample),
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
pub(crate) struct ResourceSample {
    pub(crate) reading: MemoryReading,
    pub(crate) room: MemoryLimit,
    pub(crate) footprint: Footprint,
    pub(crate) task_count: usize,
}

impl Default for ResourceSample {
    fn default() -> Self {
        Self {
            reading: MemoryReading::default(),
            room: MemoryLimit { level: MemoryLevel::Normal, cap: usize::MAX },
            footprint: Footprint::default(),
            task_count: 0,
        }
    }
}

/// What is to be done, once the entries of the same turn are written.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Answer a call; a grant that finds its caller gone comes back through its lease.
    Assignment(WorkRequest, Assignment),
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
pub(crate) struct DesiredState {
    pub(crate) stage: Stage,
    /// How many workers there are to be now.
    pub(crate) target: usize,
    /// The most there ever were to be: those that are given up count against these.
    pub(crate) most: usize,
}

/// Limits that the heart goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SchedulerConfig {
    pub(crate) retry: RetryConfig,
    pub(crate) drain: Duration,
    pub(crate) seed: u64,
    pub(crate) worker_count: WorkerCount,
    pub(crate) scaling: ScalingConfig,
    /// How many orders the first submission will have, if the caller knows.
    pub(crate) expected_count: Option<usize>,
    /// How many processors there are, if the system tells.
    pub(crate) processor_count: Option<usize>,
    pub(crate) recycle: RecycleConfig,
    pub(crate) hold: AdmissionConfig,
    pub(crate) has_site: bool,
    /// So many failed orders in a row end the run; none does when `None`.
    pub(crate) stop_after: Option<NonZeroU32>,
}
