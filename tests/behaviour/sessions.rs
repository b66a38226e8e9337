//! Sessions that do not start, and sessions that are lent to a caller's own code.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use coupa_batch::backend::SessionError;
use coupa_batch::model::{StopKind, WorkerState};
use coupa_batch::pool::AcquireError;
use tokio::sync::Semaphore;

use crate::doubles::{Remote, config, orders, pool, start};

#[tokio::test(start_paused = true)]
async fn a_worker_that_cannot_start_is_given_up_and_the_others_do_the_work() {
    let remote = Arc::new(Remote::default());
    let refusals = (0..3).map(|_| SessionError::NotStarted("scripted".to_owned()));
    remote.refuse_open.lock().unwrap().extend(refusals);
    let pool = start(config(1), &remote);
    // one worker, three failed starts: given up, and with it the run
    pool.submit_tasks(orders(1..=2)).await.unwrap();
    assert!(!pool.wait_for_completion(None).await);
    let stop = pool.status().stopped_because.clone().unwrap();
    assert_eq!(stop.kind, StopKind::NoWorkers);
    assert!(stop.message.contains("scripted"), "{stop}");
    pool.shutdown().await.unwrap();

    let remote = Arc::new(Remote::default());
    remote.refuse_open.lock().unwrap().push_back(SessionError::Unusable("no browser".to_owned()));
    let pool = start(config(3), &remote);
    pool.submit_tasks(orders(1..=9)).await.unwrap();
    assert!(pool.wait_for_completion(None).await);
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
    assert!(!pool.wait_until_ready().await);
    assert_eq!(pool.status().stopped_because.as_ref().unwrap().kind, StopKind::NoWorkers);
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_closure_borrows_a_session_and_returns_its_own_type() {
    let (pool, _remote) = pool(2);
    let shown: Result<String, AcquireError> = pool
        .run(|mut session| async move { session.page()?.url().await.map_err(|_| AcquireError::Gone) })
        .await
        .unwrap();
    assert_eq!(shown.unwrap(), "about:blank");
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_loan_passes_waiting_orders_and_the_session_comes_back() {
    let (pool, remote) = pool(1);
    remote.hold("PO1");
    pool.submit_tasks(orders(1..=2)).await.unwrap();
    remote.until_started(1).await;
    let mut acquire = Box::pin(pool.acquire());
    assert!(futures_util::poll!(&mut acquire).is_pending());
    remote.release("PO1");
    let loan = acquire.as_mut().await.unwrap();
    drop(acquire);
    assert_eq!(remote.started_orders(), ["PO1"], "the second order waits for the loan");
    drop(loan);
    assert!(pool.wait_for_completion(None).await);
    assert_eq!(remote.opened.load(std::sync::atomic::Ordering::SeqCst), 1, "the same session served both");
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_loan_that_never_ends_is_ended() {
    let (pool, remote) = pool(1);
    let mut loan = pool.acquire().await.unwrap();
    let handles = pool.submit_tasks(orders([1])).await.unwrap();
    assert!(handles[0].wait(None).await.unwrap().is_success(), "by another session");
    assert_eq!(remote.killed.load(std::sync::atomic::Ordering::SeqCst), 1);
    let _ = loan.page();
    drop(loan);
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_draining_pool_lends_nothing() {
    let (pool, _remote) = pool(1);
    pool.control().drain().await.unwrap();
    assert_eq!(pool.acquire().await.unwrap_err(), AcquireError::Closed);
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
    assert!(pool.wait_for_completion(None).await);
    pool.shutdown().await.unwrap();
}
