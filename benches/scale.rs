//! Question: how do memory, dispatch, status and shutdown of the engine grow with the number of queued orders and of workers,
//! when site and browsers cost nothing?
//! Unit: bytes and microseconds per order, microseconds per status, milliseconds per shutdown; the exponents of a power law
//! through the points of each number of workers. Worse: an exponent above 0 for what is counted per order (each order costs
//! more the more there are), above 1 for what is counted per shutdown.
//! Parameters: `SCALE_ORDERS=1000,10000` and `SCALE_WORKERS=10,100` choose points, `SCALE_SLOTS=4` orders per session. Each
//! point is measured in a process of its own.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that cannot go on says where")]

#[path = "../tests/support/doubles.rs"]
#[expect(dead_code, clippy::panic, reason = "shared with the behaviour tests")]
mod doubles;

use std::num::NonZeroUsize;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use coupa_batch::backend::{Attempt, AttemptError, BoxFuture, LaneEnd, LaneOrders, MemoryReader, Session, Site};
use coupa_batch::host::HostMemory;
use coupa_batch::journal::MemoryJournal;
use coupa_batch::model::{Outcome, PoTask, Receipt, WorkerId};
use coupa_batch::{PersistentWorkerPool, PoolConfig, WorkerCount};

/// Every order lists no files, one at a time or several.
struct FreeSite {
    slots: usize,
}

impl Site for FreeSite {
    fn log_in<'a>(&'a self, _: WorkerId, _: &'a mut dyn Session) -> BoxFuture<'a, Result<(), AttemptError>> {
        Box::pin(std::future::ready(Ok(())))
    }
    fn collect<'a>(&'a self, _: &'a mut dyn Session, _: &'a Attempt) -> BoxFuture<'a, Result<Receipt, AttemptError>> {
        Box::pin(std::future::ready(Ok(Receipt::default())))
    }
    fn max_slots(&self) -> usize {
        self.slots
    }
    fn run_lane<'a>(&'a self, _: WorkerId, _: &'a mut dyn Session, mut orders: LaneOrders) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            while let Some(order) = orders.next().await {
                order.reply.send(LaneEnd { result: Ok(Receipt::default()), was_begun: true, evidence: None });
            }
        })
    }
    fn finalize<'a>(&'a self, _: &'a PoTask, outcome: Outcome) -> BoxFuture<'a, Result<Outcome, AttemptError>> {
        Box::pin(std::future::ready(Ok(outcome)))
    }
}

/// The figures of one point.
#[derive(Clone, Copy, Debug)]
struct Point {
    orders: u64,
    workers: usize,
    /// Bytes per queued order.
    bytes: f64,
    /// Microseconds per order from its submission on, until the journal has it.
    submit: f64,
    /// Microseconds per order, from the queue to its outcome.
    dispatch: f64,
    /// Microseconds.
    status: f64,
    /// Milliseconds, with nothing left to do.
    shutdown: f64,
    /// Milliseconds, with everything in the queue.
    shutdown_queued: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, point, orders, workers] = arguments.as_slice()
        && point == "point"
    {
        let point = measure(orders.parse().unwrap(), workers.parse().unwrap());
        let Point { bytes, submit, dispatch, status, shutdown, shutdown_queued, .. } = point;
        return println!("{bytes} {submit} {dispatch} {status} {shutdown} {shutdown_queued}");
    }
    let (orders, workers) =
        (numbers("SCALE_ORDERS", "1000,10000,100000,1000000"), numbers("SCALE_WORKERS", "10,100,1000"));
    println!("orders per session: {}", slots());
    println!(
        "{:>9} {:>8} {:>12} {:>12} {:>14} {:>10} {:>13} {:>16}",
        "orders", "workers", "B/order", "µs/submit", "µs/dispatch", "µs/status", "ms/shutdown", "ms, all queued"
    );
    for workers in workers {
        let points: Vec<Point> = orders.iter().map(|orders| in_own_process(*orders, workers)).collect();
        for point in &points {
            println!(
                "{:>9} {:>8} {:>12.0} {:>12.1} {:>14.1} {:>10.1} {:>13.1} {:>16.1}",
                point.orders,
                point.workers,
                point.bytes,
                point.submit,
                point.dispatch,
                point.status,
                point.shutdown,
                point.shutdown_queued
            );
        }
        println!(
            "{:>9} {:>8} {:>12} {:>12} {:>14} {:>10} {:>13} {:>16}",
            "law: n^",
            workers,
            exponent(&points, |point| point.bytes),
            exponent(&points, |point| point.submit),
            exponent(&points, |point| point.dispatch),
            exponent(&points, |point| point.status),
            exponent(&points, |point| point.shutdown),
            exponent(&points, |point| point.shutdown_queued),
        );
    }
}

fn numbers<T: std::str::FromStr<Err: std::fmt::Debug>>(variable: &str, usual: &str) -> Vec<T> {
    let text = std::env::var(variable).unwrap_or_else(|_| usual.to_owned());
    text.split(',').map(|number| number.trim().parse().unwrap()).collect()
}

fn slots() -> usize {
    numbers("SCALE_SLOTS", "1")[0]
}

fn in_own_process(orders: u64, workers: usize) -> Point {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["point".to_owned(), orders.to_string(), workers.to_string()])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let figures: Vec<f64> = text.split_whitespace().map(|figure| figure.parse().unwrap()).collect();
    let [bytes, submit, dispatch, status, shutdown, shutdown_queued] = figures[..].try_into().unwrap();
    Point { orders, workers, bytes, submit, dispatch, status, shutdown, shutdown_queued }
}

/// The exponent of the power law that fits best: the slope of the line through the logarithms.
#[expect(clippy::cast_precision_loss, reason = "an exponent needs no more than 52 bits")]
fn exponent(points: &[Point], of: impl Fn(&Point) -> f64) -> String {
    let logarithms: Vec<(f64, f64)> =
        points.iter().map(|point| ((point.orders as f64).ln(), of(point).max(1e-3).ln())).collect();
    let count = logarithms.len() as f64;
    let (mean_x, mean_y) = (
        logarithms.iter().map(|(x, _)| x).sum::<f64>() / count,
        logarithms.iter().map(|(_, y)| y).sum::<f64>() / count,
    );
    let (above, below) = logarithms.iter().fold((0.0, 0.0), |(above, below), (x, y)| {
        (above + (x - mean_x) * (y - mean_y), below + (x - mean_x) * (x - mean_x))
    });
    if below == 0.0 { "-".to_owned() } else { format!("{:.2}", above / below) }
}

fn pool(workers: usize) -> PersistentWorkerPool {
    let mut config = PoolConfig::builder().recycle_after(u32::MAX).orders_per_session(8).build().unwrap();
    let count = NonZeroUsize::new(workers).unwrap();
    (config.worker_count, config.scaling.max, config.scaling.is_automatic) =
        (WorkerCount::Exactly(count), count, false);
    PersistentWorkerPool::builder(config)
        .sessions(Arc::new(doubles::StubSessions(Arc::default())))
        .site(Arc::new(FreeSite { slots: slots() }))
        .journal(Arc::new(MemoryJournal::new()))
        .start()
        .unwrap()
}

#[expect(clippy::cast_precision_loss, reason = "a figure needs no more than 52 bits")]
fn measure(orders: u64, workers: usize) -> Point {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let count = orders as f64;
        let pool = idle_pool(workers).await;
        let tasks = doubles::orders(1..=orders);
        let before = memory();
        let begun = Instant::now();
        let handles = pool.submit_tasks(tasks).await.unwrap();
        let submit = micros(begun.elapsed()) / count;
        let bytes = (memory() - before) / count;
        let begun = Instant::now();
        for _ in 0..1_000 {
            std::hint::black_box(pool.status());
        }
        let status = micros(begun.elapsed()) / 1e3;
        let begun = Instant::now();
        pool.control().resume().await.unwrap();
        pool.wait_for_completion(None).await.unwrap();
        let dispatch = micros(begun.elapsed()) / count;
        drop(handles);
        let begun = Instant::now();
        pool.shutdown().await.unwrap();
        let shutdown = micros(begun.elapsed()) / 1e3;

        let pool = idle_pool(workers).await;
        let handles = pool.submit_tasks(doubles::orders(1..=orders)).await.unwrap();
        let begun = Instant::now();
        pool.shutdown().await.unwrap();
        let shutdown_queued = micros(begun.elapsed()) / 1e3;
        drop(handles);
        Point { orders, workers, bytes, submit, dispatch, status, shutdown, shutdown_queued }
    })
}

/// All workers wait, and no order starts.
async fn idle_pool(workers: usize) -> PersistentWorkerPool {
    let pool = pool(workers);
    pool.control().pause().await.unwrap();
    pool.watch().wait_for(|status| status.worker_count == workers).await.map(drop).unwrap();
    pool
}

/// What this process has in memory.
#[expect(clippy::cast_precision_loss, reason = "a figure needs no more than 52 bits")]
fn memory() -> f64 {
    HostMemory::new().read(&[]).own_bytes as f64
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
