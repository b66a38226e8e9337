use std::sync::Mutex;

use coupa_batch::backend::{MemoryReader, SessionError};
use coupa_batch::config::PoolConfig;
use coupa_batch::journal::MemoryJournal;
use coupa_batch::model::{DispatchState, MemoryReading, WorkerId};
use coupa_batch::pool::PersistentWorkerPool;

use crate::doubles::{Remote, ScriptedSite, StubSessions, config, orders, pool};
use std::sync::Arc;

#[tokio::test(start_paused = true)]
async fn scale_to_retires_and_brings_back_workers() {
    let (pool, _remote) = pool(4);
    let mut snapshots = pool.watch();
    snapshots.wait_for(|status| status.worker_count == 4).await.unwrap();
    pool.control().scale_to(1).await.unwrap();
    snapshots.wait_for(|status| status.workers.len() == 1).await.unwrap();
    pool.control().scale_to(3).await.unwrap();
    snapshots.wait_for(|status| status.worker_count == 3).await.unwrap();
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn pause_starts_nothing_until_resume() {
    let (pool, remote) = pool(2);
    pool.control().pause().await.unwrap();
    pool.submit_tasks(orders(1..=2)).await.unwrap();
    pool.wait_until_ready().await;
    assert_eq!(pool.status().dispatch, DispatchState::Paused);
    assert!(!pool.wait_for_completion(Some(std::time::Duration::from_secs(60))).await);
    assert!(remote.started_orders().is_empty());
    pool.control().resume().await.unwrap();
    assert!(pool.wait_for_completion(None).await);
    pool.shutdown().await.unwrap();
}

/// Reads what the test wrote last.
struct Dial(Arc<Mutex<u64>>);

impl MemoryReader for Dial {
    fn read(&mut self, roots: &[(WorkerId, u32)]) -> MemoryReading {
        assert!(roots.is_empty(), "stub sessions have no process");
        let used = *self.0.lock().unwrap();
        MemoryReading { total_bytes: 100, available_bytes: 100 - used, ..MemoryReading::default() }
    }
}

#[tokio::test(start_paused = true)]
async fn memory_pressure_retires_workers_and_relief_brings_them_back() {
    let remote = Arc::new(Remote::default());
    let used = Arc::new(Mutex::new(90));
    let pool = PersistentWorkerPool::builder(config(3))
        .sessions(Arc::new(StubSessions(Arc::clone(&remote))))
        .site(Arc::new(ScriptedSite(Arc::clone(&remote))))
        .journal(Arc::new(MemoryJournal::new()))
        .gauge(Box::new(Dial(Arc::clone(&used))))
        .start()
        .unwrap();
    let mut snapshots = pool.watch();
    snapshots.wait_for(|status| status.workers.len() == 1 && status.worker_count == 1).await.unwrap();
    *used.lock().unwrap() = 10;
    snapshots.wait_for(|status| status.worker_count == 3).await.unwrap();
    assert!((pool.status().memory.usage() - 0.1).abs() < 1e-9);
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_given_up_worker_leaves_room_for_one_that_memory_had_retired() {
    let remote = Arc::new(Remote::default());
    let config = PoolConfig::builder().worker_count(3).recycle_after(1).build().unwrap();
    let pool = PersistentWorkerPool::builder(config)
        .sessions(Arc::new(StubSessions(Arc::clone(&remote))))
        .site(Arc::new(ScriptedSite(Arc::clone(&remote))))
        .journal(Arc::new(MemoryJournal::new()))
        .gauge(Box::new(Dial(Arc::new(Mutex::new(90)))))
        .start()
        .unwrap();
    let mut snapshots = pool.watch();
    snapshots.wait_for(|status| status.workers.len() == 1 && status.worker_count == 1).await.unwrap();
    // the one that is left serves an order, is worn, and finds no browser for its next session
    remote.refuse_open.lock().unwrap().push_back(SessionError::Unusable("scripted".to_owned()));
    pool.submit_tasks(orders(1..=3)).await.unwrap();
    assert!(pool.wait_for_completion(None).await, "{:?}", pool.status().stopped_because);
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_automatic_pool_has_the_workers_that_its_orders_make_sense_of() {
    let remote = Arc::new(Remote::default());
    let pool = PersistentWorkerPool::builder(PoolConfig::builder().build().unwrap())
        .sessions(Arc::new(StubSessions(Arc::clone(&remote))))
        .site(Arc::new(ScriptedSite(Arc::clone(&remote))))
        .journal(Arc::new(MemoryJournal::new()))
        .expect_orders(1)
        .processor_count(2)
        .start()
        .unwrap();
    let mut snapshots = pool.watch();
    snapshots.wait_for(|status| status.worker_count == 1).await.unwrap();
    for po in 1..=30 {
        remote.hold(&format!("PO{po}"));
    }
    pool.submit_tasks(orders(1..=1)).await.unwrap();
    remote.until_started(1).await;
    assert_eq!(pool.status().worker_target, 1);
    pool.submit_tasks(orders(2..=30)).await.unwrap();
    remote.until_started(4).await;
    assert_eq!(pool.status().workers.len(), 4);
    for po in 1..=30 {
        remote.release(&format!("PO{po}"));
    }
    assert!(pool.wait_for_completion(None).await);
    pool.shutdown().await.unwrap();
}
