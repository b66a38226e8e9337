//! Samples memory, processors, drivers and profile folders, and warns of leaks.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{debug, error, info, warn};

use super::channel::Events;
use crate::backend::{MemoryReader, SessionFactory};
use crate::config::MemoryConfig;
use crate::model::{MemoryLevel, PoolStatus, WorkerState};
use crate::policy::{LeakDetector, LeakKind, MemoryLimit, MemoryScaler};
use crate::pool::scheduler::{Input, ResourceSample};

/// A reading that takes longer than this is worth a warning. It is waited for in any case, since there is one reader.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Samples the memory of the host and of each worker's process tree, every `memory_interval`. While memory is short the
/// pool has fewer workers. Its readings are in [`PoolStatus::memory`].
pub(crate) struct MemorySampler {
    pub(crate) config: MemoryConfig,
    pub(crate) scaler: MemoryScaler,
    pub(crate) reader: Box<dyn MemoryReader>,
    pub(crate) sessions: Arc<dyn SessionFactory>,
    pub(crate) events: Events,
    pub(crate) status: watch::Receiver<Arc<PoolStatus>>,
}

impl MemorySampler {
    /// Runs until the pool closes. Dropping the future stops the sampling.
    pub(crate) async fn run(mut self) {
        let mut ticks = tokio::time::interval(self.config.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let started = Instant::now();
        let mut last: Option<MemoryLimit> = None;
        let mut leaks = LeakDetector::default();
        loop {
            ticks.tick().await;
            let status = Arc::clone(&self.status.borrow());
            let roots: Vec<_> = status.workers.iter().filter_map(|(worker, view)| Some((*worker, view.pid?))).collect();
            let (mut reader, sessions) = (self.reader, Arc::clone(&self.sessions));
            let mut read = tokio::task::spawn_blocking(move || {
                let (reading, footprint) = (reader.read(&roots), sessions.footprint());
                (reader, reading, footprint)
            });
            let done = match tokio::time::timeout(READ_TIMEOUT, &mut read).await {
                Ok(done) => done,
                Err(_elapsed) => {
                    let seconds = READ_TIMEOUT.as_secs();
                    warn!("memory not readable for {seconds} s; the worker count stays as it is");
                    read.await
                }
            };
            let (reading, footprint);
            (self.reader, reading, footprint) = match done {
                Ok(done) => done,
                Err(error) => {
                    error!(%error, "memory can no longer be read: internal error; the worker count no longer depends on it");
                    return;
                }
            };
            let limit = self.scaler.observe(started.elapsed(), &reading, status.worker_count, status.worker_wanted);
            let before = last.replace(limit);
            report(before, limit, reading.usage(), status.worker_wanted);
            let task_count = Handle::current().metrics().num_alive_tasks();
            let sample = ResourceSample { reading, limit, footprint, task_count };
            if is_quiet(&status) {
                for (what, then, now) in leaks.observe_idle(status.worker_count, &counts(&sample)) {
                    let what = what.as_str();
                    warn!("possible leak: {now} {what} while idle, up from {then}");
                }
            }
            self.events.input(Input::Sampled(sample));
        }
    }
}

/// Logs what changed: the number of workers, or how short memory is.
fn report(before: Option<MemoryLimit>, limit: MemoryLimit, usage: f64, wanted: usize) {
    let percent = usage * 100.0;
    let MemoryLimit { level, cap } = limit;
    let cap = cap.min(wanted); // what a person sees change
    let before = before.map(|before| MemoryLimit { cap: before.cap.min(wanted), ..before });
    match before {
        Some(before) if before.cap > cap => warn!("{percent:.0} % of memory is in use: at most {} now", workers(cap)),
        Some(before) if before.cap < cap => info!("{percent:.0} % of memory is in use: up to {} again", workers(cap)),
        Some(before) if before.level != level && before.level.max(level) >= MemoryLevel::High => {
            info!("{percent:.0} % of memory is in use: pressure is {level}");
        }
        _ => debug!(usage, %level, cap, "memory read"),
    }
}

/// Whether nothing is under way: then the counts should be what they were at the last such moment.
fn is_quiet(status: &PoolStatus) -> bool {
    let is_at_rest = |state| matches!(state, WorkerState::Idle | WorkerState::Failed);
    status.tasks.running == 0 && status.workers.values().all(|worker| is_at_rest(worker.status))
}

/// `1 worker`, `2 workers`.
fn workers(count: usize) -> String {
    if count == 1 { "1 worker".to_owned() } else { format!("{count} workers") }
}

fn counts(sample: &ResourceSample) -> Vec<(LeakKind, usize)> {
    let descriptors = sample.reading.descriptor_count.map(|count| (LeakKind::Descriptors, count));
    let rest = [
        (LeakKind::Tasks, sample.task_count),
        (LeakKind::Processes, sample.reading.process_count),
        (LeakKind::Profiles, sample.footprint.profile_count),
    ];
    descriptors.into_iter().chain(rest).collect()
}
