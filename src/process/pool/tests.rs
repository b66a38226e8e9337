//! Leases in every combination of what a caller may do, without processes: afterwards counts are where they began.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::unconstrained;

use super::shared::{Permit, Shared};
use crate::process::error::{LeaseError, ProcessFailure};
use crate::process::service::{RestartPolicy, ServiceConfig};
use crate::process::slots::{InstanceId, Phase};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Caller {
    /// Has a lease and gives it back.
    Ok,
    /// Ends with an error while it has one.
    Error,
    /// Panics while it has one.
    Panic,
    /// Keeps it for some rounds.
    Slow,
    /// Never gives it back by itself: its future is dropped.
    Never,
    /// Waits for no time at all.
    OutOfTime,
    /// Its future is dropped before it was polled.
    CancelledUnpolled,
    /// Its future is dropped after one poll, mostly while it waits.
    CancelledWaiting,
    /// Its future is dropped some rounds after its only poll, when it may have been granted a lease unseen.
    CancelledGranted,
}

const CALLERS: [Caller; 9] = [
    Caller::Ok,
    Caller::Error,
    Caller::Panic,
    Caller::Slow,
    Caller::Never,
    Caller::OutOfTime,
    Caller::CancelledUnpolled,
    Caller::CancelledWaiting,
    Caller::CancelledGranted,
];

/// What a caller does; true once it has had a lease.
async fn call(shared: Arc<Shared>, caller: Caller) -> bool {
    let after = if caller == Caller::OutOfTime { Duration::ZERO } else { Duration::from_secs(1000) };
    let fallible = async {
        let lease = shared.permit(after).await?;
        match caller {
            Caller::Error => return Err(LeaseError::Closed),
            Caller::Panic => resume_unwind(Box::new(())), // without the message of a panic
            Caller::Slow => rounds(3).await,
            Caller::Never => std::future::pending().await,
            _ => {}
        }
        drop(lease);
        Ok(())
    };
    let result: Result<(), LeaseError> = fallible.await;
    result.is_ok() || caller == Caller::Error
}

async fn rounds(count: usize) {
    for _ in 0..count {
        let mut was_polled = false;
        std::future::poll_fn(
            |_| if std::mem::replace(&mut was_polled, true) { Poll::Ready(()) } else { Poll::Pending },
        )
        .await;
    }
}

/// Runs the callers side by side on one process, round by round; with `dies`, the process ends in between and the next one
/// takes its place.
async fn run(callers: &[Caller], leases_per_process: u32, dies: bool) {
    let restart = RestartPolicy { backoff_min: Duration::from_millis(1), ..RestartPolicy::default() };
    let config = ServiceConfig::new("none").leases_per_process(leases_per_process).restart(restart);
    let (shared, mut starts) = Shared::new("test".to_owned(), config);
    shared.act(|_, _| ());
    let mut running = starts.try_recv().unwrap();
    shared.act(|state, now| state.slots.healthy(now, running));
    let mut futures: Vec<Option<Pin<Box<dyn Future<Output = bool>>>>> = Vec::new();
    for caller in callers {
        futures.push(Some(Box::pin(call(shared.clone(), *caller))));
    }
    let mut context = Context::from_waker(Waker::noop());
    let mut served = vec![false; callers.len()];
    for round in 0..24 {
        for ((future, caller), served) in futures.iter_mut().zip(callers).zip(&mut served) {
            let is_polled = match caller {
                Caller::CancelledUnpolled => false,
                Caller::CancelledWaiting | Caller::CancelledGranted => round == 0,
                _ => true,
            };
            if is_polled && let Some(running) = future {
                match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(&mut context))) {
                    Ok(Poll::Pending) => {}
                    Ok(Poll::Ready(has_had)) => (*future, *served) = (None, has_had),
                    Err(_panic) => (*future, *served) = (None, true),
                }
            }
            let is_dropped = match caller {
                Caller::CancelledUnpolled | Caller::CancelledWaiting => true,
                Caller::CancelledGranted => round == 3,
                Caller::Never => {
                    round % 4 == 3 && future.is_some() && shared.lock().slots.slots().any(|(_, slot)| slot.leases > 0)
                }
                _ => false,
            };
            if is_dropped {
                *future = None;
            }
        }
        if round == 1 {
            tokio::time::advance(Duration::from_millis(2)).await;
        }
        if dies && round == 2 {
            shared.exited(running, Some(ProcessFailure::Reported));
            tokio::time::advance(Duration::from_millis(2)).await;
            shared.act(|_, _| ());
            running = starts.try_recv().unwrap();
            shared.act(|state, now| state.slots.healthy(now, running));
        }
    }
    for (caller, served) in callers.iter().zip(served) {
        let is_served = matches!(caller, Caller::Ok | Caller::Error | Caller::Panic | Caller::Slow);
        assert!(served || !is_served, "{caller:?} got no lease among {callers:?}");
    }
    drop(futures);
    assert_as_before(&shared, running, callers);
}

fn assert_as_before(shared: &Arc<Shared>, running: InstanceId, callers: &[Caller]) {
    {
        let state = shared.lock();
        let slots: Vec<_> = state.slots.slots().map(|(id, slot)| (id, slot.phase, slot.leases)).collect();
        assert_eq!(slots, [(running, Phase::Healthy, 0)], "{callers:?}");
        assert_eq!((state.slots.waiting(), state.waiting_count()), (0, 0), "{callers:?}");
    }
    let mut next = Box::pin(shared.permit(Duration::from_secs(1)));
    let polled = next.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Ok(Permit { .. }))), "no lease after {callers:?}");
}

#[tokio::test(start_paused = true)]
async fn after_every_combination_of_callers_counts_are_where_they_began() {
    let mut count = 0;
    for one in CALLERS {
        for two in CALLERS {
            for three in CALLERS {
                for four in CALLERS {
                    unconstrained(run(&[one, two, three, four], 1, false)).await;
                    count += 1;
                }
                for (leases_per_process, dies) in [(1, true), (2, false), (2, true)] {
                    unconstrained(run(&[one, two, three], leases_per_process, dies)).await;
                    count += 1;
                }
            }
        }
    }
    assert_eq!(count, 9_usize.pow(4) + 3 * 9_usize.pow(3));
}

#[tokio::test(start_paused = true)]
async fn one_who_waits_no_longer_is_not_counted_while_all_are_busy() {
    let (shared, mut starts) = Shared::new("test".to_owned(), ServiceConfig::new("none"));
    shared.act(|_, _| ());
    let running = starts.try_recv().unwrap();
    shared.act(|state, now| state.slots.healthy(now, running));
    let lease = shared.permit(Duration::from_secs(1)).await.unwrap();
    let mut next = Box::pin(shared.permit(Duration::from_secs(1000)));
    assert!(next.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(shared.lock().slots.waiting(), 1);
    drop(next);
    assert_eq!(waiting(&shared), (0, 0));
    // one whose time runs out neither
    let error = shared.permit(Duration::from_secs(1)).await.unwrap_err();
    assert!(matches!(error, LeaseError::Timeout { .. }), "{error}");
    assert_eq!(waiting(&shared), (0, 0));
    drop(lease);
}

/// How many wait, as the table and as the replies have it.
fn waiting(shared: &Shared) -> (usize, usize) {
    let state = shared.lock();
    (state.slots.waiting(), state.waiting_count())
}
