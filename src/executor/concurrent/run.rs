//! One job from its submission to its result.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, select};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::counters::{Counters, Running, Submitted};
use super::thread::on_thread;
use crate::executor::admission::Admission;
use crate::executor::child::{Child, ProcessCommand, ProcessOutput};
use crate::executor::job::{BoxError, Limit, Work};
use crate::executor::panics::message_of;
use crate::executor::result::{TaskError, TaskResult};

/// What counts as no limit.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);
/// How long a cancelled or late child process may take to be gone after its kill: the group's own limits, and a reserve.
const KILL_TIMEOUT: Duration = Duration::from_secs(15);

/// What all clones of an executor, and all their jobs, share.
pub(super) struct Shared {
    pub(super) max_concurrent: usize,
    pub(super) timeout: Option<Duration>,
    pub(super) permits: Arc<Semaphore>,
    pub(super) admission: Option<Admission>,
    pub(super) counters: Arc<Counters>,
    /// Cancelled when the executor is closed.
    pub(super) closing: CancellationToken,
}

/// A result without the name of its job.
pub(super) struct Ended<T> {
    exit_code: Option<i32>,
    error: Option<TaskError>,
    duration: Duration,
    output: Option<T>,
}

impl<T> Ended<T> {
    pub(super) fn without_start(error: TaskError) -> Self {
        Self { exit_code: None, error: Some(error), duration: Duration::ZERO, output: None }
    }

    pub(super) fn named(self, id: String) -> TaskResult<T> {
        let Self { exit_code, error, duration, output } = self;
        TaskResult { id, success: error.is_none(), exit_code, error, duration, output }
    }
}

/// Waits for its turn and for room, runs, and counts. Dropping the future cancels the job; its permit comes back when what
/// it started is gone.
pub(super) async fn run<T: Send + 'static>(
    shared: Arc<Shared>,
    mut submitted: Submitted,
    limit: Limit,
    work: Work<T>,
    stop: CancellationToken,
) -> Ended<T> {
    let ended = match turn(&shared, &mut submitted, matches!(work, Work::Blocking(_)), &stop).await {
        Ok(running) => {
            let limit = match limit {
                Limit::Own(limit) => limit,
                Limit::Default => shared.timeout,
            };
            match work {
                Work::Future(work) => of_closure(work, limit, &stop, running).await,
                Work::Blocking(work) => {
                    let work = on_thread(shared.counters.clone(), work);
                    of_closure(async { work.await?.map_err(Fault::from) }, limit, &stop, running).await
                }
                Work::Process(command, finish) => of_process(&command, finish, limit, &stop, running).await,
            }
        }
        Err(error) => Ended::without_start(error),
    };
    submitted.conclude(ended.error.as_ref());
    ended
}

/// Why a closure brought nothing.
enum Fault {
    Own(BoxError),
    Ours(TaskError),
}

impl From<BoxError> for Fault {
    fn from(error: BoxError) -> Self {
        Self::Own(error)
    }
}

impl From<TaskError> for Fault {
    fn from(error: TaskError) -> Self {
        Self::Ours(error)
    }
}

impl From<Fault> for TaskError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Own(error) => Self::Failed(error),
            Fault::Ours(error) => error,
        }
    }
}

async fn turn(
    shared: &Shared,
    submitted: &mut Submitted,
    is_blocking: bool,
    stop: &CancellationToken,
) -> Result<Running, TaskError> {
    let turn = async {
        // who closes the executor closes this too
        let permit = shared.permits.clone().acquire_owned().await.map_err(|_| TaskError::Closed)?;
        if let Some(admission) = &shared.admission {
            admission.admit().await.map_err(TaskError::Overloaded)?;
        }
        let threads = shared.counters.abandoned.load(Ordering::Acquire);
        if is_blocking && threads >= shared.max_concurrent {
            return Err(TaskError::Exhausted { threads });
        }
        Ok(permit)
    };
    if stop.is_cancelled() {
        return Err(TaskError::Cancelled);
    }
    match select(pin!(turn), pin!(stop.cancelled())).await {
        Either::Left((Ok(permit), _)) => Ok(submitted.start(permit)),
        Either::Left((Err(_), _)) | Either::Right(_) if shared.closing.is_cancelled() => Err(TaskError::Cancelled),
        Either::Left((Err(error), _)) => Err(error),
        Either::Right(_) => Err(TaskError::Cancelled),
    }
}

/// How a wait ended that was not to last for ever.
enum Bounded<T> {
    Done(T),
    TimedOut,
    Stopped,
}

async fn bounded<F: Future>(work: F, limit: Option<Duration>, stop: &CancellationToken) -> Bounded<F::Output> {
    match select(pin!(timeout(limit.unwrap_or(YEAR), work)), pin!(stop.cancelled())).await {
        Either::Left((Ok(output), _)) => Bounded::Done(output),
        Either::Left((Err(_), _)) => Bounded::TimedOut,
        Either::Right(_) => Bounded::Stopped,
    }
}

async fn of_closure<T, E: Into<Fault>>(
    work: impl Future<Output = Result<T, E>>,
    limit: Option<Duration>,
    stop: &CancellationToken,
    running: Running,
) -> Ended<T> {
    let started = Instant::now();
    let returned = bounded(AssertUnwindSafe(work).catch_unwind(), limit, stop).await;
    drop(running);
    let (output, error) = match returned {
        Bounded::Done(Ok(Ok(output))) => (Some(output), None),
        Bounded::Done(Ok(Err(error))) => (None, Some(TaskError::from(Into::<Fault>::into(error)))),
        Bounded::Done(Err(panic)) => (None, Some(TaskError::Panicked(message_of(&*panic)))),
        Bounded::TimedOut => (None, Some(TaskError::TimedOut { after: limit.unwrap_or(YEAR), left: None })),
        Bounded::Stopped => (None, Some(TaskError::Cancelled)),
    };
    Ended { exit_code: None, error, duration: started.elapsed(), output }
}

async fn of_process<T>(
    command: &ProcessCommand,
    finish: impl FnOnce(ProcessOutput) -> T,
    limit: Option<Duration>,
    stop: &CancellationToken,
    running: Running,
) -> Ended<T> {
    let started = Instant::now();
    let mut child = match Child::start(command, running) {
        Ok(child) => child,
        Err(source) => {
            return Ended::without_start(TaskError::NotStarted { program: command.program().to_owned(), source });
        }
    };
    let waited = bounded(child.ended(), limit, stop).await;
    let why = match waited {
        Bounded::Done(end) => {
            let error = (!end.success).then(|| TaskError::Exited {
                status: end.status,
                stderr: end.output.stderr.trim().lines().next_back().unwrap_or_default().to_owned(),
            });
            return finished(started, end.code, error, finish, end.output);
        }
        Bounded::TimedOut => Some(limit.unwrap_or(YEAR)),
        Bounded::Stopped => None,
    };
    child.kill();
    let (left, output) = match timeout(KILL_TIMEOUT, child.ended()).await {
        Ok(end) => (end.left, end.output),
        Err(_) => {
            (Some(format!("{} did not end after it was killed", command.program().display())), ProcessOutput::default())
        }
    };
    let error = match why {
        Some(after) => TaskError::TimedOut { after, left },
        None => TaskError::Cancelled,
    };
    finished(started, None, Some(error), finish, output)
}

fn finished<T>(
    started: Instant,
    exit_code: Option<i32>,
    error: Option<TaskError>,
    finish: impl FnOnce(ProcessOutput) -> T,
    output: ProcessOutput,
) -> Ended<T> {
    let duration = started.elapsed();
    // code of the caller: `Job::map`
    match std::panic::catch_unwind(AssertUnwindSafe(|| finish(output))) {
        Ok(output) => Ended { exit_code, error, duration, output: Some(output) },
        Err(panic) => {
            Ended { exit_code, error: Some(TaskError::Panicked(message_of(&*panic))), duration, output: None }
        }
    }
}
