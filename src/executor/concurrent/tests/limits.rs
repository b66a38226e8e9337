//! Admission by the load of the machine, and threads that do not return.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Mutex;

use super::*;
use crate::backend::MemoryReader;
use crate::executor::{AdmissionLimits, Job, OnShortage, Shortage, TaskError};
use crate::model::{MemoryReading, WorkerId};

/// Gives one reading after the other, the last one again and again.
struct Script(Mutex<VecDeque<MemoryReading>>);

impl MemoryReader for Script {
    fn read(&mut self, _: &[(WorkerId, u32)]) -> MemoryReading {
        let readings = self.0.get_mut().unwrap();
        let next = if readings.len() > 1 { readings.pop_front() } else { readings.front().cloned() };
        next.expect("a reading")
    }
}

fn reading(cpu: f64, available_bytes: u64) -> MemoryReading {
    MemoryReading { total_bytes: 8_000_000_000, available_bytes, cpu: Some(cpu), ..MemoryReading::default() }
}

fn guarded(readings: impl IntoIterator<Item = MemoryReading>, on_shortage: OnShortage) -> ConcurrentExecutor {
    let limits = AdmissionLimits { max_age: Duration::ZERO, on_shortage, ..AdmissionLimits::default() };
    let reader = Script(Mutex::new(readings.into_iter().collect()));
    ConcurrentExecutor::builder().admission(Box::new(reader), limits).build()
}

fn nothing() -> Job<()> {
    Job::future("nothing", || async { Ok::<_, Infallible>(()) })
}

#[tokio::test]
async fn a_job_for_which_there_is_no_room_is_refused_with_what_is_short() {
    let busy = guarded([reading(0.95, 4_000_000_000)], OnShortage::Refuse).execute(nothing()).await;
    assert!(matches!(busy.error, Some(TaskError::Overloaded(Shortage::Cpu { .. }))));
    assert_eq!(
        busy.error.unwrap().to_string(),
        "it was not started: the processors are 95 % busy, over the limit of 80 % (max_cpu); try again later"
    );
    let full = guarded([reading(0.1, 300_000_000)], OnShortage::Refuse);
    let error = full.execute(nothing()).await.error.unwrap().to_string();
    assert!(error.contains("of memory are available") && error.contains("min_available"), "{error}");
    assert_eq!(full.status().refused, 1);
    assert_all_came_back(&full, "refused").await;
    assert!(guarded([reading(0.5, 4_000_000_000)], OnShortage::Refuse).execute(nothing()).await.success);
}

#[tokio::test]
async fn what_is_not_known_hinders_nothing() {
    assert!(guarded([MemoryReading::default()], OnShortage::Refuse).execute(nothing()).await.success);
}

#[tokio::test]
async fn a_job_may_wait_for_room_for_a_limited_time() {
    let readings = [reading(0.95, 4_000_000_000), reading(0.1, 1), reading(0.1, 4_000_000_000)];
    let waiting = guarded(readings, OnShortage::Wait(Duration::from_secs(60)));
    assert!(waiting.execute(nothing()).await.success);
    let never = guarded([reading(0.95, 0)], OnShortage::Wait(LIMIT));
    assert!(matches!(never.execute(nothing()).await.error, Some(TaskError::Overloaded(Shortage::Cpu { .. }))));
}

#[tokio::test]
async fn a_reader_that_panics_hinders_nothing() {
    let broken = guarded([], OnShortage::Refuse);
    assert!(broken.execute(nothing()).await.success);
    assert!(broken.execute(nothing()).await.success);
}

#[tokio::test]
async fn threads_that_do_not_return_are_counted_and_do_not_grow_without_end() {
    let executor = ConcurrentExecutor::builder().max_concurrent(2).timeout(LIMIT).build();
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let stuck = || {
        let wait = wait.clone();
        Job::blocking("stuck", move |_| {
            drop(wait.lock().map(|wait| wait.recv()));
            Ok::<_, Infallible>(())
        })
    };
    for result in executor.execute_batch([stuck(), stuck()]).await {
        assert!(matches!(result.error, Some(TaskError::TimedOut { .. })), "{result:?}");
    }
    assert_eq!((executor.status().abandoned, executor.status().running), (2, 0));
    let refused = executor.execute(stuck()).await.error.unwrap();
    assert!(matches!(refused, TaskError::Exhausted { threads: 2 }), "{refused}");
    assert!(executor.execute(nothing()).await.success, "closures that do not block still run");
    drop(release);
    assert_all_came_back(&executor, "threads have returned").await;
}
