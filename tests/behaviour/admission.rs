//! Orders on their way in: admission, priority, handles, cancelling, a journal that refuses.

use std::sync::atomic::Ordering;

use coupa_batch::backend::JournalError;
use coupa_batch::model::{OrderStatus, PoTask, Stage, StopKind, TaskPriority};
use coupa_batch::pool::{SubmitError, TaskStatus, WaitError};

use crate::doubles::{Script, orders, pool};

#[tokio::test(start_paused = true)]
async fn every_order_ends_once_with_its_outcome() {
    let (pool, remote) = pool(3);
    remote.script("PO2", [Script::Empty]);
    let handles = pool.submit_tasks(orders(1..=20)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap();
    for handle in &handles {
        let wanted = if handle.po().digits() == "2" { OrderStatus::NoAttachments } else { OrderStatus::Completed };
        assert_eq!(handle.outcome().unwrap().status(), wanted, "{}", handle.po());
    }
    let report = pool.shutdown().await.unwrap();
    assert_eq!(report.status.tasks.completed, 19);
    assert_eq!(report.status.tasks.no_attachments, 1);
    assert_eq!(report.status.pool_status, Stage::Closed);
    assert_eq!(report.history.tasks.len(), 20);
    assert_eq!(remote.finalized.lock().unwrap().len(), 20);
    assert_eq!(remote.open_sessions.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn an_open_order_is_not_admitted_twice() {
    let (pool, remote) = pool(1);
    remote.hold("PO7");
    let first = pool.submit_task("PO7".parse().unwrap(), TaskPriority::Normal, Default::default()).await.unwrap();
    let second = pool.submit_task(" po-7".parse().unwrap(), TaskPriority::Urgent, Default::default()).await.unwrap();
    assert_eq!(first.id(), second.id());
    remote.release("PO7");
    assert!(second.wait(None).await.unwrap().is_success());
    assert_eq!(remote.started_orders(), ["PO7"]);
    // once it has ended, the same number is a new task
    let third = pool.submit_task("PO7".parse().unwrap(), TaskPriority::Normal, Default::default()).await.unwrap();
    assert_ne!(first.id(), third.id());
    third.wait(None).await.unwrap();
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn strict_between_priorities_and_first_in_first_out_within_one() {
    let (pool, remote) = pool(1);
    remote.hold("PO1");
    let first = pool.submit_tasks(orders([1])).await.unwrap();
    remote.until_started(1).await;
    let wave: Vec<PoTask> = [(2, TaskPriority::Low), (3, TaskPriority::Normal), (4, TaskPriority::Urgent)]
        .into_iter()
        .chain([(5, TaskPriority::High), (6, TaskPriority::Urgent), (7, TaskPriority::Normal)])
        .flat_map(|(number, priority)| orders([number]).into_iter().map(move |task| task.with_priority(priority)))
        .collect();
    pool.submit_tasks(wave).await.unwrap();
    remote.release("PO1");
    pool.wait_for_completion(None).await.unwrap();
    assert_eq!(remote.started_orders(), ["PO1", "PO4", "PO6", "PO5", "PO3", "PO7", "PO2"]);
    drop(first);
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_later_urgent_order_passes_all_that_wait() {
    let (pool, remote) = pool(1);
    remote.hold("PO1");
    pool.submit_tasks(orders(1..=5)).await.unwrap();
    remote.until_started(1).await;
    pool.submit_task("PO99".parse().unwrap(), TaskPriority::Urgent, Default::default()).await.unwrap();
    remote.release("PO1");
    pool.wait_for_completion(None).await.unwrap();
    assert_eq!(remote.started_orders()[1], "PO99");
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_waiting_order_can_be_cancelled_and_a_running_one_is_left_alone() {
    let (pool, remote) = pool(1);
    remote.hold("PO1");
    let handles = pool.submit_tasks(orders([1, 2])).await.unwrap();
    remote.until_started(1).await;
    assert!(!handles[0].cancel().await.unwrap());
    assert!(handles[1].cancel().await.unwrap());
    assert!(!handles[1].cancel().await.unwrap(), "twice");
    remote.release("PO1");
    assert_eq!(handles[0].wait(None).await.unwrap().status(), OrderStatus::Completed);
    assert_eq!(handles[1].wait(None).await.unwrap().status(), OrderStatus::Skipped);
    assert_eq!(remote.started_orders(), ["PO1"]);
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_is_accepted_that_the_journal_did_not_take() {
    let (pool, remote) = pool(1);
    remote.refuse_append.store(true, Ordering::SeqCst);
    let refused = pool.submit_tasks(orders([1])).await.unwrap_err();
    assert!(matches!(refused, SubmitError::Journal { .. }), "{refused}");
    assert!(std::error::Error::source(&refused).is_some_and(|source| source.is::<JournalError>()), "{refused:?}");
    let report = pool.shutdown().await.unwrap();
    assert_eq!(report.status.stopped_because.as_ref().unwrap().kind, StopKind::JournalUnusable);
    assert!(remote.started_orders().is_empty() && report.history.tasks.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_breaks_in_the_middle_stops_the_run() {
    let (pool, remote) = pool(2);
    remote.hold("PO1");
    let handles = pool.submit_tasks(orders(1..=9)).await.unwrap();
    remote.until_started(2).await;
    remote.refuse_append.store(true, Ordering::SeqCst);
    remote.release("PO1");
    pool.wait_for_completion(None).await.unwrap_err();
    let report = pool.shutdown().await.unwrap();
    assert_eq!(report.status.stopped_because.as_ref().unwrap().kind, StopKind::JournalUnusable);
    assert!(handles.iter().any(|handle| handle.status() == TaskStatus::NotDone));
    assert_eq!(remote.open_sessions.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn handles_of_a_closed_pool_say_that_the_order_was_not_done() {
    let (pool, remote) = pool(1);
    remote.hold("PO1");
    let handles = pool.submit_tasks(orders([1, 2])).await.unwrap();
    remote.until_started(1).await;
    pool.control().abort().await.unwrap();
    pool.shutdown().await.unwrap();
    for handle in &handles {
        handle.wait(None).await.unwrap_err();
        assert_eq!(handle.status(), TaskStatus::NotDone);
        handle.cancel().await.unwrap_err();
    }
}

#[tokio::test(start_paused = true)]
async fn a_handle_can_be_awaited_and_says_which_wait_ran_out() {
    let (pool, remote) = pool(1);
    remote.hold("PO1");
    let handle = pool.submit_tasks(orders([1])).await.unwrap().remove(0);
    let limit = std::time::Duration::from_secs(30);
    let timed_out = handle.wait(Some(limit)).await.unwrap_err();
    assert_eq!(timed_out, WaitError::OrderTimedOut { po: "PO1".parse().unwrap(), limit });
    remote.release("PO1");
    assert_eq!((&handle).await.unwrap().status(), OrderStatus::Completed);
    remote.hold("PO2");
    let unfinished = pool.submit_tasks(orders([2])).await.unwrap().remove(0);
    remote.until_started(2).await;
    pool.control().abort().await.unwrap();
    let stopped = pool.wait_for_completion(None).await.unwrap_err();
    assert_eq!(stopped.to_string(), "1 order has no outcome: the run was aborted");
    pool.shutdown().await.unwrap();
    assert_eq!(unfinished.await.unwrap_err(), WaitError::OrderNotDone { po: "PO2".parse().unwrap() });
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_waited_for_all_orders_finds_the_outcome_of_each() {
    let pool = crate::doubles::quiet_pool(4);
    for round in 0..1000 {
        let handles = pool.submit_tasks(orders(round * 4 + 1..=round * 4 + 4)).await.unwrap();
        pool.wait_for_completion(None).await.unwrap();
        assert!(handles.iter().all(|handle| handle.outcome().is_some()), "round {round}");
    }
    pool.shutdown().await.unwrap();
}
