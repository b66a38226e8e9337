use std::sync::Arc;

use coupa_batch::backend::{History, Journal};
use coupa_batch::config::PoolConfig;
use coupa_batch::journal::MemoryJournal;
use coupa_batch::model::{
    AttemptNo, Entry, FailureKind, OrderStatus, PriorResult, RunId, StopKind, TaskId, TaskState, WorkerId,
};
use coupa_batch::pool::PersistentWorkerPool;

use crate::doubles::{Remote, Script, ScriptedSite, StubSessions, config, orders, pool, pool_with};

fn resumed(remote: &Arc<Remote>, history: History) -> PersistentWorkerPool {
    PersistentWorkerPool::builder(config(1))
        .sessions(Arc::new(StubSessions(Arc::clone(remote))))
        .site(Arc::new(ScriptedSite(Arc::clone(remote))))
        .journal(Arc::new(MemoryJournal::from_history(history.clone())))
        .resume(history)
        .start()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_resumed_run_settles_what_was_open_and_nothing_twice() {
    let (first, remote) = pool(1);
    remote.hold("PO2");
    first.submit_tasks(orders(1..=4)).await.unwrap();
    remote.until_started(2).await;
    first.control().abort().await.unwrap();
    let history = first.shutdown().await.unwrap().history;

    remote.release("PO2");
    let second = resumed(&remote, history);
    assert_eq!(second.status().tasks.completed, 1);
    let handles = second.control().open_tasks().await.unwrap();
    let open: Vec<_> = handles.iter().map(|handle| handle.po().to_string()).collect();
    assert_eq!(open, ["PO2", "PO3", "PO4"]);
    second.wait_for_completion(None).await.unwrap();
    let report = second.shutdown().await.unwrap();
    assert_eq!(report.status.tasks.completed, 4);
    assert_eq!(remote.started_orders(), ["PO1", "PO2", "PO2", "PO3", "PO4"]);
    assert!(report.history.tasks.values().all(|state| state.counts().counted == 0));
}

#[tokio::test(start_paused = true)]
async fn an_order_in_work_when_the_program_died_is_repeated_at_no_cost() {
    let journal = MemoryJournal::new();
    let order = orders([7]).remove(0);
    let task = TaskId(1);
    let facts = vec![
        Entry::Admitted { task, order, receipt: None },
        Entry::Started { task, attempt: AttemptNo(1), worker: WorkerId(3) },
    ];
    journal.append(facts).await.unwrap();
    let remote = Arc::new(Remote::default());
    let pool = resumed(&remote, journal.history().await.unwrap());
    pool.wait_for_completion(None).await.unwrap();
    let report = pool.shutdown().await.unwrap();
    let state = &report.history.tasks[&task];
    assert_eq!(state.outcome().unwrap().status(), OrderStatus::Completed);
    assert_eq!((state.counts().started, state.counts().counted, state.counts().interruptions), (2, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_task_of_the_sheet_that_is_open_already_is_not_admitted_again_on_resume() {
    let journal = MemoryJournal::new();
    journal
        .append(vec![Entry::Admitted { task: TaskId(1), order: orders([7]).remove(0), receipt: None }])
        .await
        .unwrap();
    let remote = Arc::new(Remote::default());
    let pool = resumed(&remote, journal.history().await.unwrap());
    let handles = pool.submit_tasks(orders([7, 8])).await.unwrap();
    assert_eq!(handles.iter().map(|handle| handle.id().0).collect::<Vec<_>>(), [1, 2]);
    pool.wait_for_completion(None).await.unwrap();
    assert_eq!(pool.shutdown().await.unwrap().history.tasks.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_browsers_crashed_twice_is_tried_once_more_alone_after_all_others() {
    let (pool, remote) = pool(2);
    remote.script("PO1", [Script::Fail(FailureKind::SessionLost), Script::Panic, Script::Done]);
    remote
        .script("PO2", [Script::Fail(FailureKind::SessionHung), Script::Fail(FailureKind::SessionLost), Script::Done]);
    let handles = pool.submit_tasks(orders(1..=9)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap();
    assert!(handles.iter().all(|handle| handle.outcome().unwrap().status() == OrderStatus::Completed));
    let started = remote.started_orders();
    assert_eq!(started.len(), 9 + 2 * 2, "{started:?}");
    let mut last = started[11..].to_vec();
    last.sort();
    assert_eq!(last, ["PO1", "PO2"], "{started:?}");
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_order_that_crashes_a_browser_of_its_own_as_well_is_skipped() {
    let (pool, remote) = pool(1);
    remote
        .script("PO1", [Script::Fail(FailureKind::SessionLost), Script::Panic, Script::Fail(FailureKind::SessionLost)]);
    let handles = pool.submit_tasks(orders(1..=2)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap();
    let outcome = handles[0].outcome().unwrap();
    assert_eq!(outcome.status(), OrderStatus::Skipped);
    assert!(outcome.failure().unwrap().message.contains("skipped"), "{outcome:?}");
    assert_eq!(handles[1].outcome().unwrap().status(), OrderStatus::Completed);
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_earlier_runs_outcome_is_taken_over_without_a_worker() {
    let (pool, remote) = pool(1);
    let settled = orders([1, 2]).into_iter().map(|order| {
        let outcome = coupa_batch::Outcome::Completed(coupa_batch::model::Receipt::default());
        (order, Some(PriorResult::Ended(outcome, RunId::new("earlier"))))
    });
    let handles = pool.control().submit_with_prior(settled.collect()).await.unwrap();
    assert_eq!(handles[1].outcome().unwrap().status(), OrderStatus::Completed);
    pool.submit_tasks(orders([3])).await.unwrap();
    pool.wait_for_completion(None).await.unwrap();
    let report = pool.shutdown().await.unwrap();
    assert_eq!(remote.started_orders(), ["PO3"]);
    assert_eq!((report.status.tasks.admitted, report.status.tasks.completed), (3, 3));
    let reused = |state: &TaskState| matches!(state, TaskState::Settled { reused_from: Some(_), .. });
    assert_eq!(report.history.tasks.values().filter(|state| reused(state)).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_end_a_hopeless_run() {
    let config = PoolConfig::builder().worker_count(1).retry_limit(0).stop_after(3).build().unwrap();
    let (pool, remote) = pool_with(config);
    for number in [2, 4, 5, 6] {
        remote.script(&format!("PO{number}"), [Script::Fail(FailureKind::DownloadCorrupt)]);
    }
    pool.submit_tasks(orders(1..=9)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap_err();
    let report = pool.shutdown().await.unwrap();
    assert_eq!(report.status.stopped_because.as_ref().unwrap().kind, StopKind::TooManyFailures);
    assert_eq!(remote.started_orders().last().unwrap(), "PO6");
}
