//! Lending, returning, and the line.

use futures_util::FutureExt;
use tokio::time::timeout;

use super::*;
use crate::executor::{BuildError, GlobalPool, GlobalPoolError, ResourcePoolError, Wait};

#[tokio::test(start_paused = true)]
async fn what_comes_back_is_cleaned_and_lent_again() {
    let (pool, things) = pool(Things::good(), 4);
    for _ in 0..10 {
        let mut thing = pool.acquire().await.unwrap();
        assert_eq!((thing.number, thing.note), (0, ""), "one after the other needs one");
        thing.note = "mine";
    }
    settle().await;
    let status = pool.status();
    assert_eq!((status.created, status.recycled, status.replaced, status.size, status.idle), (1, 10, 0, 1, 1));
    assert_eq!(things.counts.recycled.load(Ordering::SeqCst), 10);
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_back_is_waited_for_and_no_second_one_is_made() {
    let (pool, _) = pool(Things::with(Gate::Ok, Gate::Slow, Gate::Ok), 4);
    drop(pool.acquire().await.unwrap());
    let again = pool.acquire().await.unwrap();
    assert_eq!((again.number, pool.status().created), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn no_more_exist_at_a_time_than_allowed_those_that_are_being_ended_included() {
    let (pool, things) = pool(Things::with(Gate::Slow, Gate::Err, Gate::Slow), 2);
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for _ in 0..3 {
                    drop(pool.acquire_timeout(Duration::from_secs(60)).await.unwrap());
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(things.counts.most_alive.load(Ordering::SeqCst), 2);
    assert!(pool.close(LIMIT).await.is_clean());
    assert_eq!((things.counts.alive(), things.counts.ended.load(Ordering::SeqCst)), (0, 24));
}

#[tokio::test(start_paused = true)]
async fn who_asks_first_is_served_first() {
    let (pool, _) = pool(Things::good(), 1);
    let first = pool.acquire().await.unwrap();
    let (served, mut order) = tokio::sync::mpsc::unbounded_channel();
    for number in 0..20 {
        let (pool, served) = (pool.clone(), served.clone());
        tokio::spawn(async move {
            let _thing = pool.acquire().await.unwrap();
            served.send(number).unwrap();
        });
        settle().await;
    }
    drop((first, served));
    let mut seen = Vec::new();
    while let Some(number) = order.recv().await {
        seen.push(number);
    }
    assert_eq!(seen, Vec::from_iter(0..20));
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_leaves_the_line_to_the_others() {
    let (pool, _) = pool(Things::good(), 1);
    let first = pool.acquire().await.unwrap();
    let mut impatient = Box::pin(pool.acquire());
    assert!(impatient.as_mut().now_or_never().is_none());
    let patient = pool.acquire();
    tokio::pin!(patient);
    assert!(patient.as_mut().now_or_never().is_none());
    assert_eq!(pool.status().waiting, 2);
    drop(impatient);
    assert_eq!(pool.status().waiting, 1);
    drop(first);
    drop(patient.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_nobody_takes_goes_to_the_next() {
    let (pool, things) = pool(Things::good(), 1);
    let first = pool.acquire().await.unwrap();
    let mut gone = Box::pin(pool.acquire());
    assert!(gone.as_mut().now_or_never().is_none());
    drop(first);
    settle().await;
    assert_eq!(pool.status().in_use, 1, "granted, and not taken yet");
    drop(gone);
    assert_eq!((pool.status().in_use, pool.status().idle), (0, 1));
    assert_eq!(pool.acquire().await.unwrap().number, 0);
    assert_eq!(things.counts.recycled.load(Ordering::SeqCst), 1, "nobody had it in between");
}

#[tokio::test(start_paused = true)]
async fn what_is_being_made_for_somebody_who_has_gone_is_for_the_next() {
    let (pool, _) = pool(Things::with(Gate::Slow, Gate::Ok, Gate::Ok), 1);
    assert!(timeout(SLOW / 2, pool.acquire()).await.is_err());
    assert_eq!((pool.status().creating, pool.status().waiting), (1, 0));
    assert_eq!(pool.acquire().await.unwrap().number, 0);
    assert_eq!(pool.status().created, 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_says_which_wait_ran_out() {
    let wait = |result: Result<_, ResourcePoolError<Refused>>| match result.map(drop).unwrap_err() {
        ResourcePoolError::Timeout { wait, after } => (wait, after),
        other => panic!("{other}"),
    };
    let (full, _) = pool(Things::good(), 1);
    let _held = full.acquire().await.unwrap();
    assert_eq!(wait(full.acquire_timeout(SLOW).await), (Wait::Slot, SLOW));
    assert_eq!(wait(full.acquire_timeout(Duration::ZERO).await).0, Wait::Slot);

    let (slow, _) = pool(Things::with(Gate::Never, Gate::Ok, Gate::Ok), 1);
    assert_eq!(wait(slow.acquire_timeout(SLOW).await), (Wait::Create, SLOW));
    assert_eq!(wait(slow.acquire().await), (Wait::Create, LIMIT), "the verb's own limit");

    let (dirty, _) = pool(Things::with(Gate::Ok, Gate::Never, Gate::Ok), 1);
    drop(dirty.acquire().await.unwrap());
    let error = dirty.acquire_timeout(SLOW).await.map(drop).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no resource within 50ms: one was still being cleaned (recycle); raise acquire_timeout if that is normal"
    );
    assert_eq!(dirty.acquire().await.unwrap().number, 1, "cleaning ran out of time, so it was replaced");
}

#[tokio::test(start_paused = true)]
async fn a_detached_one_belongs_to_its_holder_and_makes_room() {
    let (pool, things) = pool(Things::good(), 1);
    let mine = pool.acquire().await.unwrap().detach();
    assert_eq!((pool.status().size, pool.status().detached), (0, 1));
    assert_eq!(pool.acquire().await.unwrap().number, 1);
    pool.close(LIMIT).await;
    assert_eq!(things.counts.alive(), 1);
    drop(mine);
}

#[tokio::test]
async fn a_pool_of_nothing_and_a_pool_without_a_runtime_are_refused() {
    assert_eq!(builder(Things::good()).0.max_size(0).build().map(drop), Err(BuildError::ZeroSize));
    let outside = std::thread::spawn(|| builder(Things::good()).0.build().map(drop));
    assert_eq!(outside.join().unwrap(), Err(BuildError::NoRuntime));
}

#[tokio::test(start_paused = true)]
async fn the_process_wide_pool_says_that_it_has_not_been_started_or_is_closed() {
    static POOL: GlobalPool<Shared> = GlobalPool::new();
    assert_eq!(POOL.get().map(drop), Err(GlobalPoolError::NotStarted));
    assert_eq!(POOL.close(LIMIT).await.map(drop), Err(GlobalPoolError::NotStarted));
    POOL.init(pool(Things::good(), 1).0).unwrap();
    assert_eq!(POOL.init(pool(Things::good(), 1).0), Err(GlobalPoolError::AlreadyStarted));
    drop(POOL.get().unwrap().acquire().await.unwrap());
    let kept = POOL.get().unwrap();
    assert!(POOL.close(LIMIT).await.unwrap().is_clean());
    assert!(matches!(kept.acquire().await, Err(ResourcePoolError::Closed)));
    assert_eq!(POOL.get().map(drop), Err(GlobalPoolError::AlreadyClosed));
    assert_eq!(POOL.close(LIMIT).await.map(drop), Err(GlobalPoolError::AlreadyClosed));
    POOL.init(pool(Things::good(), 1).0).unwrap();
    assert!(POOL.get().unwrap().acquire().await.is_ok());
}
