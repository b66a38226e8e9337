//! Memory as a pool measures it, for a program that follows it.

use std::sync::Arc;

use tokio::sync::watch;

use crate::model::{MemoryLevel, MemoryReading, PoolStatus, Stage};

/// The share in use must fall this far below a threshold before the callback is called again.
const REARM_MARGIN: f64 = 0.10;

/// Follows the memory of a pool: that of the host, of the program and of each worker's processes, read every
/// `memory_interval`. From [`PersistentWorkerPool::memory_monitor`](crate::PersistentWorkerPool::memory_monitor). Cloning is
/// cheap, dropping it changes nothing. Once the pool has closed it keeps the last reading.
#[derive(Clone, Debug)]
pub struct MemoryMonitor {
    statuses: watch::Receiver<Arc<PoolStatus>>,
}

impl MemoryMonitor {
    pub(crate) fn new(statuses: watch::Receiver<Arc<PoolStatus>>) -> Self {
        Self { statuses }
    }

    /// The last reading; of a pool that has read nothing yet, an empty one. Never blocks.
    #[must_use]
    pub fn reading(&self) -> MemoryReading {
        self.statuses.borrow().memory.clone()
    }

    /// How short memory is. From [`MemoryLevel::High`] on the pool retires workers. Never blocks.
    #[must_use]
    pub fn level(&self) -> MemoryLevel {
        self.statuses.borrow().memory_level
    }

    /// Calls `callback` when the share of memory in use (0 to 1) reaches `threshold`, and again only after it was 0.1 below.
    /// The callback gets the reading. It runs on a thread of the runtime, so it should return soon. It ends with the pool;
    /// if it panics, it is not called again. Needs a tokio runtime.
    pub fn on_pressure(&self, threshold: f64, mut callback: impl FnMut(&MemoryReading) + Send + 'static) {
        let mut statuses = self.statuses.clone();
        tokio::spawn(async move {
            let mut is_armed = true;
            loop {
                let status = Arc::clone(&statuses.borrow_and_update());
                let usage = status.memory.usage();
                if is_armed && usage >= threshold {
                    is_armed = false;
                    callback(&status.memory);
                } else if usage < threshold - REARM_MARGIN {
                    is_armed = true;
                }
                if status.pool_status == Stage::Closed || statuses.changed().await.is_err() {
                    return;
                }
            }
        });
    }
}
