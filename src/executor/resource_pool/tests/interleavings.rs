//! Random interleavings: whatever happens in whatever order, nothing is lost and nothing is lent twice.

use std::collections::BTreeSet;

use futures_util::FutureExt;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::executor::ResourceGuard;

#[derive(Clone, Debug)]
enum Move {
    Acquire,
    Poll(usize),
    Cancel(usize),
    Return(usize),
    MarkDirty(usize),
    Detach(usize),
    Gate(usize, Gate),
    Die,
    Pass(u64),
    Close,
}

fn moves() -> impl Strategy<Value = Move> {
    let gate = proptest::sample::select(Gate::ALL.to_vec());
    prop_oneof![
        6 => Just(Move::Acquire),
        6 => (0..8_usize).prop_map(Move::Poll),
        2 => (0..8_usize).prop_map(Move::Cancel),
        5 => (0..8_usize).prop_map(Move::Return),
        1 => (0..8_usize).prop_map(Move::MarkDirty),
        1 => (0..8_usize).prop_map(Move::Detach),
        3 => (0..3_usize, gate).prop_map(|(verb, gate)| Move::Gate(verb, gate)),
        1 => Just(Move::Die),
        4 => (0..260_u64).prop_map(Move::Pass),
        1 => Just(Move::Close),
    ]
}

async fn play(moves: Vec<Move>, max_size: usize) -> Result<(), TestCaseError> {
    let (pool, things) = pool(Things::good(), max_size);
    let mut waiting = Vec::new();
    let mut held: Vec<ResourceGuard<Shared>> = Vec::new();
    for step in moves {
        match step {
            Move::Acquire => {
                let pool = pool.clone();
                waiting.push(Box::pin(async move { pool.acquire().await }));
            }
            Move::Poll(at) if at < waiting.len() => {
                if let Some(grant) = waiting[at].as_mut().now_or_never() {
                    drop(waiting.swap_remove(at));
                    held.extend(grant);
                }
            }
            Move::Cancel(at) if at < waiting.len() => drop(waiting.swap_remove(at)),
            Move::Return(at) if at < held.len() => drop(held.swap_remove(at)),
            Move::MarkDirty(at) if at < held.len() => held[at].mark_dirty(),
            Move::Detach(at) if at < held.len() => drop(held.swap_remove(at).detach()),
            Move::Gate(verb, gate) => things.gates.lock().unwrap()[verb] = gate,
            Move::Die => things.counts.are_dead.store(true, Ordering::SeqCst),
            Move::Pass(milliseconds) => sleep(Duration::from_millis(milliseconds)).await,
            Move::Close => drop(pool.close(Duration::ZERO).await),
            Move::Poll(_) | Move::Cancel(_) | Move::Return(_) | Move::MarkDirty(_) | Move::Detach(_) => {}
        }
        let status = pool.status();
        let numbers: BTreeSet<_> = held.iter().map(|thing| thing.number).collect();
        prop_assert_eq!(numbers.len(), held.len(), "lent twice");
        prop_assert!(status.in_use >= held.len() && status.size <= max_size, "{:?}", status);
        prop_assert!(things.counts.alive() <= max_size, "{:?}", status);
        prop_assert_eq!(
            status.size,
            status.idle + status.in_use + status.creating + status.recycling + status.destroying
        );
    }
    drop((waiting, held));
    *things.gates.lock().unwrap() = [Gate::Ok; 3];
    sleep(4 * LIMIT).await;
    let status = pool.status();
    prop_assert_eq!((status.waiting, status.size), (0, status.idle), "{:?}", status);
    if !status.is_closed {
        things.counts.are_dead.store(false, Ordering::SeqCst);
        sleep(Duration::from_secs(60)).await; // the longest pause of the breaker
        prop_assert!(pool.acquire().await.is_ok(), "it still lends: {:?}", pool.status());
    }
    pool.close(2 * LIMIT).await;
    let status = pool.status();
    prop_assert_eq!((status.size, things.counts.alive()), (0, 0), "{:?}", status);
    prop_assert_eq!(status.created, status.destroyed + status.detached);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_or_lent_twice(moves in vec(moves(), 1..80), max_size in 1..4_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(play(moves, max_size))?;
    }
}
