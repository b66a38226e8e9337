//! Question: what does one order cost from submission to its outcome when site and browser cost nothing?
//! Unit: time per batch of N orders, and orders per second. Worse: more time per order, or a time per order that grows
//! faster than the logarithm of N (the queue is a tree).
//! Parameters: `w4` = four workers, `t1000` = a thousand orders.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on says where")]

#[path = "../tests/support/doubles.rs"]
#[expect(dead_code, clippy::panic, reason = "shared with the behaviour tests")]
mod doubles;

use divan::counter::ItemsCount;

fn main() {
    divan::main();
}

#[divan::bench(args = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000], max_time = 20, sample_size = 1, sample_count = 5)]
fn w4(bencher: divan::Bencher<'_, '_>, orders: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    bencher
        .counter(ItemsCount::new(usize::try_from(orders).unwrap()))
        .with_inputs(|| {
            let _guard = runtime.enter();
            let pool = doubles::quiet_pool(4);
            runtime.block_on(pool.wait_until_ready()).unwrap();
            (pool, doubles::orders(1..=orders))
        })
        .bench_values(|(pool, orders)| {
            runtime.block_on(async {
                let handles = pool.submit_tasks(orders).await.unwrap();
                pool.wait_for_completion(None).await.unwrap();
                drop(handles);
                pool
            })
        });
}
