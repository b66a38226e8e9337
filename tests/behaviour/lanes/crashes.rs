//! A session that hangs or dies with several orders.

use std::sync::atomic::Ordering;
use std::time::Duration;

use coupa_batch::backend::{History, Journal};
use coupa_batch::journal::MemoryJournal;
use coupa_batch::model::{AttemptCounts, AttemptNo, Entry, FailureKind, MemoryLevel, OrderStatus, TaskId, WorkerId};

use super::{LaneSite, hold, pool, release, resumed, workers};
use crate::doubles::{Remote, Script, StubSessions, orders};
use crate::memory::{FakeMemory, until};

fn counts(history: &History) -> Vec<AttemptCounts> {
    history.tasks.values().map(|task| task.counts()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_hang_costs_its_neighbours_a_repetition_and_itself_tries_of_its_own() {
    let (pool, remote, site) = pool(workers(1), 4);
    remote.script("PO2", [Script::Ignore, Script::Ignore, Script::Done]);
    let mut handles = pool.submit_tasks(orders([2])).await.unwrap();
    remote.until_started(1).await;
    tokio::time::advance(Duration::from_secs(100)).await; // the others have more time left when its own is over
    hold(&remote, [1, 3, 4]);
    handles.extend(pool.submit_tasks(orders([1, 3, 4, 5, 6])).await.unwrap());
    remote.until_started(4).await;
    until(&pool, |status| status.workers[&WorkerId(1)].restart_count == 1).await;
    release(&remote, [1, 3, 4]);
    pool.wait_for_completion(None).await.unwrap();
    assert!(handles.iter().all(|handle| handle.outcome().unwrap().status() == OrderStatus::Completed));
    let history = pool.shutdown().await.unwrap().history;
    let spent: Vec<_> = counts(&history).iter().map(|counts| (counts.counted, counts.crashes)).collect();
    assert_eq!(spent, [(1, 1), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0)]);
    // those that were there are alone from now on, and whoever was not is not
    for (po, is_alone, others) in &site.handed()[4..] {
        assert_eq!(*is_alone, ["PO1", "PO2", "PO3", "PO4"].contains(&po.as_str()), "{po}");
        assert!(!is_alone || *others == 0, "{po} has {others} others beside it");
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_that_misses_its_deadline_and_lets_go_costs_nobody_else_anything() {
    let (pool, remote, _) = pool(workers(1).task_timeout(Duration::from_secs(70)), 3);
    remote.script("PO2", [Script::Hang]);
    hold(&remote, [1]);
    pool.submit_tasks(orders(1..=2)).await.unwrap();
    remote.until_started(2).await;
    // held for less than its own deadline, since it is submitted later
    tokio::time::advance(Duration::from_secs(40)).await;
    hold(&remote, [3]);
    pool.submit_tasks(orders([3])).await.unwrap();
    remote.until_started(3).await;
    release(&remote, [1]);
    until(&pool, |status| status.tasks.completed == 2).await; // 1, and 2 in its next attempt
    assert_eq!(pool.status().tasks.running, 1);
    release(&remote, [3]);
    pool.wait_for_completion(None).await.unwrap();
    assert_eq!(remote.killed.load(Ordering::SeqCst), 0);
    let history = pool.shutdown().await.unwrap().history;
    let spent: Vec<_> = counts(&history).iter().map(|counts| (counts.started, counts.counted)).collect();
    assert_eq!(spent, [(1, 0), (2, 1), (1, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_lane_ends_its_orders_and_none_of_the_run() {
    let (pool, remote, _) = pool(workers(2), 3);
    remote.script("PO1", [Script::Panic, Script::Panic, Script::Done]);
    pool.submit_tasks(orders(1..=9)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap();
    assert_eq!(pool.status().tasks.completed, 9);
    let history = pool.shutdown().await.unwrap().history;
    assert!(counts(&history).iter().skip(1).all(|counts| counts.counted == 0), "{history:?}");
    assert!(counts(&history)[0].crashes >= 1);
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_is_ended_to_free_memory_costs_none_of_its_orders_anything() {
    let memory = FakeMemory::default();
    memory.set(300, &[100]);
    let remote = std::sync::Arc::new(Remote::default());
    let site = LaneSite::new(&remote, 3);
    let pool = coupa_batch::pool::PersistentWorkerPool::builder(workers(1).build().unwrap())
        .sessions(std::sync::Arc::new(StubSessions(std::sync::Arc::clone(&remote))))
        .site(std::sync::Arc::clone(&site) as std::sync::Arc<dyn coupa_batch::backend::Site>)
        .journal(std::sync::Arc::new(MemoryJournal::new()))
        .memory(Box::new(memory.clone()))
        .start()
        .unwrap();
    hold(&remote, 1..=3);
    pool.submit_tasks(orders(1..=3)).await.unwrap();
    remote.until_started(3).await;
    tokio::time::advance(Duration::from_secs(40)).await; // it is old enough that its end frees something
    memory.set(990, &[600]);
    until(&pool, |status| status.memory_level == MemoryLevel::Critical).await;
    until(&pool, |status| status.workers[&WorkerId(1)].recycle_count == 1).await;
    memory.set(300, &[100]);
    release(&remote, 1..=3);
    pool.wait_for_completion(None).await.unwrap();
    assert_eq!(pool.status().workers[&WorkerId(1)].restart_count, 0);
    let history = pool.shutdown().await.unwrap().history;
    let of_all: Vec<_> =
        counts(&history).iter().map(|counts| (counts.started, counts.counted, counts.crashes)).collect();
    assert_eq!(of_all, [(1, 0, 0); 3]);
    assert!(site.handed().iter().all(|(_, is_alone, _)| !is_alone), "{:?}", site.handed());
}

#[tokio::test(start_paused = true)]
async fn an_order_that_must_be_alone_still_is_when_the_run_continues() {
    let journal = MemoryJournal::new();
    let mut entries = Vec::new();
    for (task, order) in (1..).map(TaskId).zip(orders(1..=4)) {
        entries.push(Entry::Admitted { task, order, receipt: None });
        entries.push(Entry::Started { task, attempt: AttemptNo(1), worker: WorkerId(1) });
    }
    entries.push(Entry::Returned { task: TaskId(2), shared_crash: true });
    journal.append(entries).await.unwrap(); // and then the program was killed
    let remote = std::sync::Arc::new(Remote::default());
    remote.script("PO2", [Script::Fail(FailureKind::SessionLost)]);
    let (pool, site) = resumed(workers(1), 4, &remote, journal.history().await.unwrap());
    pool.wait_for_completion(None).await.unwrap();
    let report = pool.shutdown().await.unwrap();
    assert_eq!(report.status.tasks.completed, 4);
    let of_all: Vec<_> = counts(&report.history).iter().map(|counts| (counts.started, counts.counted)).collect();
    assert_eq!(of_all, [(2, 0), (2, 1), (2, 0), (2, 0)]);
    for (po, is_alone, others) in site.handed() {
        assert_eq!((is_alone, is_alone && others > 0), (po == "PO2", false), "{po}");
    }
}
