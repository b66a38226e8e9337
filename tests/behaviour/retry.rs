use std::sync::Arc;
use std::sync::atomic::Ordering;

use coupa_batch::model::{FailureKind, OrderStatus, StopKind};

use crate::doubles::{Remote, Script, orders, pool};

#[tokio::test(start_paused = true)]
async fn what_cannot_get_better_is_tried_once() {
    let (pool, remote) = pool(1);
    remote.script("PO1", [Script::Fail(FailureKind::OrderMissing)]);
    remote.script("PO2", [Script::Fail(FailureKind::AccessDenied)]);
    remote.script("PO3", [Script::Fail(FailureKind::RequisitionDenied)]);
    let handles = pool.submit_tasks(orders(1..=3)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap();
    let statuses: Vec<_> = handles.iter().map(|handle| handle.outcome().unwrap().status()).collect();
    assert_eq!(statuses, [OrderStatus::PoNotFound, OrderStatus::AccessDenied, OrderStatus::PrNotAccessible]);
    assert_eq!(remote.started_orders().len(), 3);
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stalled_download_is_tried_again_and_succeeds() {
    let (pool, remote) = pool(1);
    remote.script("PO1", [Script::Fail(FailureKind::DownloadStalled), Script::Fail(FailureKind::StepTimeout)]);
    let handles = pool.submit_tasks(orders([1])).await.unwrap();
    assert_eq!(handles[0].wait(None).await.unwrap().status(), OrderStatus::Completed);
    assert_eq!(remote.started_orders().len(), 3);
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn others_pass_while_one_waits_for_its_next_try() {
    let (pool, remote) = pool(1);
    remote.script("PO1", [Script::Fail(FailureKind::DownloadStalled)]);
    pool.submit_tasks(orders(1..=3)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap();
    assert_eq!(remote.started_orders(), ["PO1", "PO2", "PO3", "PO1"]);
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_budget_ends_and_what_is_there_makes_it_partial() {
    let (pool, remote) = pool(1);
    remote.script("PO1", vec![Script::FailPartly(FailureKind::DownloadCorrupt); 9]);
    remote.script("PO2", vec![Script::Fail(FailureKind::DownloadCorrupt); 9]);
    let handles = pool.submit_tasks(orders(1..=2)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap();
    assert_eq!(handles[0].outcome().unwrap().status(), OrderStatus::Partial);
    assert_eq!(handles[0].outcome().unwrap().files().len(), 1);
    assert_eq!(handles[1].outcome().unwrap().status(), OrderStatus::Failed);
    assert_eq!(remote.started_orders().len(), 8, "one try and three retries each");
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_crashed_workers_order_ends_with_another_one() {
    let (pool, remote) = pool(2);
    remote.script("PO1", [Script::Panic]);
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
    remote.script("PO1", [Script::Ignore]);
    let handles = pool.submit_tasks(orders([1])).await.unwrap();
    assert_eq!(handles[0].wait(None).await.unwrap().status(), OrderStatus::Completed);
    assert_eq!(remote.killed.load(Ordering::SeqCst), 1, "the session that did not answer");
    assert_eq!(remote.opened.load(Ordering::SeqCst), 2, "and its replacement");
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_stops_the_run_and_leaves_the_orders_open() {
    let (pool, remote) = pool(1);
    remote.refuse_finalize.store(true, Ordering::SeqCst);
    pool.submit_tasks(orders(1..=3)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap_err();
    let report = pool.shutdown().await.unwrap();
    assert_eq!(report.status.stopped_because.as_ref().unwrap().kind, StopKind::DiskFull);
    assert!(report.history.tasks.values().all(|state| state.outcome().is_none()));
}

/// A pool whose one order has failed once and waits for its next try, with its handle.
async fn waiting_after(script: Script) -> (coupa_batch::PersistentWorkerPool, Arc<Remote>, coupa_batch::TaskHandle) {
    let (pool, remote) = pool(1);
    remote.script("PO1", [script]);
    let handle = pool.submit_tasks(orders([1])).await.unwrap().remove(0);
    let mut statuses = pool.watch();
    remote.until_started(1).await;
    statuses.wait_for(|status| status.tasks.pending == 1).await.unwrap();
    (pool, remote, handle)
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_order_that_cannot_be_finalized_stops_the_run_because_of_the_disk() {
    let (pool, remote, handle) = waiting_after(Script::FailPartly(FailureKind::DownloadStalled)).await;
    remote.refuse_finalize.store(true, Ordering::SeqCst);
    assert!(handle.cancel().await.unwrap());
    pool.wait_for_completion(None).await.unwrap_err();
    let report = pool.shutdown().await.unwrap();
    assert_eq!(report.status.stopped_because.as_ref().unwrap().kind, StopKind::DiskFull, "{:?}", report.status);
    let state = report.history.tasks.values().next().unwrap();
    assert_eq!((state.outcome(), state.receipt().unwrap().files.len()), (None, 1), "it stays open as it was");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_order_reports_the_files_that_earlier_attempts_placed() {
    let (pool, _, handle) = waiting_after(Script::FailPartly(FailureKind::DownloadStalled)).await;
    assert!(handle.cancel().await.unwrap());
    pool.wait_for_completion(None).await.unwrap();
    let outcome = handle.outcome().unwrap();
    assert_eq!((outcome.status(), outcome.files().len()), (OrderStatus::Skipped, 1));
    assert_eq!(pool.shutdown().await.unwrap().status.tasks.files, 1);
}

#[tokio::test(start_paused = true)]
async fn what_an_attempt_without_files_learned_survives_in_the_journal() {
    let (pool, _, _) = waiting_after(Script::FailKnowingSupplier(FailureKind::StepTimeout)).await;
    let report = pool.shutdown().await.unwrap();
    let state = report.history.tasks.values().next().unwrap();
    assert_eq!(state.receipt().and_then(|receipt| receipt.supplier.as_deref()), Some("Double"));
}

#[tokio::test(start_paused = true)]
async fn the_files_of_an_attempt_that_was_ended_from_outside_are_known_to_all_who_come_after_it() {
    for script in [Script::IgnorePartly, Script::PanicPartly] {
        let (pool, remote) = pool(1);
        remote.script("PO1", [script, Script::Fail(FailureKind::AccessDenied)]);
        let handles = pool.submit_tasks(orders([1])).await.unwrap();
        let outcome = handles[0].wait(None).await.unwrap();
        assert_eq!((remote.started_orders().len(), outcome.files().len()), (2, 1), "{script:?}: {outcome:?}");
        pool.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_files_of_an_attempt_that_an_abort_ended_are_in_the_journal() {
    let (pool, remote) = pool(1);
    remote.script("PO1", [Script::IgnorePartly]);
    pool.submit_tasks(orders([1])).await.unwrap();
    remote.until_started(1).await;
    pool.control().abort().await.unwrap();
    let report = pool.shutdown().await.unwrap();
    let state = report.history.tasks.values().next().unwrap();
    assert_eq!((state.outcome(), state.receipt().map(|receipt| receipt.files.len())), (None, Some(1)));
}
