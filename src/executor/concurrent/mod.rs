//! Runs closures and child processes, a bounded number at a time. Whatever becomes of one is in its result and harms no
//! other.

mod builder;
mod counters;
mod run;
mod stream;
mod thread;

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use self::run::Shared;
use super::job::Job;
use super::result::{TaskError, TaskResult};

pub use builder::ConcurrentExecutorBuilder;
pub use counters::ExecutorStatus;
pub use stream::{BatchOptions, ResultStream};

/// Runs jobs, at most `max_concurrent` at a time. Cloneable; all clones share their permits, which are given in the order in
/// which they are asked for.
///
/// Nothing is raised: a job that fails, panics, runs out of time, or for which the machine has no room has a result that says
/// so. Dropping the future or stream that waits for results cancels its jobs; child processes are killed with all that they
/// started.
#[derive(Clone)]
pub struct ConcurrentExecutor {
    shared: Arc<Shared>,
}

impl ConcurrentExecutor {
    /// An executor of 10 jobs at a time, each within 5 minutes, whatever the load of the machine.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Begins an executor with other limits.
    pub fn builder() -> ConcurrentExecutorBuilder {
        ConcurrentExecutorBuilder::default()
    }

    /// Runs one job. Dropping the future cancels it.
    pub async fn execute<T: Send + 'static>(&self, job: Job<T>) -> TaskResult<T> {
        let id = job.id().to_owned();
        let result = self.stream([job], BatchOptions::default()).next().await;
        // a stream of one job has one result
        result.unwrap_or_else(|| run::Ended::without_start(TaskError::Cancelled).named(id))
    }

    /// Runs jobs side by side. The results are in the order of the jobs; those that failed are among them.
    pub async fn execute_batch<T: Send + 'static>(&self, jobs: impl IntoIterator<Item = Job<T>>) -> Vec<TaskResult<T>> {
        self.execute_batch_with(jobs, BatchOptions::default()).await
    }

    /// [`ConcurrentExecutor::execute_batch`] in chunks, with a token that cancels the rest, or up to the first failure.
    pub async fn execute_batch_with<T: Send + 'static>(
        &self,
        jobs: impl IntoIterator<Item = Job<T>>,
        options: BatchOptions,
    ) -> Vec<TaskResult<T>> {
        let mut stream = self.stream(jobs, options);
        let mut results = Vec::new();
        while let Some(result) = poll_fn(|context| stream.poll_result(context)).await {
            results.push(result);
        }
        results.sort_unstable_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    }

    /// Runs jobs side by side, and gives each result when it is there.
    pub fn stream<T: Send + 'static>(
        &self,
        jobs: impl IntoIterator<Item = Job<T>>,
        options: BatchOptions,
    ) -> ResultStream<T> {
        ResultStream::new(self.shared.clone(), jobs, options)
    }

    /// What runs and waits, and what has been done.
    #[must_use]
    pub fn status(&self) -> ExecutorStatus {
        self.shared.counters.status(self.shared.max_concurrent, self.shared.closing.is_cancelled())
    }

    /// Cancels what runs, refuses what comes later, and returns when nothing runs any more, or after `within`. The status says
    /// what still does: threads that nothing can end count as `abandoned`. May be called more than once.
    pub async fn close(&self, within: Duration) -> ExecutorStatus {
        self.shared.closing.cancel();
        self.shared.permits.close();
        let idle = async {
            loop {
                let ended = self.shared.counters.ended.notified();
                if self.status().running == 0 {
                    return;
                }
                ended.await;
            }
        };
        // what is not done by then is in the status
        _ = timeout(within, idle).await;
        self.status()
    }
}

impl Default for ConcurrentExecutor {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ConcurrentExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrentExecutor").field("status", &self.status()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
