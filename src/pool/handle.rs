//! The pool as its users see it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::{error, warn};

use super::builder::PoolBuilder;
use super::control::{PoolControl, SubmitError};
use super::task_handle::TaskHandle;
use crate::backend::{History, Journal, JournalError};
use crate::config::{PoolConfig, Timeouts};
use crate::model::{MemoryReading, Metadata, PoNumber, PoTask, PoolStatus, Stage, TaskPriority};
use crate::pool::pooled_session::{AcquireError, PooledSession};

/// Time for the engine itself, on top of the deadlines of what it waits for.
const SLACK: Duration = Duration::from_secs(10);

/// So far below its threshold memory must fall before it is told again that it has reached it.
const REARMED_BELOW: f64 = 0.10;

/// A pool of long-lived browser sessions that fetches the files of purchase orders, or runs a caller's own code.
///
/// End it with [`PersistentWorkerPool::shutdown`]. Dropping it kills every browser and wipes every profile without
/// waiting for running orders and without checking.
pub struct PersistentWorkerPool {
    parts: Option<Parts>,
}

/// What a pool is made of while it runs.
pub(crate) struct Parts {
    pub(crate) deadlines: Timeouts,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) control: PoolControl,
    pub(crate) snapshots: watch::Receiver<Arc<PoolStatus>>,
    pub(crate) started: Instant,
    pub(crate) conclusions: TaskTracker,
    pub(crate) dispatcher: JoinHandle<()>,
    pub(crate) supervisor: JoinHandle<Vec<String>>,
    pub(crate) monitor: Option<JoinHandle<()>>,
}

/// What is left when a pool has been shut down.
#[derive(Clone, Debug)]
pub struct ShutdownReport {
    /// The last snapshot.
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

    /// Puts a pool together from parts of your own.
    pub fn builder(config: PoolConfig) -> PoolBuilder {
        PoolBuilder::new(config)
    }

    /// The cloneable handle to pause, scale, drain and abort.
    #[must_use]
    pub fn control(&self) -> PoolControl {
        self.parts().control.clone()
    }

    /// Accepts one order.
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
        handles.into_iter().next().ok_or_else(|| SubmitError::Closed("it did not answer".to_owned()))
    }

    /// Accepts many orders in one step, all or none; the handles come in the order of the tasks. When it returns, the
    /// journal holds them.
    ///
    /// # Errors
    /// [`SubmitError`]; none of the orders was accepted.
    pub async fn submit_tasks(&self, tasks: impl IntoIterator<Item = PoTask>) -> Result<Vec<TaskHandle>, SubmitError> {
        self.parts().control.submit(tasks.into_iter().collect()).await
    }

    /// A snapshot of the whole pool, as of the last time that anything changed; the uptime is today's. Cheap; never blocks;
    /// serialises to JSON.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        let parts = self.parts();
        let mut status = PoolStatus::clone(&parts.snapshots.borrow());
        if status.pool_status != Stage::Closed {
            status.uptime_seconds = parts.started.elapsed().as_secs_f64();
        }
        status
    }

    /// Follows the snapshots; a slow reader sees only the newest one.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<PoolStatus>> {
        self.parts().snapshots.clone()
    }

    /// Calls `callback` whenever the share of memory in use (0 to 1) has reached `threshold`, and again only after it was
    /// ten points below. It is given what was read, as [`PoolStatus::memory`] shows it; it should return soon, since it
    /// runs on a thread of the runtime. A panic ends this callback alone; the end of the pool ends it as well.
    pub fn on_memory_pressure(&self, threshold: f64, mut callback: impl FnMut(&MemoryReading) + Send + 'static) {
        let mut snapshots = self.watch();
        tokio::spawn(async move {
            let mut is_armed = true;
            loop {
                let status = Arc::clone(&snapshots.borrow_and_update());
                let usage = status.memory.usage();
                if is_armed && usage >= threshold {
                    is_armed = false;
                    callback(&status.memory);
                } else if usage < threshold - REARMED_BELOW {
                    is_armed = true;
                }
                if status.pool_status == Stage::Closed || snapshots.changed().await.is_err() {
                    return;
                }
            }
        });
    }

    /// Waits until a worker is ready. Returns false when the pool stops before one is (see
    /// [`PoolStatus::stopped_because`]).
    pub async fn wait_until_ready(&self) -> bool {
        let mut snapshots = self.watch();
        snapshots
            .wait_for(|status| status.worker_count > 0 || status.pool_status >= Stage::Draining)
            .await
            .is_ok_and(|status| status.worker_count > 0)
    }

    /// Waits until every accepted order is settled, at most `timeout` if one is given. Returns whether all are: false
    /// when the time is over, or when the pool stopped early and nothing is running any more.
    pub async fn wait_for_completion(&self, timeout: Option<Duration>) -> bool {
        let mut snapshots = self.watch();
        let ended = async {
            let is_over = |status: &Arc<PoolStatus>| {
                status.tasks.is_idle() || (status.pool_status >= Stage::Draining && status.tasks.running == 0)
            };
            snapshots.wait_for(is_over).await.is_ok_and(|status| status.tasks.is_idle())
        };
        let is_complete = match timeout {
            Some(limit) => tokio::time::timeout(limit, ended).await.unwrap_or(false),
            None => ended.await,
        };
        if is_complete {
            // a snapshot is shown before the handles are told what it says: the answer to a question comes after both;
            // a pool that has closed has told them all
            let _ = self.parts().control.open_tasks().await;
        }
        is_complete
    }

    /// Borrows a session as soon as a worker is free, before any order that waits; dropping the loan gives it back.
    ///
    /// # Errors
    /// [`AcquireError::Closed`] when the pool drains or closes first.
    pub async fn acquire(&self) -> Result<PooledSession, AcquireError> {
        let (reply, loan) = oneshot::channel();
        self.parts().control.lend(reply).await.map_err(|_| AcquireError::Closed)?;
        loan.await.map_err(|_| AcquireError::Closed)
    }

    /// Lends a session to `job` and returns what it returns. The session is given back when `job` drops it.
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
    /// [`AcquireError::Closed`] when the pool drains or closes before a session is free.
    pub async fn run<F, BoxFuture, T>(&self, job: F) -> Result<T, AcquireError>
    where
        F: FnOnce(PooledSession) -> BoxFuture,
        BoxFuture: Future<Output = T>,
    {
        Ok(job(self.acquire().await?).await)
    }

    /// Every task of the run with its state, from the journal.
    ///
    /// # Errors
    /// [`JournalError`] when it cannot be read.
    pub async fn history(&self) -> Result<History, JournalError> {
        self.parts().journal.history().await
    }

    /// Starts no more orders, lets running ones finish within the shutdown timeout, cancels the rest, closes every
    /// browser, wipes every profile and checks both. Orders that were not done stay open.
    ///
    /// Bounded by the shutdown timeout and the deadlines of closing. Dropping the future is like dropping the pool.
    ///
    /// # Errors
    /// [`JournalError`] when the journal cannot be read back; everything has been closed all the same.
    pub async fn shutdown(mut self) -> Result<ShutdownReport, JournalError> {
        // a pool whose dispatcher is gone has nothing to drain; what is left is ended below
        let is_closing = self.parts().control.close().await.is_ok();
        let mut leftovers = Vec::new();
        let mut parts = self.take_parts();
        let Timeouts { drain, close, open, page, .. } = parts.deadlines;
        let limit = if is_closing { drain + open + page + close * 3 + SLACK } else { SLACK };
        // guards the joins: if this future is dropped in the middle of them, everything is killed
        let mut on_drop = KillOnDrop(Some(&parts.control));
        match tokio::time::timeout(limit, &mut parts.supervisor).await {
            Ok(Ok(left)) => leftovers.extend(left),
            Ok(Err(broke)) => leftovers.push(format!("the supervisor broke off: {broke}")),
            Err(_elapsed) => {
                error!("closing the browsers took longer than {limit:?}: ending them");
                leftovers.push(format!("browsers that did not close within {limit:?} were killed"));
                parts.control.kill();
                parts.supervisor.abort();
            }
        }
        if tokio::time::timeout(SLACK, &mut parts.dispatcher).await.is_err() {
            warn!("the dispatcher did not end within {SLACK:?}");
            parts.dispatcher.abort();
        }
        on_drop.0 = None;
        parts.conclusions.close();
        if tokio::time::timeout(page, parts.conclusions.wait()).await.is_err() {
            leftovers.push("a folder could not be given its final name in time".to_owned());
        }
        if let Some(monitor) = parts.monitor.take() {
            monitor.abort();
        }
        let history = parts.journal.history().await?;
        let status = Arc::clone(&parts.snapshots.borrow());
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
            warn!("the pool was dropped without shutdown: ending every browser");
            parts.supervisor.abort(); // its workers are dropped with it, and each session's drop kills and wipes
            parts.dispatcher.abort();
            if let Some(monitor) = parts.monitor {
                monitor.abort();
            }
        }
    }
}
