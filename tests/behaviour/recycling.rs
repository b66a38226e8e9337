//! Browsers that are replaced: worn ones ahead of time, sick ones at once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use coupa_batch::backend::SessionError;
use coupa_batch::config::PoolConfig;
use coupa_batch::model::{FailureKind, PoolStatus, StopKind, WorkerId, WorkerState};
use tokio::sync::Semaphore;

use crate::doubles::{Remote, Script, orders, pool_with, start};
use crate::memory::until;

const LONG: Duration = Duration::from_secs(300);

#[tokio::test(start_paused = true)]
async fn the_next_session_is_opened_while_the_worn_one_still_works() {
    let config = PoolConfig::builder().worker_count(1).recycle_after(3).build().unwrap();
    let (pool, remote) = pool_with(config);
    until(&pool, |status| status.worker_count == 1).await;
    let opening = Arc::new(Semaphore::new(0));
    *remote.opening.lock().unwrap() = Some(Arc::clone(&opening));
    pool.submit_tasks(orders(1..=8)).await.unwrap();
    // five more than its number, since nothing else is there yet
    remote.until_started(8).await;
    pool.wait_for_completion(Some(LONG)).await.unwrap();
    assert_eq!(remote.opened.load(Ordering::SeqCst), 1);
    opening.add_permits(1);
    until(&pool, |status| status.workers[&WorkerId(1)].recycle_count == 1).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(remote.asked_to_open.load(Ordering::SeqCst), 2, "the fresh one is not judged by what the old one said");
    pool.submit_tasks(orders(11..=12)).await.unwrap();
    pool.wait_for_completion(Some(LONG)).await.unwrap();
    assert_eq!((remote.opened.load(Ordering::SeqCst), remote.most_open.load(Ordering::SeqCst)), (2, 2));
    assert_eq!(remote.logged_in.load(Ordering::SeqCst), 2, "a new session is let in anew");
    assert_eq!(pool.status().workers[&WorkerId(1)].restart_count, 0);
    pool.shutdown().await.unwrap();
    assert_eq!(remote.open_sessions.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn sessions_are_renewed_one_after_the_other_and_a_shutdown_ends_both() {
    let config = PoolConfig::builder().worker_count(3).recycle_after(1).build().unwrap();
    let (pool, remote) = pool_with(config);
    until(&pool, |status| status.worker_count == 3).await;
    let opening = Arc::new(Semaphore::new(0));
    *remote.opening.lock().unwrap() = Some(Arc::clone(&opening));
    pool.submit_tasks(orders(1..=30)).await.unwrap();
    pool.wait_for_completion(Some(LONG)).await.unwrap();
    assert_eq!(remote.asked_to_open.load(Ordering::SeqCst), 4, "all three are worn, and one is renewed");
    opening.add_permits(1);
    until(&pool, |status| status.workers.values().map(|worker| worker.recycle_count).sum::<u32>() == 1).await;
    // the next one is being opened now; it comes up while the pool closes
    opening.add_permits(1);
    pool.shutdown().await.unwrap();
    assert_eq!(remote.open_sessions.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_pages_have_become_slow_is_replaced() {
    let (pool, remote) = pool_with(PoolConfig::builder().worker_count(1).build().unwrap());
    let pace = |millis| remote.page_times.lock().unwrap().insert(WorkerId(1), Duration::from_millis(millis));
    pace(200);
    pool.submit_tasks(orders(1..=3)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap();
    pace(2_000);
    pool.submit_tasks(orders(4..=6)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap();
    // the fresh one is as slow: now that is what is usual, and it stays
    until(&pool, |status| status.workers[&WorkerId(1)].recycle_count == 1).await;
    pool.submit_tasks(orders(7..=20)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap();
    assert_eq!(pool.status().workers[&WorkerId(1)].recycle_count, 1);
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_browsers_break_too_often_is_given_up_and_says_so() {
    let remote = Arc::new(Remote::default());
    let config = PoolConfig::builder().worker_count(1).restart_limit(3).retry_limit(20).build().unwrap();
    for po in 1..=9 {
        remote.script(&format!("PO{po}"), [Script::Fail(FailureKind::SessionLost)]);
    }
    let pool = start(config, &remote);
    pool.submit_tasks(orders(1..=9)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap_err();
    let status = pool.status();
    assert_eq!(status.stopped_because.as_ref().unwrap().kind, StopKind::NoWorkers);
    assert_eq!(status.workers[&WorkerId(1)].status, WorkerState::Failed);
    assert_eq!(remote.opened.load(Ordering::SeqCst), 4, "three replacements");
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_smaller_pool_still_replaces_its_browsers_and_ends_when_the_last_worker_is_given_up() {
    let remote = Arc::new(Remote::default());
    let pool = start(PoolConfig::builder().worker_count(2).restart_limit(1).build().unwrap(), &remote);
    until(&pool, |status| status.worker_count == 2).await;
    let kill = |worker: u16| remote.kills.lock().unwrap()[&WorkerId(worker)].cancel();
    let is_up = |status: &PoolStatus, worker: u16, restarts: u32| {
        let worker = status.workers.get(&WorkerId(worker));
        worker.is_some_and(|worker| worker.restart_count == restarts && worker.status == WorkerState::Idle)
    };
    kill(1);
    until(&pool, |status| is_up(status, 1, 1)).await;
    kill(1);
    until(&pool, |status| status.workers[&WorkerId(1)].status == WorkerState::Failed).await;
    // fewer are wanted than were: the one that was given up is not one of these
    pool.control().scale_to(1).await.unwrap();
    until(&pool, |status| status.worker_wanted == 1).await;
    kill(2);
    until(&pool, |status| is_up(status, 2, 1)).await;
    pool.submit_tasks(orders(1..=3)).await.unwrap();
    pool.wait_for_completion(Some(LONG)).await.unwrap();
    kill(2);
    until(&pool, |status| status.stopped_because.is_some()).await;
    assert_eq!(pool.status().stopped_because.as_ref().unwrap().kind, StopKind::NoWorkers);
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_ends_again_and_again_while_its_worker_waits_is_no_failed_start() {
    let (pool, remote) = pool_with(PoolConfig::builder().worker_count(1).build().unwrap());
    for restarts in 0..5 {
        until(&pool, |status| {
            let worker = status.workers.get(&WorkerId(1));
            worker.is_some_and(|worker| (worker.restart_count, worker.status) == (restarts, WorkerState::Idle))
        })
        .await;
        remote.kills.lock().unwrap()[&WorkerId(1)].cancel();
    }
    pool.submit_tasks(orders(1..=1)).await.unwrap();
    pool.wait_for_completion(Some(LONG)).await.unwrap();
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_ends_while_its_worker_waits_is_replaced_before_an_order_is_lost_with_it() {
    let (pool, remote) = pool_with(PoolConfig::builder().worker_count(1).retry_limit(0).build().unwrap());
    until(&pool, |status| status.worker_count == 1).await;
    let began = tokio::time::Instant::now();
    remote.kills.lock().unwrap()[&WorkerId(1)].cancel();
    until(&pool, |status| status.workers[&WorkerId(1)].restart_count == 1).await;
    assert!(began.elapsed() < Duration::from_secs(5), "it is not left to the next probe");
    pool.submit_tasks(orders(1..=1)).await.unwrap();
    pool.wait_for_completion(Some(LONG)).await.unwrap();
    assert_eq!((pool.status().tasks.completed, remote.started_orders().len()), (1, 1));
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn where_no_second_session_can_be_opened_the_worn_one_is_closed_first() {
    let config = PoolConfig::builder().worker_count(1).recycle_after(3).restart_limit(0).build().unwrap();
    let (pool, remote) = pool_with(config);
    until(&pool, |status| status.worker_count == 1).await;
    remote.refuse_open.lock().unwrap().push_back(SessionError::NotStarted("all ports are in use".to_owned()));
    pool.submit_tasks(orders(1..=5)).await.unwrap();
    pool.wait_for_completion(Some(LONG)).await.unwrap();
    until(&pool, |status| status.workers[&WorkerId(1)].recycle_count == 1).await;
    let status = pool.status();
    assert_eq!((status.tasks.completed, status.workers[&WorkerId(1)].restart_count), (5, 0));
    assert_eq!(remote.most_open.load(Ordering::SeqCst), 1);
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_profile_that_has_grown_too_large_costs_a_browser_that_is_well_and_no_restart() {
    let (pool, remote) = pool_with(PoolConfig::builder().worker_count(1).restart_limit(0).build().unwrap());
    until(&pool, |status| status.worker_count == 1).await;
    remote.is_outgrown.store(true, Ordering::SeqCst);
    until(&pool, |status| status.workers[&WorkerId(1)].recycle_count == 1 && status.worker_count == 1).await;
    assert_eq!(pool.status().workers[&WorkerId(1)].restart_count, 0);
    pool.shutdown().await.unwrap();
}
