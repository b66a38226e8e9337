//! Every way in which making, cleaning, ending and holding can go, with callers that are cancelled at each moment:
//! afterwards all counts are where they began.

use tokio::time::timeout;

use super::*;

/// What a holder does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    Drops,
    MarksDirty,
    Detaches,
    Panics,
    /// Is cancelled while it holds.
    NeverReturns,
}

const HOLDERS: [Holder; 5] =
    [Holder::Drops, Holder::MarksDirty, Holder::Detaches, Holder::Panics, Holder::NeverReturns];

async fn hold(pool: ResourcePool<Shared>, holder: Holder, patience: Duration) {
    // cancelled in the line, while one is made for it, and while one is cleaned for it
    let Ok(Ok(mut thing)) = timeout(patience, pool.acquire()).await else { return };
    assert_eq!(thing.note, "", "lent dirty");
    thing.note = "used";
    sleep(Duration::from_millis(1)).await;
    match holder {
        Holder::Drops => {}
        Holder::MarksDirty => thing.mark_dirty(),
        Holder::Detaches => drop(thing.detach()),
        Holder::Panics => panic!("with the thing in hand"),
        Holder::NeverReturns => std::future::pending().await,
    }
}

async fn all_counts_return(gates: [Gate; 3], holder: Holder) {
    let case = format!("{gates:?}, the holder {holder:?}");
    let (builder, things) = builder(Things::with(gates[0], gates[1], gates[2]));
    let pool = builder.max_size(2).circuit_breaker(4, SLOW, SLOW).build().unwrap();
    for round in 0..3 {
        // from none to longer than all limits together
        let patience = [0, 1, 25, 50, 51, 120, 210, 900].map(Duration::from_millis);
        let clients: Vec<_> =
            patience.into_iter().map(|patience| tokio::spawn(hold(pool.clone(), holder, patience))).collect();
        sleep(Duration::from_millis([10, 130, 1_300][round])).await;
        for client in clients {
            client.abort();
            match client.await {
                Err(ended) if ended.is_panic() => assert_eq!(holder, Holder::Panics, "{case}"),
                Ok(()) | Err(_) => {}
            }
        }
        let status = pool.status();
        assert_eq!((status.waiting, status.in_use), (0, 0), "{case}: {status:?}");
        assert!(status.size <= 2, "{case}: {status:?}");
    }
    // every wait of the pool's own has its limit
    sleep(4 * LIMIT).await;
    let status = pool.status();
    assert_eq!((status.creating, status.recycling, status.destroying), (0, 0, 0), "{case}: {status:?}");
    assert_eq!((status.size, things.counts.alive()), (status.idle, status.idle), "{case}: {status:?}");
    let most = things.counts.most_alive.load(Ordering::SeqCst);
    // a detached one is its holder's, and counts no more
    assert!(most <= 2 || holder == Holder::Detaches, "{case}: {most} at a time");
    let summary = pool.close(2 * LIMIT).await;
    assert_eq!((summary.in_use, summary.unfinished), (0, 0), "{case}: {summary:?}");
    let status = pool.status();
    assert_eq!((status.size, things.counts.alive()), (0, 0), "{case}: {status:?}");
    assert_eq!(status.created, status.destroyed + status.detached, "{case}: {status:?}");
}

/// Five behaviours of each of three verbs, five of the holder: 625 cases, each with eight callers of different patience,
/// three times.
#[tokio::test(start_paused = true)]
async fn counts_return_whatever_fails_panics_hangs_or_is_cancelled() {
    for create in Gate::ALL {
        for recycle in Gate::ALL {
            for destroy in Gate::ALL {
                for holder in HOLDERS {
                    all_counts_return([create, recycle, destroy], holder).await;
                }
            }
        }
    }
}
