//! Memory that runs short.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use coupa_batch::PersistentWorkerPool;
use coupa_batch::download::Claim;
use coupa_batch::gauge::SystemGauge;
use coupa_batch::journal::MemoryJournal;
use coupa_batch::model::{MemoryReading, RunId, WorkerId};
use coupa_batch::ports::MemoryGauge;
use coupa_batch::site::CoupaSite;

use crate::scene::Scene;

/// The system's own gauge, but for a limit that the test moves: what the browsers hold is measured, what they may hold
/// is said.
pub(crate) struct Limited {
    gauge: SystemGauge,
    limit: Arc<AtomicU64>,
}

impl MemoryGauge for Limited {
    fn read(&mut self, roots: &[(WorkerId, u32)]) -> MemoryReading {
        let reading = self.gauge.read(roots);
        let total_bytes = self.limit.load(Ordering::SeqCst);
        let held = reading.workers.values().sum::<u64>() + reading.own_bytes;
        let available_bytes = total_bytes.saturating_sub(held);
        // the machine's own troubles are not this test's
        MemoryReading { total_bytes, available_bytes, some_stalled: None, all_stalled: None, cpu: None, ..reading }
    }
}

/// A pool as `PersistentWorkerPool::start` makes it, but for its gauge.
pub(crate) fn start(scene: &Scene, limit: &Arc<AtomicU64>) -> PersistentWorkerPool {
    let claim = Arc::new(Claim::take(scene.out.path()).unwrap());
    let config = scene.config.clone();
    let site = CoupaSite::new(&config.site, claim, config.deadlines, &RunId::new("chaos")).unwrap();
    PersistentWorkerPool::builder(config)
        .sessions(Arc::new(scene.rig.factory.clone()))
        .site(Arc::new(site))
        .journal(Arc::new(MemoryJournal::new()))
        .gauge(Box::new(Limited { gauge: SystemGauge::new(), limit: Arc::clone(limit) }))
        .start()
        .unwrap()
}
