use coupa_batch::pool::AcquireError;

use crate::doubles::{orders, pool};

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
    pool.wait_for_completion(None).await.unwrap();
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
async fn a_borrower_with_a_time_limit_is_told_that_no_session_was_free() {
    let (pool, remote) = pool(1);
    let loan = pool.acquire().await.unwrap();
    let limit = std::time::Duration::from_secs(5);
    assert_eq!(pool.acquire_within(limit).await.unwrap_err(), AcquireError::TimedOut(limit));
    drop(loan);
    // who gave up gets no session: the next order finds it free
    pool.submit_tasks(orders([1])).await.unwrap();
    pool.wait_for_completion(None).await.unwrap();
    assert_eq!(remote.started_orders(), ["PO1"]);
    pool.shutdown().await.unwrap();
}
