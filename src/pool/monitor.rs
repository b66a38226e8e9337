//! Watches memory and tells the heart how many workers it bears.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{debug, warn};

use super::control::Control;
use super::core::Input;
use crate::config::MemoryConfig;
use crate::model::{MemoryReading, PoolStatus};
use crate::policy::MemoryScale;
use crate::ports::MemoryGauge;

/// A reading that takes longer than this is left out: the host is busy with something else.
const READ_DEADLINE: Duration = Duration::from_secs(10);

/// Samples the host's memory and each worker's process tree, and lowers the number of workers while memory is short.
pub struct MemoryMonitor {
    pub(super) config: MemoryConfig,
    pub(super) scale: MemoryScale,
    pub(super) gauge: Box<dyn MemoryGauge>,
    pub(super) control: Control,
    pub(super) snapshot: watch::Receiver<Arc<PoolStatus>>,
}

impl MemoryMonitor {
    /// Runs until the pool closes. Dropping the future stops the sampling.
    pub(super) async fn run(mut self) {
        let mut ticks = tokio::time::interval(self.config.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let started = Instant::now();
        let mut last_cap = None;
        loop {
            ticks.tick().await;
            let roots: Vec<_> = {
                let status = self.snapshot.borrow();
                status.workers.iter().filter_map(|(worker, view)| Some((*worker, view.pid?))).collect()
            };
            let mut gauge = self.gauge;
            let reading = tokio::task::spawn_blocking(move || {
                let reading: MemoryReading = gauge.read(&roots);
                (gauge, reading)
            });
            let Ok(Ok((gauge, reading))) = tokio::time::timeout(READ_DEADLINE, reading).await else {
                warn!("memory could not be read within {READ_DEADLINE:?}: the number of workers stays as it is");
                return;
            };
            self.gauge = gauge;
            let cap = self.scale.read(started.elapsed(), &reading);
            if last_cap.replace(cap).is_some_and(|last| last != cap) {
                let percent = reading.usage() * 100.0;
                warn!("{percent:.0} % of the memory is in use: at most {cap} workers now");
            } else {
                debug!(usage = reading.usage(), cap, "memory read");
            }
            self.control.note(Input::Memory { reading, cap });
        }
    }
}
