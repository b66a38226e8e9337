//! Every way in which a job can go, ended in every way at each of its waits: afterwards all permits are back.

use std::collections::BTreeSet;
use std::io;

use futures_util::stream::{self, StreamExt};
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::backend::MemoryReader;
use crate::executor::{AdmissionLimits, BatchOptions, Job};
use crate::model::{MemoryReading, WorkerId};

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Ok,
    Err,
    Panic,
    Slow,
    Never,
}

const WAYS: [Way; 5] = [Way::Ok, Way::Err, Way::Panic, Way::Slow, Way::Never];

/// What the reader of the machine's load does before a job starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    None,
    Free,
    Short,
    Slow,
    Panics,
}

const READERS: [Reader; 5] = [Reader::None, Reader::Free, Reader::Short, Reader::Slow, Reader::Panics];

/// How the caller ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Waits,
    Drops,
    Cancels,
    Closes,
}

const ENDINGS: [Ending; 4] = [Ending::Waits, Ending::Drops, Ending::Cancels, Ending::Closes];

impl MemoryReader for Reader {
    fn read(&mut self, _: &[(WorkerId, u32)]) -> MemoryReading {
        match self {
            Self::None | Self::Free => MemoryReading::default(),
            Self::Short => MemoryReading { total_bytes: 2, available_bytes: 1, ..MemoryReading::default() },
            Self::Slow => {
                std::thread::sleep(Duration::from_millis(2));
                MemoryReading::default()
            }
            Self::Panics => panic!("nothing can be read"),
        }
    }
}

/// `alive` is held for as long as the job does anything.
fn job(id: usize, way: Way, is_blocking: bool, alive: Arc<()>) -> Job<Arc<()>> {
    let failed = || io::Error::other("no luck");
    if is_blocking {
        return Job::blocking(id.to_string(), move |stop| match way {
            Way::Ok => Ok(alive),
            Way::Err => Err(failed()),
            Way::Panic => panic!("at once"),
            Way::Slow => {
                std::thread::sleep(Duration::from_millis(3));
                Ok(alive)
            }
            Way::Never => {
                while !stop.is_cancelled() {
                    std::thread::yield_now();
                    std::thread::park_timeout(Duration::from_millis(1));
                }
                Ok(alive)
            }
        });
    }
    Job::future(id.to_string(), move || async move {
        match way {
            Way::Ok => Ok(alive),
            Way::Err => Err(failed()),
            Way::Panic => panic!("at once"),
            Way::Slow => {
                sleep(Duration::from_millis(3)).await;
                Ok(alive)
            }
            Way::Never => std::future::pending().await,
        }
    })
}

async fn all_permits_return(way: Way, is_blocking: bool, reader: Reader, ending: Ending, after: Duration) {
    let case = format!("{way:?}, blocking: {is_blocking}, {reader:?}, {ending:?} after {after:?}");
    let mut builder = ConcurrentExecutor::builder().max_concurrent(2).timeout(LIMIT);
    if reader != Reader::None {
        builder =
            builder.admission(Box::new(reader), AdmissionLimits { max_age: Duration::ZERO, ..Default::default() });
    }
    let executor = builder.build();
    let (alive, cancel) = (Arc::new(()), CancellationToken::new());
    // two of them run, three wait
    let jobs: Vec<_> = (0..5).map(|id| job(id, way, is_blocking, alive.clone())).collect();
    let options = BatchOptions { cancel: Some(cancel.clone()), ..BatchOptions::default() };
    let batch = executor.execute_batch_with(jobs, options);
    let results = match ending {
        Ending::Waits => Some(batch.await),
        Ending::Drops => timeout(after, batch).await.ok(),
        Ending::Cancels => {
            let cancelling = async {
                sleep(after).await;
                cancel.cancel();
            };
            Some(tokio::join!(batch, cancelling).0)
        }
        Ending::Closes => {
            let closing = async {
                sleep(after).await;
                executor.close(Duration::from_secs(60)).await
            };
            Some(tokio::join!(batch, closing).0)
        }
    };
    if let Some(results) = results {
        let ids: BTreeSet<_> = results.iter().map(|result| result.id.as_str()).collect();
        assert_eq!((results.len(), ids.len()), (5, 5), "{case}: each job has one result");
    }
    assert_all_came_back(&executor, &case).await;
    until(|| Arc::strong_count(&alive) == 1).await;
}

/// Two kinds of closures, five ways to go, five readers, four endings at four moments: 800 cases of five jobs each.
#[tokio::test]
async fn permits_return_whatever_fails_panics_hangs_or_is_cancelled() {
    let mut cases = Vec::new();
    for way in WAYS {
        for is_blocking in [false, true] {
            for reader in READERS {
                for ending in ENDINGS {
                    for milliseconds in [0, 1, 4, 50] {
                        let after = Duration::from_millis(milliseconds);
                        cases.push(all_permits_return(way, is_blocking, reader, ending, after));
                    }
                }
            }
        }
    }
    assert_eq!(cases.len(), 800);
    stream::iter(cases).buffer_unordered(32).collect::<Vec<()>>().await;
}

/// One batch of a random interleaving.
#[derive(Clone, Debug)]
struct Batch {
    ways: Vec<Way>,
    chunk_size: usize,
    stop_on_failure: bool,
    /// When it is dropped or cancelled; not at all when it is later than everything.
    ends_after: u64,
    is_dropped: bool,
}

fn batches() -> impl Strategy<Value = Vec<Batch>> {
    let way = proptest::sample::select(WAYS.to_vec());
    let batch = (vec(way, 0..12), 0..5_usize, any::<bool>(), 0..400_u64, any::<bool>()).prop_map(
        |(ways, chunk_size, stop_on_failure, ends_after, is_dropped)| Batch {
            ways,
            chunk_size,
            stop_on_failure,
            ends_after,
            is_dropped,
        },
    );
    vec(batch, 1..6)
}

async fn play(batches: Vec<Batch>, max_concurrent: usize, closed_after: u64) {
    let executor = ConcurrentExecutor::builder().max_concurrent(max_concurrent).timeout(LIMIT).build();
    let alive = Arc::new(());
    let played = batches.iter().map(|batch| {
        let (executor, alive) = (&executor, &alive);
        async move {
            let cancel = CancellationToken::new();
            let options = BatchOptions {
                chunk_size: std::num::NonZeroUsize::new(batch.chunk_size),
                pause: Duration::from_millis(1),
                stop_on_failure: batch.stop_on_failure,
                cancel: Some(cancel.clone()),
            };
            let jobs: Vec<_> =
                batch.ways.iter().enumerate().map(|(id, way)| job(id, *way, false, alive.clone())).collect();
            let running = executor.execute_batch_with(jobs, options);
            let ends_after = Duration::from_millis(batch.ends_after);
            if batch.is_dropped {
                drop(timeout(ends_after, running).await);
                return;
            }
            let cancelling = async {
                sleep(ends_after).await;
                cancel.cancel();
            };
            let (results, ()) = tokio::join!(running, cancelling);
            let ids: Vec<_> = results.iter().map(|result| result.id.parse::<usize>().unwrap()).collect();
            assert_eq!(ids, Vec::from_iter(0..batch.ways.len()));
        }
    });
    let closing = async {
        sleep(Duration::from_millis(closed_after)).await;
        executor.close(Duration::from_secs(60)).await
    };
    let (_, status) = tokio::join!(futures_util::future::join_all(played), closing);
    assert_eq!(status.running, 0);
    assert_all_came_back(&executor, "random").await;
    assert_eq!(Arc::strong_count(&alive), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn each_job_ends_once_and_totals_add_up(
        batches in batches(), max_concurrent in 1..5_usize, closed_after in 0..500_u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(play(batches, max_concurrent, closed_after));
    }
}
