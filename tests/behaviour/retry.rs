use std::sync::atomic::Ordering;

use coupa_batch::model::{FailureKind, OrderStatus, StopKind};

use crate::doubles::{Play, orders, pool};

#[tokio::test(start_paused = true)]
async fn what_cannot_get_better_is_tried_once() {
    let (pool, remote) = pool(1);
    remote.play("PO1", [Play::Fail(FailureKind::OrderMissing)]);
    remote.play("PO2", [Play::Fail(FailureKind::AccessDenied)]);
    remote.play("PO3", [Play::Fail(FailureKind::RequisitionDenied)]);
    let handles = pool.submit_tasks(orders(1..=3)).await.unwrap();
    assert!(pool.wait_for_completion(None).await);
    let statuses: Vec<_> = handles.iter().map(|handle| handle.outcome().unwrap().status()).collect();
    assert_eq!(statuses, [OrderStatus::PoNotFound, OrderStatus::Failed, OrderStatus::PrNotAccessible]);
    assert_eq!(remote.started_orders().len(), 3);
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stalled_download_is_tried_again_and_succeeds() {
    let (pool, remote) = pool(1);
    remote.play("PO1", [Play::Fail(FailureKind::DownloadStalled), Play::Fail(FailureKind::StepTimeout)]);
    let handles = pool.submit_tasks(orders([1])).await.unwrap();
    assert_eq!(handles[0].wait(None).await.unwrap().status(), OrderStatus::Completed);
    assert_eq!(remote.started_orders().len(), 3);
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn others_pass_while_one_waits_for_its_next_try() {
    let (pool, remote) = pool(1);
    remote.play("PO1", [Play::Fail(FailureKind::DownloadStalled)]);
    pool.submit_tasks(orders(1..=3)).await.unwrap();
    assert!(pool.wait_for_completion(None).await);
    assert_eq!(remote.started_orders(), ["PO1", "PO2", "PO3", "PO1"]);
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_budget_ends_and_what_is_there_makes_it_partial() {
    let (pool, remote) = pool(1);
    remote.play("PO1", vec![Play::FailPartly(FailureKind::DownloadCorrupt); 9]);
    remote.play("PO2", vec![Play::Fail(FailureKind::DownloadCorrupt); 9]);
    let handles = pool.submit_tasks(orders(1..=2)).await.unwrap();
    assert!(pool.wait_for_completion(None).await);
    assert_eq!(handles[0].outcome().unwrap().status(), OrderStatus::Partial);
    assert_eq!(handles[0].outcome().unwrap().files().len(), 1);
    assert_eq!(handles[1].outcome().unwrap().status(), OrderStatus::Failed);
    assert_eq!(remote.started_orders().len(), 8, "one try and three retries each");
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_crashed_workers_order_ends_with_another_one() {
    let (pool, remote) = pool(2);
    remote.play("PO1", [Play::Panic]);
    let handles = pool.submit_tasks(orders([1])).await.unwrap();
    assert_eq!(handles[0].wait(None).await.unwrap().status(), OrderStatus::Completed);
    assert_eq!(remote.started_orders().len(), 2);
    let report = pool.shutdown().await.unwrap();
    assert!(report.leftovers.is_empty());
    assert_eq!(remote.open_sessions.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_answers_nothing_is_given_up_at_its_deadline() {
    let (pool, remote) = pool(1);
    remote.play("PO1", [Play::Ignore]);
    let handles = pool.submit_tasks(orders([1])).await.unwrap();
    assert_eq!(handles[0].wait(None).await.unwrap().status(), OrderStatus::Completed);
    assert_eq!(remote.killed.load(Ordering::SeqCst), 1, "the session that did not answer");
    assert_eq!(remote.opened.load(Ordering::SeqCst), 2, "and its replacement");
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_stops_the_run_and_leaves_the_orders_open() {
    let (pool, remote) = pool(1);
    remote.refuse_conclude.store(true, Ordering::SeqCst);
    pool.submit_tasks(orders(1..=3)).await.unwrap();
    assert!(!pool.wait_for_completion(None).await);
    let report = pool.shutdown().await.unwrap();
    assert_eq!(report.status.stopped_because.as_ref().unwrap().kind, StopKind::DiskFull);
    assert!(report.history.tasks.values().all(|state| state.outcome().is_none()));
}
