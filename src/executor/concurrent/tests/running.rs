//! Results, their order, panics, chunks.

use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use tokio::time::{Instant, sleep};

use super::*;
use crate::executor::{BatchOptions, Job, TaskError};

fn numbers(count: u64) -> impl Iterator<Item = Job<u64>> {
    (0..count).map(|number| Job::future(format!("job {number}"), move || async move { Ok::<_, Infallible>(number) }))
}

fn failing(id: &str) -> Job<u64> {
    Job::future(id, || async { Err(io::Error::other("no luck")) })
}

fn sleeping(id: &str, milliseconds: u64) -> Job<u64> {
    Job::future(id, move || async move {
        sleep(Duration::from_millis(milliseconds)).await;
        Ok::<_, Infallible>(milliseconds)
    })
}

#[tokio::test]
async fn a_batch_has_its_results_in_the_order_of_its_jobs_those_that_failed_among_them() {
    let executor = executor(3);
    let panicking = Job::blocking("panics", |_| -> Result<u64, Infallible> { panic!("at once") });
    let jobs = numbers(4).chain([failing("fails"), panicking]).chain(numbers(1));
    let results = executor.execute_batch(jobs).await;
    let ids: Vec<_> = results.iter().map(|result| result.id.as_str()).collect();
    assert_eq!(ids, ["job 0", "job 1", "job 2", "job 3", "fails", "panics", "job 0"]);
    let texts: Vec<_> =
        results.iter().map(|result| result.error.as_ref().map(ToString::to_string).unwrap_or_default()).collect();
    assert_eq!(texts, ["", "", "", "", "no luck", "it panicked: at once", ""]);
    assert_eq!(results[3].output, Some(3));
    assert!(results.iter().all(|result| result.success == result.error.is_none() && result.exit_code.is_none()));
    let status = executor.status();
    assert_eq!((status.submitted, status.succeeded, status.failed), (7, 5, 2));
    assert_all_came_back(&executor, "batch").await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_gives_each_result_when_it_is_there() {
    let executor = executor(3);
    let jobs = [sleeping("slow", 30), sleeping("fast", 10), sleeping("middle", 20)];
    let results: Vec<_> = executor.stream(jobs, BatchOptions::default()).map(|result| result.id).collect().await;
    assert_eq!(results, ["fast", "middle", "slow"]);
}

#[tokio::test(start_paused = true)]
async fn never_more_run_at_a_time_than_allowed_in_several_batches_together() {
    let executor = executor(4);
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let jobs = |count: usize| {
        let (now, most) = (now.clone(), most.clone());
        (0..count).map(move |number| {
            let (now, most) = (now.clone(), most.clone());
            Job::future(number.to_string(), move || async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                sleep(Duration::from_millis(number as u64 % 7)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, Infallible>(())
            })
        })
    };
    let (first, second) = tokio::join!(executor.execute_batch(jobs(50)), executor.execute_batch(jobs(50)));
    assert!(first.iter().chain(&second).all(|result| result.success));
    assert_eq!(most.load(Ordering::SeqCst), 4);
    assert_all_came_back(&executor, "two batches").await;
}

#[tokio::test(start_paused = true)]
async fn chunks_have_a_pause_between_them() {
    let executor = executor(10);
    let options = BatchOptions {
        chunk_size: std::num::NonZeroUsize::new(2),
        pause: Duration::from_secs(1),
        ..BatchOptions::default()
    };
    let started = Instant::now();
    let mut stream = executor.stream((0..5).map(|_| sleeping("s", 100)), options);
    let mut times = Vec::new();
    while let Some(result) = stream.next().await {
        assert!(result.success && result.duration.as_millis() == 100);
        times.push(started.elapsed().as_millis());
    }
    assert_eq!(times, [100, 100, 1_200, 1_200, 2_300]);
}

#[tokio::test(start_paused = true)]
async fn the_rest_is_cancelled_after_the_first_failure_and_has_results_all_the_same() {
    let executor = executor(2);
    let jobs = [sleeping("short", 1), failing("fails"), sleeping("long", 1_000), sleeping("never started", 1)];
    let options = BatchOptions { stop_on_failure: true, ..BatchOptions::default() };
    let results = executor.execute_batch_with(jobs, options).await;
    let cancelled = |result: &crate::executor::TaskResult<u64>| matches!(result.error, Some(TaskError::Cancelled));
    assert!(matches!(results[1].error, Some(TaskError::Failed(_))));
    assert!(cancelled(&results[3]) && results.len() == 4, "{results:?}");
    assert_all_came_back(&executor, "stopped").await;
}

#[tokio::test(start_paused = true)]
async fn a_job_ends_when_its_time_is_up() {
    let executor = ConcurrentExecutor::builder().max_concurrent(1).timeout(LIMIT).build();
    let never = || Job::future("never", std::future::pending::<Result<(), Infallible>>);
    let result = executor.execute(never()).await;
    assert_eq!(
        result.error.unwrap().to_string(),
        "it was stopped after 40ms (timeout); raise the job's timeout if it needs longer"
    );
    assert_eq!(result.duration, LIMIT);
    let own = executor.execute(never().timeout(2 * LIMIT)).await;
    assert_eq!(own.duration, 2 * LIMIT);
    assert!(executor.execute(sleeping("long", 500).without_timeout()).await.success);
    assert_eq!(executor.status().timed_out, 2);
    assert_all_came_back(&executor, "timed out").await;
}

#[tokio::test]
async fn a_closed_executor_says_so_and_an_executor_without_a_runtime_too() {
    let executor = executor(1);
    let status = executor.close(LIMIT).await;
    assert_eq!((status.running, status.is_closed), (0, true));
    let result = executor.execute(failing("late")).await;
    assert!(matches!(result.error, Some(TaskError::Closed)), "{result:?}");
    assert_eq!((executor.status().refused, executor.status().submitted), (1, 1));
    let outside = std::thread::spawn(|| futures_executor_block_on(ConcurrentExecutor::new()));
    assert!(matches!(outside.join().unwrap(), Some(TaskError::NoRuntime)));
}

/// Polls without any runtime.
fn futures_executor_block_on(executor: ConcurrentExecutor) -> Option<TaskError> {
    use futures_util::FutureExt;
    executor.execute(failing("nowhere")).now_or_never().and_then(|result| result.error)
}

#[tokio::test]
async fn jobs_of_several_kinds_fit_in_one_batch() {
    let executor = executor(2);
    let jobs = [
        numbers(1).next().unwrap().map(|number| number.to_string()),
        Job::blocking("blocks", |_| Ok::<_, Infallible>("text".to_owned())),
    ];
    let results = executor.execute_batch(jobs).await;
    let outputs: Vec<_> = results.into_iter().map(|result| result.into_result().unwrap()).collect();
    assert_eq!(outputs, ["0", "text"]);
}
