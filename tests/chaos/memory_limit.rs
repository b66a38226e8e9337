//! Memory that runs short.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use coupa_batch::PersistentWorkerPool;
use coupa_batch::backend::MemoryReader;
use coupa_batch::browser::BrowserFactory;
use coupa_batch::download::OutputLock;
use coupa_batch::host::HostMemory;
use coupa_batch::journal::MemoryJournal;
use coupa_batch::model::{MemoryReading, PoTask, RunId, WorkerId};
use coupa_batch::site::PortalSite;

use crate::pool::Scenario;

/// More than the browsers of a test ever hold.
pub(crate) const PLENTY: u64 = 64_000_000_000;

/// The system's own gauge, but for a limit that the test moves: what the browsers hold is measured, what they may hold
/// is said.
pub(crate) struct LimitedMemory {
    gauge: HostMemory,
    limit: Arc<AtomicU64>,
}

impl MemoryReader for LimitedMemory {
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
pub(crate) fn start(scenario: &Scenario, limit: &Arc<AtomicU64>) -> PersistentWorkerPool {
    let claim = Arc::new(OutputLock::take(scenario.out.path()).unwrap());
    let config = scenario.config.clone();
    let site = PortalSite::new(&config.site, claim, config.deadlines, &RunId::new("chaos")).unwrap();
    let sessions = BrowserFactory::new(&config.browser, &config.profiles, config.deadlines).unwrap();
    PersistentWorkerPool::builder(config)
        .sessions(Arc::new(sessions))
        .site(Arc::new(site))
        .journal(Arc::new(MemoryJournal::new()))
        .memory(Box::new(LimitedMemory { gauge: HostMemory::new(), limit: Arc::clone(limit) }))
        .start()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_shrinking_limit_six_browsers_become_two_and_six_again_while_the_batch_completes() {
    let _turn = crate::turn().await;
    let Some(mut scenario) = Scenario::new(20, 6).await else { return };
    scenario.config.scaling.min = NonZeroUsize::MIN.saturating_add(1);
    scenario.config.memory.interval = Duration::from_millis(500);
    scenario.config.memory.cool_down = Duration::from_secs(2);
    let limit = Arc::new(AtomicU64::new(PLENTY));
    let pool = start(&scenario, &limit);
    let mut statuses = pool.watch();
    statuses.wait_for(|status| status.worker_count == 6 && status.memory.workers.len() == 6).await.unwrap();
    let rounds = async {
        let mut handles = Vec::new();
        loop {
            let round = pool.submit_tasks(scenario.orders().into_iter().map(PoTask::new)).await.unwrap();
            pool.wait_for_completion(None).await.unwrap();
            scenario.check(&round);
            handles.extend(round);
        }
    };
    let shrinking = async {
        // four fifths of the limit are held, whatever that is at the moment
        while statuses.borrow_and_update().worker_count > 2 {
            let status = pool.status();
            let held = status.memory.workers.values().sum::<u64>() + status.memory.own_bytes;
            limit.store(held / 4 * 5, Ordering::SeqCst);
            println!("{} workers hold {held} bytes, memory is {}", status.worker_count, status.memory_level);
            statuses.changed().await.unwrap();
        }
        limit.store(PLENTY, Ordering::SeqCst);
        statuses.wait_for(|status| status.worker_count == 6).await.unwrap();
    };
    tokio::select! {
        // a round that is under way is finished below
        () = shrinking => {}
        () = rounds => unreachable!("it goes on for ever"),
        () = tokio::time::sleep(Duration::from_secs(180)) => panic!("it never came: {:?}", pool.status()),
    }
    pool.wait_for_completion(None).await.unwrap();
    let status = pool.status();
    assert_eq!((status.tasks.settled(), status.tasks.partial), (status.tasks.admitted, 0));
    assert_eq!(status.stopped_because, None);
    scenario.end(pool).await;
}
