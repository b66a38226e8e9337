//! The number of workers: asked for, by load, by memory, and workers that cannot start.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use coupa_batch::backend::{MemoryReader, SessionError};
use coupa_batch::config::PoolConfig;
use coupa_batch::journal::MemoryJournal;
use coupa_batch::model::{DispatchState, MemoryReading, StopKind, WorkerId, WorkerState};
use coupa_batch::pool::{PersistentWorkerPool, WaitError};

use tokio::sync::Semaphore;

use crate::doubles::{Remote, ScriptedSite, StubSessions, config, orders, pool, start};

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
    pool.wait_until_ready().await.unwrap();
    assert_eq!(pool.status().dispatch, DispatchState::Paused);
    let limit = std::time::Duration::from_secs(60);
    let timed_out = pool.wait_for_completion(Some(limit)).await.unwrap_err();
    assert_eq!(timed_out, WaitError::CompletionTimedOut { open: 2, limit });
    assert!(remote.started_orders().is_empty());
    pool.control().resume().await.unwrap();
    pool.wait_for_completion(None).await.unwrap();
    pool.shutdown().await.unwrap();
}

/// Reads what the test wrote last.
struct FakeMemory(Arc<Mutex<u64>>);

impl MemoryReader for FakeMemory {
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
        .memory(Box::new(FakeMemory(Arc::clone(&used))))
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
        .memory(Box::new(FakeMemory(Arc::new(Mutex::new(90)))))
        .start()
        .unwrap();
    let mut snapshots = pool.watch();
    snapshots.wait_for(|status| status.workers.len() == 1 && status.worker_count == 1).await.unwrap();
    // the one that is left serves an order, is worn, and finds no browser for its next session
    remote.refuse_open.lock().unwrap().push_back(SessionError::Unusable("scripted".to_owned()));
    pool.submit_tasks(orders(1..=3)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap();
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
    pool.wait_for_completion(None).await.unwrap();
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_cannot_start_is_given_up_and_the_others_do_the_work() {
    let remote = Arc::new(Remote::default());
    let refusals = (0..3).map(|_| SessionError::NotStarted("scripted".to_owned()));
    remote.refuse_open.lock().unwrap().extend(refusals);
    let pool = start(config(1), &remote);
    // one worker, three failed starts: given up, and with it the run
    pool.submit_tasks(orders(1..=2)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap_err();
    let stop = pool.status().stopped_because.clone().unwrap();
    assert_eq!(stop.kind, StopKind::NoWorkers);
    assert!(stop.message.contains("scripted"), "{stop}");
    pool.shutdown().await.unwrap();

    let remote = Arc::new(Remote::default());
    remote.refuse_open.lock().unwrap().push_back(SessionError::Unusable("no browser".to_owned()));
    let pool = start(config(3), &remote);
    pool.submit_tasks(orders(1..=9)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap();
    let failed = pool.status().workers.values().filter(|view| view.status == WorkerState::Failed).count();
    assert_eq!(failed, 1);
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pool_whose_browser_can_never_start_says_so_and_ends() {
    let remote = Arc::new(Remote::default());
    let refusals = (0..4).map(|_| SessionError::Unusable("no browser here".to_owned()));
    remote.refuse_open.lock().unwrap().extend(refusals);
    let pool = start(config(4), &remote);
    pool.wait_until_ready().await.unwrap_err();
    assert_eq!(pool.status().stopped_because.as_ref().unwrap().kind, StopKind::NoWorkers);
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn sessions_start_side_by_side_and_the_first_one_gets_an_order_at_once() {
    let remote = Arc::new(Remote::default());
    let opening = Arc::new(Semaphore::new(0));
    *remote.opening.lock().unwrap() = Some(Arc::clone(&opening));
    let pool = start(config(4), &remote);
    remote.hold("1");
    pool.submit_tasks(orders(1..=9)).await.unwrap();
    while remote.asked_to_open.load(Ordering::SeqCst) < 4 {
        tokio::task::yield_now().await;
    }
    opening.add_permits(1);
    remote.until_started(1).await;
    assert_eq!(remote.opened.load(Ordering::SeqCst), 1, "three sessions are not open yet");
    opening.add_permits(99);
    remote.release("1");
    pool.wait_for_completion(None).await.unwrap();
    pool.shutdown().await.unwrap();
}
