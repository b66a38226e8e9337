use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use coupa_batch::backend::{Attempt, AttemptError, BoxFuture, Session, Site};
use coupa_batch::config::PoolConfig;
use coupa_batch::journal::MemoryJournal;
use coupa_batch::model::{OrderStatus, Outcome, PoTask, Receipt, Stage, StopKind, WorkerId};
use coupa_batch::pool::{PersistentWorkerPool, ShutdownHandler, ShutdownStep, SubmitError, TaskStatus};

use crate::doubles::{Remote, Script, StubSessions, orders, pool};

#[tokio::test(start_paused = true)]
async fn drain_lets_the_running_attempt_finish_and_starts_no_other() {
    let (pool, remote) = pool(1);
    remote.hold("PO1");
    let handles = pool.submit_tasks(orders(1..=3)).await.unwrap();
    remote.until_started(1).await;
    let mut signals = ShutdownHandler::new(pool.control());
    assert_eq!(signals.escalate().await, ShutdownStep::Draining);
    remote.release("PO1");
    pool.wait_for_completion(None).await.unwrap_err();
    assert!(matches!(pool.submit_tasks(orders([9])).await.unwrap_err(), SubmitError::Closed { .. }));
    let report = pool.shutdown().await.unwrap();
    assert_eq!(handles[0].outcome().unwrap().status(), OrderStatus::Completed);
    assert_eq!(handles[1].status(), TaskStatus::NotDone);
    assert_eq!(remote.started_orders(), ["PO1"]);
    assert_eq!(report.status.stopped_because.as_ref().unwrap().kind, StopKind::Requested);
    assert_eq!(remote.open_sessions.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn the_second_signal_cancels_what_runs_and_costs_it_nothing() {
    let (pool, remote) = pool(2);
    remote.script("PO1", [Script::Hang]);
    let handles = pool.submit_tasks(orders(1..=1)).await.unwrap();
    remote.until_started(1).await;
    let mut signals = ShutdownHandler::new(pool.control());
    signals.escalate().await;
    assert_eq!(pool.status().tasks.running, 1);
    assert_eq!(signals.escalate().await, ShutdownStep::Aborting);
    pool.wait_for_completion(None).await.unwrap_err();
    let report = pool.shutdown().await.unwrap();
    assert_eq!(handles[0].status(), TaskStatus::NotDone);
    let state = report.history.tasks.values().next().unwrap();
    assert_eq!((state.counts().counted, state.outcome()), (0, None), "{state:?}");
}

/// No folder ever gets its final name.
struct StalledDisk;

impl Site for StalledDisk {
    fn log_in<'a>(&'a self, _: WorkerId, _: &'a mut dyn Session) -> BoxFuture<'a, Result<(), AttemptError>> {
        Box::pin(std::future::ready(Ok(())))
    }
    fn collect<'a>(&'a self, _: &'a mut dyn Session, _: &'a Attempt) -> BoxFuture<'a, Result<Receipt, AttemptError>> {
        Box::pin(std::future::ready(Ok(Receipt::default())))
    }
    fn finalize<'a>(&'a self, _: &'a PoTask, _: Outcome) -> BoxFuture<'a, Result<Outcome, AttemptError>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_stands_still_while_an_order_is_finalized_does_not_keep_the_pool_from_ending() {
    let remote = Arc::new(Remote::default());
    let pool = PersistentWorkerPool::builder(PoolConfig::builder().worker_count(1).build().unwrap())
        .sessions(Arc::new(StubSessions(Arc::clone(&remote))))
        .site(Arc::new(StalledDisk))
        .journal(Arc::new(MemoryJournal::new()))
        .start()
        .unwrap();
    let handles = pool.submit_tasks(orders([1])).await.unwrap();
    let mut statuses = pool.watch();
    statuses.wait_for(|status| status.workers.values().any(|worker| worker.attempt_count > 0)).await.unwrap();
    let mut signals = ShutdownHandler::new(pool.control());
    for step in [ShutdownStep::Draining, ShutdownStep::Aborting, ShutdownStep::Killed] {
        assert_eq!(signals.escalate().await, step);
    }
    pool.wait_for_completion(None).await.unwrap_err();
    let report = pool.shutdown().await.unwrap();
    assert_eq!(handles[0].status(), TaskStatus::NotDone);
    assert_eq!((report.status.tasks.pending, report.status.tasks.running), (1, 0));
    assert_eq!(remote.open_sessions.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_takes_too_long_becomes_an_abort() {
    let (pool, remote) = pool(1);
    remote.script("PO1", [Script::Ignore]);
    pool.submit_tasks(orders([1])).await.unwrap();
    remote.until_started(1).await;
    pool.control().drain().await.unwrap();
    let begun = tokio::time::Instant::now();
    pool.wait_for_completion(None).await.unwrap_err();
    assert!(begun.elapsed() >= Duration::from_secs(120), "the clock is paused: this is virtual time");
    assert_eq!(pool.status().pool_status, Stage::Aborting);
    pool.shutdown().await.unwrap();
    assert_eq!(remote.open_sessions.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn the_third_signal_kills_every_session() {
    let (pool, remote) = pool(3);
    remote.script("PO1", [Script::Ignore]);
    pool.submit_tasks(orders([1])).await.unwrap();
    remote.until_started(1).await;
    let mut signals = ShutdownHandler::new(pool.control());
    signals.escalate().await;
    signals.escalate().await;
    assert_eq!(signals.escalate().await, ShutdownStep::Killed);
    pool.shutdown().await.unwrap();
    assert!(remote.killed.load(Ordering::SeqCst) >= 1);
    assert_eq!(remote.open_sessions.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_pool_leaves_no_session() {
    let (pool, remote) = pool(2);
    remote.script("PO1", [Script::Ignore]);
    pool.submit_tasks(orders(1..=4)).await.unwrap();
    remote.until_started(2).await;
    drop(pool);
    // the workers are dropped by the runtime, one turn later
    tokio::time::timeout(Duration::from_secs(5), async {
        while remote.open_sessions.load(Ordering::SeqCst) > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn shutdown_of_an_idle_pool_is_clean() {
    let (pool, remote) = pool(4);
    pool.wait_until_ready().await.unwrap();
    let report = pool.shutdown().await.unwrap();
    assert!(report.leftovers.is_empty() && report.history.tasks.is_empty());
    assert_eq!(remote.open_sessions.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_an_order_of_a_dropped_pool_is_told() {
    let (pool, remote) = pool(1);
    remote.script("PO1", [Script::Hang]);
    let handles = pool.submit_tasks(orders(1..=2)).await.unwrap();
    remote.until_started(1).await;
    drop(pool);
    for handle in &handles {
        handle.wait(None).await.unwrap_err();
        assert_eq!(handle.status(), TaskStatus::NotDone);
    }
}
