//! How a run ends whose sessions have several orders in work.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use coupa_batch::model::{OrderStatus, Stage};
use coupa_batch::pool::{ShutdownHandler, ShutdownStep, TaskStatus};

use super::{hold, pool, release, resumed, workers};
use crate::doubles::{Remote, Script, orders};
use crate::memory::until;

#[tokio::test(start_paused = true)]
async fn a_drain_lets_all_orders_of_a_session_finish_and_starts_no_other() {
    let (pool, remote, _) = pool(workers(1), 3);
    hold(&remote, 1..=3);
    let handles = pool.submit_tasks(orders(1..=6)).await.unwrap();
    remote.until_started(3).await;
    let mut signals = ShutdownHandler::new(pool.control());
    assert_eq!(signals.escalate().await, ShutdownStep::Draining);
    for (number, ended) in [(3, 1), (1, 2), (2, 3)] {
        assert_eq!(remote.open_sessions.load(Ordering::SeqCst), 1);
        release(&remote, [number]);
        until(&pool, |status| status.tasks.completed == ended).await;
    }
    pool.wait_for_completion(None).await.unwrap_err();
    let report = pool.shutdown().await.unwrap();
    assert!(handles[..3].iter().all(|handle| handle.outcome().unwrap().status() == OrderStatus::Completed));
    assert!(handles[3..].iter().all(|handle| handle.status() == TaskStatus::NotDone));
    assert_eq!(remote.started_orders().len(), 3);
    assert_eq!((remote.open_sessions.load(Ordering::SeqCst), remote.killed.load(Ordering::SeqCst)), (0, 0));
    assert!(report.leftovers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_abort_cancels_all_orders_of_a_session_and_the_run_continues_with_each_of_them() {
    let (first, remote, _) = pool(workers(2), 3);
    for number in 1..=6 {
        remote.script(&format!("PO{number}"), [Script::Hang]);
    }
    first.submit_tasks(orders(1..=9)).await.unwrap();
    remote.until_started(6).await;
    first.control().abort().await.unwrap();
    let report = first.shutdown().await.unwrap();
    assert_eq!(report.status.pool_status, Stage::Closed);
    assert!(report.history.tasks.values().all(|task| task.outcome().is_none() && task.counts().counted == 0));
    assert!(report.history.tasks.values().all(|task| task.counts().shared_crashes == 0));
    assert_eq!((remote.open_sessions.load(Ordering::SeqCst), remote.killed.load(Ordering::SeqCst)), (0, 0));

    let (second, _) = resumed(workers(2), 3, &remote, report.history);
    second.wait_for_completion(None).await.unwrap();
    assert_eq!(second.shutdown().await.unwrap().status.tasks.completed, 9);
    assert_eq!(remote.started_orders().len(), 6 + 9);
}

#[tokio::test(start_paused = true)]
async fn orders_that_ignore_the_abort_are_left_open_with_their_session_killed() {
    let (pool, remote, _) = pool(workers(1), 3);
    for number in 1..=3 {
        remote.script(&format!("PO{number}"), [Script::Ignore]);
    }
    pool.submit_tasks(orders(1..=3)).await.unwrap();
    remote.until_started(3).await;
    pool.control().abort().await.unwrap();
    let history = pool.shutdown().await.unwrap().history;
    assert!(history.tasks.values().all(|task| task.outcome().is_none()));
    let counts: Vec<_> = history.tasks.values().map(|task| task.counts()).collect();
    assert!(counts.iter().all(|counts| counts.counted == 0 && counts.shared_crashes == 0), "{counts:?}");
    assert!(remote.killed.load(Ordering::SeqCst) >= 1);
    assert_eq!(remote.open_sessions.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_dropped_leaves_each_order_of_a_session_to_be_repeated_at_no_cost() {
    let (first, remote, _) = pool(workers(1), 3);
    hold(&remote, 1..=3);
    first.submit_tasks(orders(1..=3)).await.unwrap();
    remote.until_started(3).await;
    let history = first.history().await.unwrap(); // what a killed program leaves in its journal
    drop(first);
    let remote = Arc::new(Remote::default());
    let (second, site) = resumed(workers(1), 3, &remote, history);
    second.wait_for_completion(None).await.unwrap();
    let report = second.shutdown().await.unwrap();
    assert_eq!(report.status.tasks.completed, 3);
    let counts: Vec<_> = report.history.tasks.values().map(|task| task.counts()).collect();
    assert!(counts.iter().all(|counts| (counts.counted, counts.interruptions) == (0, 1)), "{counts:?}");
    assert!(site.handed().iter().all(|(_, is_alone, _)| !is_alone));
}
