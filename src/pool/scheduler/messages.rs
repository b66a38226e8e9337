//! Inputs and effects of the scheduler: ids and `model` types only, so that a run can be recorded and compared.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::backend::JournalError;
use crate::config::{AdmissionConfig, Canary, RecycleConfig, RetryConfig, ScalingConfig, WorkerCount};
use crate::model::{
    AttemptEnd, AttemptNo, Failure, FileRecord, Footprint, MemoryLevel, MemoryReading, Outcome, PoNumber, PoTask,
    PriorResult, Stage, StopReason, TaskId, WorkerId,
};
use crate::policy::{MemoryLimit, RecycleReason};
use crate::pool::error::SubmitError;

/// A request from outside; its sender waits for a [`Response`] under this id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RequestId(pub(crate) u64);

/// A worker's request for work; the worker waits for an [`Assignment`] under this id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct CallId(pub(crate) u64);

/// The right of one worker to one order, or of one borrower to one session. A fencing token: what is said about a lease
/// that has ended is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LeaseId(pub(crate) u64);

/// Anything that the scheduler can be told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Input {
    /// Somebody outside the engine wants something.
    Requested(RequestId, Request),
    /// The sender of a request no longer waits.
    RequestWithdrawn(RequestId),
    /// A worker could take on one more order.
    WorkRequested(WorkRequest),
    /// The worker that asked for work has ended.
    WorkWithdrawn(CallId),
    /// A lease was used up, or dropped.
    LeaseEnded {
        lease: LeaseId,
        end: AttemptEnd,
        /// When the portal wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The order's folder has its final name, or could not be given one.
    Finalized {
        task: TaskId,
        result: Result<Outcome, Failure>,
    },
    /// A session is being started.
    WorkerStarting(WorkerId),
    SessionOpened(WorkerId, SessionOpened),
    /// A session is being closed.
    WorkerClosing(WorkerId),
    /// The session has ended, and what follows from it is decided.
    WorkerExited(WorkerId, WorkerExited),
    Sampled(ResourceSample),
    /// The journal refused the entries of the last turn, whose effects were not performed. Must directly follow that turn.
    AppendFailed {
        error: JournalError,
        effects: Vec<Effect>,
    },
    /// All sessions are to be killed, since the program is about to leave.
    KillAll,
}

/// A request from outside the engine.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Request {
    Submit(Vec<(PoTask, Option<PriorResult>)>),
    OpenTasks,
    Cancel(TaskId),
    /// Borrow a session.
    Acquire,
    Pause,
    Resume,
    ScaleTo(usize),
    Drain(StopReason),
    Abort,
    /// Drain, and end the engine when nothing is under way any more.
    Close,
}

/// A worker asks for work: once for each order that it could take on beside those that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorkRequest {
    pub(crate) call: CallId,
    pub(crate) worker: WorkerId,
    /// Attempts that its session has made.
    pub(crate) attempt_count: u32,
    /// Median load time of the session's last pages.
    pub(crate) median_page_time: Option<Duration>,
}

/// A session is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionOpened {
    /// The root of its process tree.
    pub(crate) pid: Option<u32>,
    /// Whether it has taken over from a session that was recycled.
    pub(crate) is_handover: bool,
}

/// A worker's session has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorkerExited {
    pub(crate) exit: WorkerExit,
    pub(crate) error: Option<String>,
}

/// What becomes of a worker whose session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkerExit {
    /// It is not needed any more.
    Retired,
    /// It gets another session, since this one was broken.
    Replaced,
    /// It gets another session, although this one was healthy.
    Recycled,
    /// It failed too often and gets none.
    GivenUp,
}

/// What the monitor measured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ResourceSample {
    pub(crate) reading: MemoryReading,
    pub(crate) limit: MemoryLimit,
    pub(crate) footprint: Footprint,
    /// Tasks of the asynchronous runtime.
    pub(crate) task_count: usize,
}

impl Default for ResourceSample {
    fn default() -> Self {
        Self {
            reading: MemoryReading::default(),
            limit: MemoryLimit { level: MemoryLevel::Normal, cap: usize::MAX },
            footprint: Footprint::default(),
            task_count: 0,
        }
    }
}

/// Something to be done, once the entries of the same turn are in the journal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// Answer a worker's request. An assignment that finds its worker gone comes back as [`AttemptEnd::Returned`].
    Assign(CallId, Assignment),
    /// Answer a request.
    Reply(RequestId, Response),
    /// Show the task's handles where it stands.
    Publish(TaskId, TaskUpdate),
    /// Give the order's folder its final name, then report [`Input::Finalized`].
    Finalize(TaskId, PoTask, Box<Outcome>),
    /// Cancel all attempts.
    CancelAttempts,
    /// End the processes of these workers' sessions.
    Kill(Vec<WorkerId>),
    /// End the processes of this worker's session, since memory is critical, and let the worker know why.
    Evict(WorkerId),
}

/// The answer to a worker's request for work.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Assignment {
    /// Make one attempt at one order.
    Run(LeaseId, Box<AttemptSpec>),
    /// Lend the session to the sender of this request.
    Lend(LeaseId, RequestId),
    /// Open the next session, and go on with this one meanwhile.
    RecycleAhead(RecycleReason),
    /// Close the session; another one follows.
    Recycle(RecycleReason),
    /// Close the session and end.
    Retire,
}

/// One attempt to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttemptSpec {
    pub(crate) task: TaskId,
    pub(crate) order: PoTask,
    pub(crate) no: AttemptNo,
    pub(crate) worker: WorkerId,
    /// Files that earlier attempts have placed.
    pub(crate) have: Vec<FileRecord>,
    /// Nothing else is in work in its session until it has ended, since one ended under it before.
    pub(crate) is_alone: bool,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Response {
    Submitted(Result<Vec<(TaskId, PoNumber)>, SubmitError>),
    OpenTasks(Vec<(TaskId, PoNumber)>),
    /// Whether the task was cancelled.
    Cancelled(bool),
    /// There is no session to borrow any more.
    NoSession,
}

/// Where a task stands, for its handles.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TaskUpdate {
    Waiting,
    Running(WorkerId),
    Settled(Box<Outcome>),
}

/// The state to which workers and the supervisor reconcile themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DesiredState {
    pub(crate) stage: Stage,
    /// How many workers there are to be now.
    pub(crate) target: usize,
    /// The highest number that was ever wanted. Workers that were given up count against it.
    pub(crate) most: usize,
}

/// Settings of the scheduler.
#[derive(Clone, Debug)]
pub(crate) struct SchedulerConfig {
    pub(crate) retry: RetryConfig,
    /// How long running attempts may go on after a drain.
    pub(crate) drain: Duration,
    /// Seed of the jitter between tries.
    pub(crate) seed: u64,
    pub(crate) worker_count: WorkerCount,
    pub(crate) scaling: ScalingConfig,
    /// How many orders one session may have in work at a time.
    pub(crate) slot_count: usize,
    /// How many orders the first submission will have, if known.
    pub(crate) expected_count: Option<usize>,
    /// How many processors there are, if known.
    pub(crate) processor_count: Option<usize>,
    pub(crate) recycle: RecycleConfig,
    pub(crate) admission: AdmissionConfig,
    pub(crate) has_site: bool,
    /// This many failed orders in a row end the run; `None`: never.
    pub(crate) stop_after: Option<NonZeroU32>,
    /// The order that must pass before any other one is started, by one worker.
    pub(crate) canary: Option<Canary>,
}
