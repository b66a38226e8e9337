//! Question: what does the executor cost per job against a bare `JoinSet` with a semaphore, and the resource pool per lease?
//! Unit: time per batch of jobs that do nothing, and time per lease of a resource that costs nothing. Worse: more time per
//! job; more than 1.5 times the bare set.
//! Parameters: `t1000` = a thousand jobs, eight at a time on two threads.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on says where")]

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;

use coupa_batch::executor::{Condition, Job};
use coupa_batch::{ConcurrentExecutor, Manage, ResourcePool};
use divan::counter::ItemsCount;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const AT_ONCE: usize = 8;
const JOBS: [usize; 2] = [1_000, 100_000];

fn main() {
    divan::main();
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// What it is compared with: results by id, nothing caught, no limit, no figures.
#[divan::bench(args = JOBS, sample_count = 20, sample_size = 1)]
fn bare_join_set(bencher: divan::Bencher<'_, '_>, jobs: usize) {
    let runtime = runtime();
    bencher.counter(ItemsCount::new(jobs)).bench_local(|| {
        runtime.block_on(async {
            let (permits, mut set) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
            for job in 0..jobs {
                let permits = permits.clone();
                set.spawn(async move {
                    let _permit = permits.acquire_owned().await;
                    (job.to_string(), black_box(job))
                });
            }
            let mut results = Vec::with_capacity(jobs);
            while let Some(result) = set.join_next().await {
                results.push(result.unwrap());
            }
            results
        })
    });
}

#[divan::bench(args = JOBS, sample_count = 20, sample_size = 1)]
fn executor(bencher: divan::Bencher<'_, '_>, jobs: usize) {
    let runtime = runtime();
    let executor = ConcurrentExecutor::builder().max_concurrent(AT_ONCE).build();
    bencher.counter(ItemsCount::new(jobs)).bench_local(|| {
        let jobs = (0..jobs)
            .map(|job| Job::future(job.to_string(), move || async move { Ok::<_, Infallible>(black_box(job)) }));
        runtime.block_on(executor.execute_batch(jobs))
    });
}

struct Nothing;

impl Manage for Nothing {
    type Resource = u64;
    type Error = Infallible;

    async fn create(&self) -> Result<u64, Infallible> {
        Ok(0)
    }

    async fn recycle(&self, _: &mut u64) -> Result<Condition, Infallible> {
        Ok(Condition::Clean)
    }

    async fn destroy(&self, _: u64) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Acquire and release in turn, by one caller or by several; the cleaning between two leases included.
#[divan::bench(args = [1, 8], sample_count = 20, sample_size = 1)]
fn leases(bencher: divan::Bencher<'_, '_>, callers: usize) {
    const LEASES: usize = 10_000;
    let runtime = runtime();
    let pool = runtime.block_on(async { ResourcePool::builder(Nothing).max_size(4).build().unwrap() });
    bencher.counter(ItemsCount::new(LEASES * callers)).bench_local(|| {
        runtime.block_on(async {
            let mut set = JoinSet::new();
            for _ in 0..callers {
                let pool = pool.clone();
                set.spawn(async move {
                    for _ in 0..LEASES {
                        *pool.acquire().await.unwrap() += 1;
                    }
                });
            }
            set.join_all().await
        })
    });
}
