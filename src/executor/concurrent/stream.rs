//! Results as they come.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{Stream, StreamExt};
use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::AbortOnDropHandle;

use super::counters::Submitted;
use super::run::{Ended, Shared, run};
use crate::executor::job::Job;
use crate::executor::panics::message_of;
use crate::executor::result::{TaskError, TaskResult};

/// How a batch is run. Default: all jobs, one after the other as permits allow, whatever becomes of the others.
#[derive(Clone, Debug, Default)]
pub struct BatchOptions {
    /// Runs the jobs in chunks of so many; a chunk begins when the one before has ended.
    pub chunk_size: Option<NonZeroUsize>,
    /// The pause between two chunks.
    pub pause: Duration,
    /// Cancels the rest after the first job that does not succeed.
    pub stop_on_failure: bool,
    /// Cancels what runs and what has not started. Each job has a result all the same.
    pub cancel: Option<CancellationToken>,
}

/// The results of a batch in the order in which its jobs end. Jobs start while it is polled; dropping it cancels them.
#[must_use = "jobs start while the stream is polled"]
pub struct ResultStream<T> {
    shared: Arc<Shared>,
    /// With their places in the batch.
    jobs: VecDeque<(usize, Job<T>)>,
    in_flight: FuturesUnordered<InFlight<T>>,
    options: BatchOptions,
    /// What this batch's jobs watch: cancelled with the executor, or by the stream.
    stop: CancellationToken,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
    cancelled: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// How many more jobs of this chunk are to be started.
    chunk_left: usize,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<T: Send + 'static> ResultStream<T> {
    pub(super) fn new(shared: Arc<Shared>, jobs: impl IntoIterator<Item = Job<T>>, options: BatchOptions) -> Self {
        let stop = shared.closing.child_token();
        let stopped = Box::pin(stop.clone().cancelled_owned());
        let cancelled = options.cancel.clone().map(|cancel| Box::pin(cancel.cancelled_owned()));
        let jobs = jobs.into_iter().enumerate().collect();
        let chunk_left = options.chunk_size.map_or(usize::MAX, NonZeroUsize::get);
        let in_flight = FuturesUnordered::new();
        Self { shared, jobs, in_flight, options, stop, stopped, cancelled, chunk_left, pause: None }
    }

    /// The next result; none after the last one. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<TaskResult<T>> {
        StreamExt::next(self).await
    }

    /// Starts what may be started. None without a runtime.
    fn fill(&mut self) -> Option<()> {
        let is_open = |this: &Self| this.chunk_left > 0 && this.in_flight.len() < this.shared.max_concurrent;
        while self.pause.is_none() && is_open(self) && !self.jobs.is_empty() {
            let runtime = Handle::try_current().ok()?;
            let Some((index, Job { id, limit, work })) = self.jobs.pop_front() else { break };
            let submitted = Submitted::new(self.shared.counters.clone());
            let task = runtime.spawn(run(self.shared.clone(), submitted, limit, work, self.stop.clone()));
            self.in_flight.push(InFlight { index, id: Some(id), task: AbortOnDropHandle::new(task) });
            self.chunk_left -= 1;
        }
        Some(())
    }

    /// The result of a job that is not started any more.
    fn skip(&mut self, error: TaskError) -> Option<(usize, TaskResult<T>)> {
        let (index, job) = self.jobs.pop_front()?;
        Submitted::new(self.shared.counters.clone()).conclude(Some(&error));
        Some((index, Ended::without_start(error).named(job.id)))
    }

    pub(super) fn poll_result(&mut self, context: &mut Context<'_>) -> Poll<Option<(usize, TaskResult<T>)>> {
        if self.cancelled.as_mut().is_some_and(|cancelled| cancelled.as_mut().poll(context).is_ready()) {
            self.cancelled = None;
            self.stop.cancel();
        }
        let is_stopped = self.stop.is_cancelled() || self.stopped.as_mut().poll(context).is_ready();
        loop {
            if let Some(pause) = &mut self.pause
                && !is_stopped
            {
                std::task::ready!(pause.as_mut().poll(context));
                self.chunk_left = self.options.chunk_size.map_or(usize::MAX, NonZeroUsize::get);
            }
            self.pause = None;
            if !is_stopped && self.fill().is_none() && self.in_flight.is_empty() {
                return Poll::Ready(self.skip(TaskError::NoRuntime));
            }
            match self.in_flight.poll_next_unpin(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some((index, result))) => {
                    if self.options.stop_on_failure && !result.success {
                        self.stop.cancel();
                    }
                    return Poll::Ready(Some((index, result)));
                }
                Poll::Ready(None) if is_stopped => {
                    let was_closed = self.shared.closing.is_cancelled();
                    return Poll::Ready(self.skip(if was_closed { TaskError::Closed } else { TaskError::Cancelled }));
                }
                Poll::Ready(None) if self.jobs.is_empty() => return Poll::Ready(None),
                // the chunk has ended
                Poll::Ready(None) => self.pause = Some(Box::pin(sleep(self.options.pause))),
            }
        }
    }
}

impl<T: Send + 'static> Stream for ResultStream<T> {
    type Item = TaskResult<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_result(context).map(|next| next.map(|(_, result)| result))
    }
}

impl<T> fmt::Debug for ResultStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (waiting, started) = (self.jobs.len(), self.in_flight.len());
        f.debug_struct("ResultStream").field("waiting", &waiting).field("started", &started).finish_non_exhaustive()
    }
}

/// A job that was handed to the runtime.
struct InFlight<T> {
    index: usize,
    id: Option<String>,
    task: AbortOnDropHandle<Ended<T>>,
}

impl<T> Future for InFlight<T> {
    type Output = (usize, TaskResult<T>);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = std::task::ready!(Pin::new(&mut self.task).poll(context));
        let ended = ended.unwrap_or_else(|failed| {
            // panics of the job itself are caught: this one is of what it dropped
            let panic = failed.try_into_panic().map(|panic| TaskError::Panicked(message_of(&*panic)));
            Ended::without_start(panic.unwrap_or(TaskError::NoRuntime))
        });
        let id = self.id.take().unwrap_or_default();
        Poll::Ready((self.index, ended.named(id)))
    }
}
