//! How many orders a session has in work, and which.

use std::sync::atomic::Ordering;

use coupa_batch::model::{Receipt, WorkerId, WorkerState};

use super::{hold, pool, release, workers};
use crate::doubles::orders;
use crate::memory::until;

#[tokio::test(start_paused = true)]
async fn a_session_has_as_many_orders_in_work_as_its_site_can_do() {
    let (pool, remote, site) = pool(workers(1), 4);
    hold(&remote, 1..=9);
    pool.submit_tasks(orders(1..=9)).await.unwrap();
    until(&pool, |status| status.workers[&WorkerId(1)].po.len() == 4).await;
    remote.until_started(4).await;
    let status = pool.status();
    assert_eq!((status.tasks.running, status.tasks.pending), (4, 5));
    let worker = &status.workers[&WorkerId(1)];
    assert_eq!(worker.status, WorkerState::Busy);
    assert_eq!(worker.po.iter().map(ToString::to_string).collect::<Vec<_>>(), ["PO1", "PO2", "PO3", "PO4"]);
    // one that ends makes room for one, in whatever order they end
    release(&remote, [3]);
    remote.until_started(5).await;
    until(&pool, |status| status.tasks.running == 4 && status.tasks.completed == 1).await;
    let worker = &pool.status().workers[&WorkerId(1)];
    assert_eq!(worker.po.iter().map(ToString::to_string).collect::<Vec<_>>(), ["PO1", "PO2", "PO4", "PO5"]);
    release(&remote, 1..=9);
    pool.wait_for_completion(None).await.unwrap();
    assert_eq!(pool.status().tasks.completed, 9);
    assert_eq!((site.lanes.load(Ordering::SeqCst), remote.opened.load(Ordering::SeqCst)), (1, 1));
    assert!(pool.shutdown().await.unwrap().leftovers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_setting_and_the_lane_itself_may_want_fewer() {
    let (pool, remote, site) = pool(workers(1).orders_per_session(3), 8);
    hold(&remote, 1..=9);
    pool.submit_tasks(orders(1..=9)).await.unwrap();
    remote.until_started(3).await;
    until(&pool, |status| status.tasks.running == 3).await;
    site.wanted.send_replace(1);
    release(&remote, [1, 2]);
    until(&pool, |status| status.tasks.completed == 2).await;
    assert_eq!(pool.status().tasks.running, 1, "{:?}", remote.started_orders());
    site.wanted.send_replace(2);
    until(&pool, |status| status.tasks.running == 2).await;
    release(&remote, 3..=9);
    pool.wait_for_completion(None).await.unwrap();
    assert!(site.handed().iter().all(|(_, is_alone, others)| !is_alone && *others < 3), "{:?}", site.handed());
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn orders_go_to_the_worker_that_has_the_fewest() {
    let (pool, remote, _) = pool(workers(3), 4);
    until(&pool, |status| status.worker_count == 3).await;
    hold(&remote, 1..=6);
    pool.submit_tasks(orders(1..=3)).await.unwrap();
    remote.until_started(3).await;
    pool.submit_tasks(orders(4..=6)).await.unwrap();
    until(&pool, |status| status.tasks.running == 6).await;
    let shares: Vec<_> = pool.status().workers.values().map(|worker| worker.po.len()).collect();
    assert_eq!(shares, [2, 2, 2]);
    release(&remote, 1..=6);
    pool.wait_for_completion(None).await.unwrap();
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_session_is_lent_when_its_orders_have_ended_and_before_any_other() {
    let (pool, remote, site) = pool(workers(1), 3);
    hold(&remote, 1..=4);
    pool.submit_tasks(orders(1..=4)).await.unwrap();
    remote.until_started(3).await;
    let borrowed = async {
        let session = pool.acquire().await.unwrap();
        let started = remote.started_orders();
        assert_eq!(started, ["PO1", "PO2", "PO3"], "an order began although somebody waits for the session");
        assert_eq!(pool.status().tasks.completed, 3);
        drop(session);
    };
    let ended = async {
        for (number, ended) in [(2, 1), (1, 2), (3, 3)] {
            release(&remote, [number]);
            until(&pool, |status| status.tasks.completed == ended).await;
        }
    };
    tokio::join!(biased; borrowed, ended);
    release(&remote, [4]);
    pool.wait_for_completion(None).await.unwrap();
    assert_eq!(site.lanes.load(Ordering::SeqCst), 2);
    assert_eq!(remote.killed.load(Ordering::SeqCst), 0);
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_worn_session_is_replaced_when_its_orders_have_ended_and_the_next_one_goes_on() {
    let (pool, remote, site) = pool(workers(1).recycle_after(3), 3);
    pool.submit_tasks(orders(1..=30)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap();
    until(&pool, |status| status.workers[&WorkerId(1)].status == WorkerState::Idle).await;
    let status = pool.status();
    assert_eq!((status.tasks.completed, remote.started_orders().len()), (30, 30));
    let worker = &status.workers[&WorkerId(1)];
    assert!(worker.recycle_count >= 3, "{worker:?}");
    assert_eq!((worker.restart_count, remote.killed.load(Ordering::SeqCst)), (0, 0));
    assert!(site.handed().iter().all(|(.., others)| *others < 3));
    assert!(pool.shutdown().await.unwrap().history.tasks.values().all(|task| task.counts().started == 1));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_breaks_between_orders_is_replaced_and_costs_none_a_try() {
    let (pool, remote, site) = pool(workers(1), 3);
    pool.submit_tasks(orders(1..=3)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap();
    remote.kills.lock().unwrap()[&WorkerId(1)].cancel();
    until(&pool, |status| status.workers[&WorkerId(1)].restart_count == 1).await;
    pool.submit_tasks(orders(4..=6)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap();
    assert_eq!((pool.status().tasks.completed, site.lanes.load(Ordering::SeqCst)), (6, 2));
    let history = pool.shutdown().await.unwrap().history;
    assert!(history.tasks.values().all(|task| task.counts().counted == 0));
    assert!(history.tasks.values().all(|task| task.receipt() != Some(&Receipt::default())));
}
