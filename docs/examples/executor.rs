//! Work of several kinds side by side, a bounded number at a time, on a machine that has room for it. Nothing is raised: what
//! fails, panics or takes too long has a result like everything else.
//!
//! `cargo run --example executor`

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::io;
use std::num::NonZeroUsize;
use std::time::Duration;

use coupa_batch::ConcurrentExecutor;
use coupa_batch::executor::{
    AdmissionLimits, BatchOptions, Job, OnShortage, ProcessCommand, TaskError, WorkKind, optimal_concurrency,
};

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let limits = AdmissionLimits {
        max_cpu: 1.0,
        min_available_bytes: 1_000_000,
        on_shortage: OnShortage::Wait(Duration::from_secs(60)),
        ..AdmissionLimits::default()
    };
    let executor = ConcurrentExecutor::builder()
        .max_concurrent(optimal_concurrency(WorkKind::Mixed))
        .timeout(Duration::from_secs(30))
        .admit_by_host(limits)
        .build();

    let program = std::env::current_exe()?;
    let jobs = [
        Job::future("waits", || async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok::<_, io::Error>("done".to_owned())
        }),
        Job::blocking("computes", |stop| {
            let numbers = (1..=100_000_u64).take_while(|_| !stop.is_cancelled());
            Ok::<_, io::Error>(numbers.sum::<u64>().to_string())
        }),
        Job::future("fails", || async { Err(io::Error::other("no luck today")) }),
        Job::future("never ends", std::future::pending::<io::Result<String>>).timeout(Duration::from_millis(50)),
        Job::process("is not there", ProcessCommand::new(program.with_extension("missing")))
            .map(|output| output.stdout),
    ];

    // as they come; `execute_batch` gives them in the order of the jobs
    let options =
        BatchOptions { chunk_size: NonZeroUsize::new(3), pause: Duration::from_millis(10), ..Default::default() };
    let mut results = executor.stream(jobs, options);
    let (mut succeeded, mut failed) = (0, 0);
    while let Some(result) = results.next().await {
        match &result.error {
            None => {
                succeeded += 1;
                println!("{}: {} in {:?}", result.id, result.output.unwrap_or_default(), result.duration);
            }
            Some(TaskError::TimedOut { after, .. }) => {
                failed += 1;
                println!("{}: not within {after:?}", result.id);
            }
            Some(error) => {
                failed += 1;
                println!("{}: {error}", result.id);
            }
        }
    }
    let status = executor.close(Duration::from_secs(5)).await;
    println!("{succeeded} succeeded, {failed} failed, {} still running", status.running);
    if (succeeded, status.running) == (2, 0) { Ok(()) } else { Err("not what this example shows".into()) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_of_the_executor_runs() {
        super::main().unwrap();
    }
}
