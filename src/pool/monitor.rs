//! Watches memory, processors and what stands on the machine, tells the heart what it found, and warns of leaks.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{debug, error, info, warn};

use super::control::PoolControl;
use crate::backend::{MemoryReader, SessionFactory};
use crate::config::MemoryConfig;
use crate::model::{MemoryLevel, PoolStatus, WorkerState};
use crate::policy::{LeakDetector, LeakKind, MemoryLimit, MemoryScaler};
use crate::pool::scheduler::{Input, ResourceSample};

/// A reading that takes longer than this is told of: the host is busy with something else. It is waited for all the same,
/// since there is one gauge.
const READ_DEADLINE: Duration = Duration::from_secs(10);

/// Samples the host's memory and each worker's process tree, and lowers the number of workers while memory is short.
pub struct MemoryMonitor {
    pub(crate) config: MemoryConfig,
    pub(crate) scale: MemoryScaler,
    pub(crate) gauge: Box<dyn MemoryReader>,
    pub(crate) sessions: Arc<dyn SessionFactory>,
    pub(crate) control: PoolControl,
    pub(crate) snapshot: watch::Receiver<Arc<PoolStatus>>,
}

impl MemoryMonitor {
    /// Runs until the pool closes. Dropping the future stops the sampling.
    pub(crate) async fn run(mut self) {
        let mut ticks = tokio::time::interval(self.config.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let started = Instant::now();
        let mut last: Option<MemoryLimit> = None;
        let mut leaks = LeakDetector::default();
        loop {
            ticks.tick().await;
            let status = Arc::clone(&self.snapshot.borrow());
            let roots: Vec<_> = status.workers.iter().filter_map(|(worker, view)| Some((*worker, view.pid?))).collect();
            let (mut gauge, sessions) = (self.gauge, Arc::clone(&self.sessions));
            let mut look = tokio::task::spawn_blocking(move || {
                let (reading, footprint) = (gauge.read(&roots), sessions.footprint());
                (gauge, reading, footprint)
            });
            let looked = match tokio::time::timeout(READ_DEADLINE, &mut look).await {
                Ok(looked) => looked,
                Err(_elapsed) => {
                    warn!("memory was not read within {READ_DEADLINE:?}: until it is, the number of workers stays");
                    look.await
                }
            };
            let (reading, footprint);
            (self.gauge, reading, footprint) = match looked {
                Ok(looked) => looked,
                Err(broke) => {
                    error!(%broke, "reading memory broke off: the number of workers no longer depends on it");
                    return;
                }
            };
            let room = self.scale.read(started.elapsed(), &reading, status.worker_count, status.worker_wanted);
            let before = last.replace(room);
            tell(before, room, reading.usage(), status.worker_wanted);
            let task_count = Handle::current().metrics().num_alive_tasks();
            let sample = ResourceSample { reading, room, footprint, task_count };
            if is_quiet(&status) {
                for (what, then, now) in leaks.observe_idle(status.worker_count, &counts(&sample)) {
                    let what = what.as_str();
                    warn!("{now} {what} without any work, where there were {then}: something is leaking");
                }
            }
            self.control.note(Input::Sampled(sample));
        }
    }
}

/// Says what has changed for a person: the number of workers, or how short memory is.
fn tell(before: Option<MemoryLimit>, room: MemoryLimit, usage: f64, wanted: usize) {
    let percent = usage * 100.0;
    let MemoryLimit { level, cap } = room;
    let cap = cap.min(wanted); // what a person sees change
    let before = before.map(|before| MemoryLimit { cap: before.cap.min(wanted), ..before });
    match before {
        Some(before) if before.cap > cap => warn!("{percent:.0} % of the memory is in use: at most {cap} workers now"),
        Some(before) if before.cap < cap => info!("{percent:.0} % of the memory is in use: up to {cap} workers again"),
        Some(before) if before.level != level && before.level.max(level) >= MemoryLevel::High => {
            info!("{percent:.0} % of the memory is in use, which is {level}");
        }
        _ => debug!(usage, %level, cap, "memory read"),
    }
}

/// Whether nothing is under way: then what is counted should be what it was at the last such moment.
fn is_quiet(status: &PoolStatus) -> bool {
    let is_at_rest = |state| matches!(state, WorkerState::Idle | WorkerState::Failed);
    status.tasks.running == 0 && status.workers.values().all(|worker| is_at_rest(worker.status))
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
