//! What fails, and how a pool ends.

use super::*;
use crate::executor::{CircuitState, ResourcePoolError};

#[tokio::test(start_paused = true)]
async fn nobody_gets_what_its_last_holder_left_dirty() {
    for recycle in [Gate::Err, Gate::Panic, Gate::Never] {
        let (pool, _) = pool(Things::with(Gate::Ok, recycle, Gate::Ok), 1);
        for number in 0..3 {
            let mut thing = pool.acquire().await.unwrap();
            assert_eq!((thing.number, thing.note), (number, ""));
            thing.note = "dirty";
        }
    }
    let (pool, things) = pool(Things::good(), 1);
    things.is_dirty.store(true, Ordering::SeqCst);
    drop(pool.acquire().await.unwrap());
    assert_eq!(pool.acquire().await.unwrap().number, 1);
    let status = pool.status();
    assert_eq!((status.replaced, status.recycled, status.failures), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_panics_or_says_so_has_it_replaced() {
    let (pool, _) = pool(Things::good(), 1);
    let holder = pool.clone();
    let panicked = tokio::spawn(async move {
        let _thing = holder.acquire().await.unwrap();
        panic!("with the thing in hand");
    });
    assert!(panicked.await.unwrap_err().is_panic());
    let mut second = pool.acquire().await.unwrap();
    assert_eq!(second.number, 1);
    second.mark_dirty();
    drop(second);
    assert_eq!(pool.acquire().await.unwrap().number, 2);
    assert_eq!(pool.status().replaced, 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_died_while_it_was_idle_is_not_lent() {
    let (pool, things) = pool(Things::good(), 1);
    drop(pool.acquire().await.unwrap());
    settle().await;
    things.counts.are_dead.store(true, Ordering::SeqCst);
    assert_eq!(pool.acquire().await.unwrap().number, 1);
    assert_eq!((pool.status().replaced, things.counts.ended.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_failure_to_create_is_told_with_its_cause() {
    let (pool, things) = pool(Things::with(Gate::Err, Gate::Ok, Gate::Ok), 1);
    assert!(matches!(pool.acquire().await, Err(ResourcePoolError::Create { source: Refused("create") })));
    things.gates.lock().unwrap()[0] = Gate::Panic;
    let panicked = pool.acquire().await.map(drop).unwrap_err();
    assert_eq!(panicked.to_string(), "creating the resource panicked: create panics");
    things.gates.lock().unwrap()[0] = Gate::Ok;
    assert_eq!(pool.acquire().await.unwrap().number, 0);
    assert_eq!((pool.status().failures, pool.status().size), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn after_failures_in_a_row_it_is_tried_rarely_and_callers_are_told_at_once() {
    let (builder, things) = builder(Things::with(Gate::Err, Gate::Ok, Gate::Ok));
    let second = Duration::from_secs(1);
    let pool = builder.max_size(2).circuit_breaker(2, second, 4 * second).build().unwrap();
    for _ in 0..2 {
        assert!(matches!(pool.acquire().await, Err(ResourcePoolError::Create { .. })));
    }
    assert_eq!(pool.status().circuit, CircuitState::Open);
    let error = pool.acquire().await.map(drop).unwrap_err().to_string();
    assert_eq!(
        error,
        "creating the resource failed 2 times in a row, the next try is due in 1s; last error: the resource could not be \
         created: create refused"
    );
    assert_eq!(pool.status().failures, 2, "it was not tried");
    sleep(second).await;
    assert_eq!(pool.status().circuit, CircuitState::HalfOpen);
    assert!(matches!(pool.acquire().await, Err(ResourcePoolError::Create { .. })), "the trial");
    assert_eq!(pool.status().circuit, CircuitState::Open);
    sleep(2 * second).await;
    things.gates.lock().unwrap()[0] = Gate::Ok;
    let _thing = pool.acquire().await.unwrap();
    assert_eq!(pool.status().circuit, CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn while_it_is_not_tried_who_can_wait_for_another_holder_waits_and_is_served_when_it_works_again() {
    let (builder, things) = builder(Things::good());
    let pool = builder.max_size(2).circuit_breaker(1, 2 * LIMIT, LIMIT).build().unwrap();
    let first = pool.acquire().await.unwrap();
    things.gates.lock().unwrap()[0] = Gate::Err;
    assert!(pool.acquire().await.is_err());
    let waiter = pool.clone();
    let second = tokio::spawn(async move { waiter.acquire().await.map(|thing| thing.number) });
    settle().await;
    assert_eq!((pool.status().circuit, pool.status().waiting), (CircuitState::Open, 1));
    things.gates.lock().unwrap()[0] = Gate::Ok;
    // the first one is never given back: only the end of the pause can help
    assert_eq!(second.await.unwrap().unwrap(), 1);
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn closing_ends_what_is_idle_refuses_who_waits_and_ends_the_rest_when_it_comes_back() {
    let (pool, things) = pool(Things::good(), 2);
    let kept = pool.acquire().await.unwrap();
    drop(pool.acquire().await.unwrap());
    settle().await;
    let _other = pool.acquire().await.unwrap();
    let waiter = pool.clone();
    let waiting = tokio::spawn(async move { waiter.acquire().await.map(drop) });
    settle().await;
    drop(_other);
    settle().await;
    assert!(waiting.await.unwrap().is_ok());
    settle().await;
    let summary = pool.close(LIMIT).await;
    assert_eq!((summary.in_use, summary.unfinished, summary.destroyed, summary.is_clean()), (1, 0, 1, false));
    let error = pool.acquire().await.map(drop).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the resource pool has already been closed: acquire before closing it, or build another pool"
    );
    drop(kept);
    assert!(pool.close(LIMIT).await.is_clean());
    assert_eq!((things.counts.alive(), things.counts.ended.load(Ordering::SeqCst), pool.status().size), (0, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn closing_answers_who_waits_and_stops_what_is_being_made_and_cleaned() {
    let (pool, things) = pool(Things::with(Gate::Ok, Gate::Never, Gate::Ok), 2);
    drop(pool.acquire().await.unwrap());
    let _held = pool.acquire_timeout(Duration::from_secs(9)).await.unwrap();
    things.gates.lock().unwrap()[0] = Gate::Never;
    let waiters = [pool.clone(), pool.clone()].map(|pool| tokio::spawn(async move { pool.acquire().await.map(drop) }));
    settle().await;
    assert_eq!(pool.status().waiting, 2);
    drop(_held);
    assert!(pool.close(LIMIT).await.is_clean());
    for waiter in waiters {
        assert!(matches!(waiter.await.unwrap(), Err(ResourcePoolError::Closed)));
    }
    assert_eq!((things.counts.alive(), pool.status().waiting), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_end_in_order_is_named() {
    for (gate, said) in [(Gate::Err, "destroy refused"), (Gate::Panic, "panics"), (Gate::Never, "destroy_timeout")] {
        let (pool, things) = pool(Things::with(Gate::Ok, Gate::Ok, gate), 1);
        drop(pool.acquire().await.unwrap());
        settle().await;
        let summary = pool.close(2 * LIMIT).await;
        assert!(!summary.is_clean() && summary.leftovers.concat().contains(said), "{summary:?}");
        assert_eq!((things.counts.alive(), pool.status().size), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_its_last_handle_ends_the_pool() {
    let (pool, things) = pool(Things::good(), 2);
    let kept = pool.clone().acquire().await.unwrap();
    drop(pool.acquire().await.unwrap());
    settle().await;
    drop(pool);
    settle().await;
    assert_eq!((things.counts.alive(), things.counts.ended.load(Ordering::SeqCst)), (1, 1));
    drop(kept);
    settle().await;
    assert_eq!((things.counts.alive(), things.counts.ended.load(Ordering::SeqCst)), (0, 2));
}

#[test]
fn a_runtime_that_ends_takes_the_pool_with_it_and_callers_in_another_one_are_told() {
    let start = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (start(), start());
    let (pool, things) = first.block_on(async { pool(Things::good(), 2) });
    let kept = first.block_on(pool.acquire()).unwrap();
    let waiter = pool.clone();
    drop(first);
    let error = second.block_on(waiter.acquire()).map(drop).unwrap_err();
    assert!(matches!(error, ResourcePoolError::RuntimeGone), "{error}");
    drop(kept);
    assert_eq!((things.counts.alive(), pool.status().size), (0, 0));
    assert!(second.block_on(pool.close(LIMIT)).is_clean());
}

#[test]
fn a_guard_may_be_dropped_where_there_is_no_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (pool, _) = runtime.block_on(async { pool(Things::good(), 1) });
    let thing = runtime.block_on(pool.acquire()).unwrap();
    std::thread::spawn(move || drop(thing)).join().unwrap();
    assert_eq!(runtime.block_on(pool.acquire()).unwrap().number, 0);
}
