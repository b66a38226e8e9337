//! The pool as its users see it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::{error, warn};

use super::control::PoolControl;
use super::error::{AcquireError, PoolClosed, SubmitError, WaitError};
use super::mailbox::Mailbox;
use super::monitor::MemoryMonitor;
use super::pooled_session::PooledSession;
use super::task_handle::TaskHandle;
use crate::backend::{History, Journal, JournalError};
use crate::config::Timeouts;
use crate::model::{MemoryReading, Metadata, PoNumber, PoTask, PoolStatus, Stage, TaskPriority};

/// Time for the engine itself, on top of the deadlines of what it waits for.
const SLACK: Duration = Duration::from_secs(10);

/// A pool of long-lived browser sessions that fetches the files of purchase orders, or runs a caller's own code.
///
/// End it with [`PersistentWorkerPool::shutdown`]. Dropping it kills every browser and wipes every profile; it does not
/// wait for running orders, and checks nothing. Orders without an outcome stay open.
pub struct PersistentWorkerPool {
    parts: Option<Parts>,
}

/// What a pool is made of while it runs.
pub(crate) struct Parts {
    pub(crate) timeouts: Timeouts,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) control: PoolControl,
    pub(crate) mailbox: Mailbox,
    pub(crate) statuses: watch::Receiver<Arc<PoolStatus>>,
    pub(crate) started: Instant,
    pub(crate) finalizations: TaskTracker,
    pub(crate) dispatcher: JoinHandle<()>,
    pub(crate) supervisor: JoinHandle<Vec<String>>,
    pub(crate) sampler: Option<JoinHandle<()>>,
}

/// What is left when a pool has been shut down.
#[derive(Clone, Debug)]
pub struct ShutdownReport {
    /// The last status.
    pub status: Arc<PoolStatus>,
    /// Every task with its state.
    pub history: History,
    /// Processes that would not end and folders that could not be removed, each as a sentence. Empty if all is well.
    pub leftovers: Vec<String>,
}

impl PersistentWorkerPool {
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts: Some(parts) }
    }

    /// A cloneable handle to submit, pause, scale, drain and abort.
    #[must_use]
    pub fn control(&self) -> PoolControl {
        self.parts().control.clone()
    }

    /// Accepts one order, as [`PersistentWorkerPool::submit_tasks`] does.
    ///
    /// # Errors
    /// [`SubmitError`]; the order was not accepted.
    pub async fn submit_task(
        &self,
        po: PoNumber,
        priority: TaskPriority,
        metadata: Metadata,
    ) -> Result<TaskHandle, SubmitError> {
        let handles = self.submit_tasks([PoTask { po, priority, metadata }]).await?;
        handles.into_iter().next().ok_or(SubmitError::Closed { stop: None })
    }

    /// Accepts many orders at once, all or none; the handles come in the order of the tasks. When it returns, the journal
    /// holds them. Dropping the future leaves open whether the orders are accepted.
    ///
    /// # Errors
    /// [`SubmitError`]; none of the orders was accepted.
    pub async fn submit_tasks(&self, tasks: impl IntoIterator<Item = PoTask>) -> Result<Vec<TaskHandle>, SubmitError> {
        self.parts().control.submit(tasks.into_iter().collect()).await
    }

    /// The status of the whole pool at its last change, with the uptime of now. Cheap, never blocks, serialises to JSON.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        let parts = self.parts();
        let mut status = PoolStatus::clone(&parts.statuses.borrow());
        if status.pool_status != Stage::Closed {
            status.uptime_seconds = parts.started.elapsed().as_secs_f64();
        }
        status
    }

    /// Follows the status. A slow reader sees only the newest one, and delays nobody.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<PoolStatus>> {
        self.parts().statuses.clone()
    }

    /// Follows the memory of the pool and its machine.
    #[must_use]
    pub fn memory_monitor(&self) -> MemoryMonitor {
        MemoryMonitor::new(self.watch())
    }

    /// Calls `callback` when the share of memory in use (0 to 1) reaches `threshold`: see [`MemoryMonitor::on_pressure`].
    pub fn on_memory_pressure(&self, threshold: f64, callback: impl FnMut(&MemoryReading) + Send + 'static) {
        self.memory_monitor().on_pressure(threshold, callback);
    }

    /// Waits until a session is ready. Dropping the future changes nothing.
    ///
    /// # Errors
    /// [`WaitError::NotReady`] when the pool stops first.
    pub async fn wait_until_ready(&self) -> Result<(), WaitError> {
        let mut statuses = self.watch();
        let is_decided = |status: &Arc<PoolStatus>| status.worker_count > 0 || status.pool_status >= Stage::Draining;
        let status = statuses.wait_for(is_decided).await.map_err(|_| WaitError::NotReady { stop: None })?;
        if status.worker_count > 0 {
            return Ok(());
        }
        Err(WaitError::NotReady { stop: status.stopped_because.clone() })
    }

    /// Waits until every accepted order has its outcome, at most `timeout`; `None` sets no limit. Dropping the future
    /// changes nothing.
    ///
    /// # Errors
    /// [`WaitError::CompletionTimedOut`] when the time is over; [`WaitError::Stopped`] when the pool stopped and nothing is
    /// running any more.
    pub async fn wait_for_completion(&self, timeout: Option<Duration>) -> Result<(), WaitError> {
        let ended = async {
            self.completed().await?;
            // the status is published before the handles are told: the answer to a request comes after both; a pool that
            // has closed has told them all
            drop(self.parts().mailbox.open_tasks().await);
            Ok(())
        };
        let Some(limit) = timeout else { return ended.await };
        tokio::time::timeout(limit, ended).await.unwrap_or_else(|_elapsed| {
            let tasks = self.parts().statuses.borrow().tasks;
            let open = tasks.pending + tasks.running;
            if open == 0 { Ok(()) } else { Err(WaitError::CompletionTimedOut { open, limit }) }
        })
    }

    async fn completed(&self) -> Result<(), WaitError> {
        let mut statuses = self.watch();
        let is_over = |status: &Arc<PoolStatus>| {
            status.tasks.is_idle() || (status.pool_status >= Stage::Draining && status.tasks.running == 0)
        };
        let stopped = |status: &PoolStatus, stop| {
            let open = status.tasks.pending + status.tasks.running;
            if open == 0 { Ok(()) } else { Err(WaitError::Stopped { open, stop }) }
        };
        match statuses.wait_for(is_over).await {
            Ok(status) => return stopped(&status, status.stopped_because.clone()),
            Err(_gone) => {}
        }
        let status = Arc::clone(&statuses.borrow());
        stopped(&status, None)
    }

    /// Borrows a session as soon as a worker is free, before any order that waits; dropping the session gives it back.
    /// Dropping the future gives up the place in the line. Waits without a limit, see
    /// [`PersistentWorkerPool::acquire_within`].
    ///
    /// # Errors
    /// [`AcquireError::Closed`] when the pool drains or closes first.
    pub async fn acquire(&self) -> Result<PooledSession, AcquireError> {
        self.parts().mailbox.acquire().await.map_err(|PoolClosed| AcquireError::Closed)
    }

    /// [`PersistentWorkerPool::acquire`] with a time limit.
    ///
    /// # Errors
    /// [`AcquireError::TimedOut`] when no session was free in time; [`AcquireError::Closed`].
    pub async fn acquire_within(&self, limit: Duration) -> Result<PooledSession, AcquireError> {
        let acquired = tokio::time::timeout(limit, self.acquire()).await;
        acquired.unwrap_or(Err(AcquireError::TimedOut(limit)))
    }

    /// Borrows a session for `job`, and returns what `job` returns. The session is given back when `job` drops it.
    ///
    /// ```no_run
    /// # use coupa_batch::{PersistentWorkerPool, PoolConfig};
    /// # async fn example(pool: PersistentWorkerPool) -> Result<(), Box<dyn std::error::Error>> {
    /// let shown = pool
    ///     .run(|mut session| async move {
    ///         let page = session.page()?;
    ///         page.goto("https://example.com").await?;
    ///         Ok::<_, Box<dyn std::error::Error + Send + Sync>>(page.document().await?.title)
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`AcquireError::Closed`] when the pool drains or closes first; `job` was not called then.
    pub async fn run<F, Fut, T>(&self, job: F) -> Result<T, AcquireError>
    where
        F: FnOnce(PooledSession) -> Fut,
        Fut: Future<Output = T>,
    {
        Ok(job(self.acquire().await?).await)
    }

    /// Every task of the run with its state, read from the journal.
    ///
    /// # Errors
    /// [`JournalError`] when it cannot be read.
    pub async fn history(&self) -> Result<History, JournalError> {
        self.parts().journal.history().await
    }

    /// Starts no more orders, lets running ones finish within `shutdown_timeout`, cancels the rest, closes every browser,
    /// wipes every profile and checks both. Orders without an outcome stay open.
    ///
    /// Takes at most the shutdown timeout and the timeouts of starting and closing browsers. Dropping the future is like
    /// dropping the pool.
    ///
    /// # Errors
    /// [`JournalError`] when the journal cannot be read back; everything is closed nevertheless.
    pub async fn shutdown(mut self) -> Result<ShutdownReport, JournalError> {
        // a pool whose dispatcher has ended has nothing to drain; what is left is killed below
        let is_closing = self.parts().control.close().await.is_ok();
        let mut leftovers = Vec::new();
        let mut parts = self.take_parts();
        let Timeouts { drain, close, open, page, .. } = parts.timeouts;
        let limit = if is_closing { drain + open + page + close * 3 + SLACK } else { SLACK };
        // if this future is dropped from here on, everything is killed
        let mut on_drop = KillOnDrop(Some(&parts.control));
        match tokio::time::timeout(limit, &mut parts.supervisor).await {
            Ok(Ok(left)) => leftovers.extend(left),
            Ok(Err(broke)) => leftovers.push(format!("internal error while the browsers were closed: {broke}")),
            Err(_elapsed) => {
                let limit = humantime::format_duration(limit);
                error!("the browsers did not close within {limit}: killing them");
                leftovers.push(format!("browsers that did not close within {limit} were killed"));
                parts.control.kill();
                parts.supervisor.abort();
            }
        }
        if tokio::time::timeout(SLACK, &mut parts.dispatcher).await.is_err() {
            warn!("internal error: the dispatcher did not end within {} s", SLACK.as_secs());
            parts.dispatcher.abort();
        }
        on_drop.0 = None;
        parts.finalizations.close();
        if tokio::time::timeout(page, parts.finalizations.wait()).await.is_err() {
            leftovers.push("an output folder did not get its final name in time".to_owned());
        }
        if let Some(sampler) = parts.sampler.take() {
            sampler.abort();
        }
        let history = parts.journal.history().await?;
        let status = Arc::clone(&parts.statuses.borrow());
        Ok(ShutdownReport { status, history, leftovers })
    }

    #[expect(clippy::expect_used, reason = "the parts are only taken by shutdown and drop, which nothing can follow")]
    fn parts(&self) -> &Parts {
        self.parts.as_ref().expect("a pool that is not shut down")
    }

    #[expect(clippy::expect_used, reason = "as above")]
    fn take_parts(&mut self) -> Parts {
        self.parts.take().expect("a pool that is not shut down")
    }
}

/// Kills every session when it is dropped armed.
struct KillOnDrop<'a>(Option<&'a PoolControl>);

impl Drop for KillOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(control) = self.0 {
            control.kill();
        }
    }
}

impl Drop for PersistentWorkerPool {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            warn!("the pool was dropped without shutdown: killing every browser");
            parts.supervisor.abort(); // its workers are dropped with it, and each session's drop kills and wipes
            parts.dispatcher.abort();
            if let Some(sampler) = parts.sampler {
                sampler.abort();
            }
        }
    }
}
