//! Questions: how long is a worker away whose browser was killed (until its replacement takes its next order)? What does
//! `status()` cost with 1, 8 and 64 workers? What does one sample of the memory of 60 browser processes cost?
//! Unit: time. Worse: more; for `status` also a time that grows faster than the number of workers.
//! Parameters: `w8` = eight workers. What needs a browser is skipped without one.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that cannot go on says where")]

#[path = "../tests/support/doubles.rs"]
#[expect(dead_code, clippy::panic, reason = "shared with the behaviour tests")]
mod doubles;

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use coupa_batch::backend::{MemoryReader, Session, SessionFactory};
use coupa_batch::browser::BrowserFactory;
use coupa_batch::host::HostMemory;
use coupa_batch::journal::MemoryJournal;
use coupa_batch::model::WorkerId;
use coupa_batch::{PersistentWorkerPool, PoolConfig};
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Sessions of the browser that is installed, in a folder of their own.
fn browsers() -> Option<(BrowserFactory, tempfile::TempDir)> {
    let folder = tempfile::Builder::new().prefix("p").tempdir().unwrap();
    let config = PoolConfig::builder().base_profile_path(folder.path()).build().unwrap();
    match BrowserFactory::new(&config.browser, &config.profiles, config.deadlines) {
        Ok(factory) => Some((factory, folder)),
        Err(why) => {
            println!("skipped: {why}");
            None
        }
    }
}

#[divan::bench(args = [1, 8, 64])]
fn status_w(bencher: divan::Bencher<'_, '_>, workers: u32) {
    let runtime = runtime();
    let pool = {
        let _guard = runtime.enter();
        doubles::quiet_pool(workers)
    };
    let wanted = usize::try_from(workers).unwrap();
    runtime.block_on(async { pool.watch().wait_for(|status| status.worker_count == wanted).await.map(drop).unwrap() });
    bencher.bench(|| pool.status());
    runtime.block_on(pool.shutdown()).unwrap();
}

/// From the kill of an idle worker's browser until its next one is given to somebody who waits. Each kill within the last
/// five minutes would make the wait before the next start longer, so the window is short here.
#[divan::bench(sample_size = 1, sample_count = 15)]
fn killed_browser_to_next_order(bencher: divan::Bencher<'_, '_>) {
    let Some((factory, _folder)) = browsers() else { return };
    let runtime = runtime();
    let config = PoolConfig::builder()
        .worker_count(1)
        .restart_limit(1_000_000)
        .restart_window(Duration::from_millis(1))
        .build()
        .unwrap();
    let pool = {
        let _guard = runtime.enter();
        PersistentWorkerPool::builder(config)
            .sessions(Arc::new(factory))
            .journal(Arc::new(MemoryJournal::new()))
            .start()
            .unwrap()
    };
    bencher
        .with_inputs(|| {
            runtime.block_on(async {
                let loan = pool.acquire().await.unwrap();
                drop(loan); // it has served something: a restart without delay
                pool.wait_until_ready().await.unwrap();
                pool.status().workers[&WorkerId(1)].pid.unwrap()
            })
        })
        .bench_values(|driver| {
            // with its driver, whose end takes the browser along
            assert!(Command::new("kill").args(["-KILL", &driver.to_string()]).status().unwrap().success());
            runtime.block_on(async {
                let killed = pool.status().workers[&WorkerId(1)].restart_count;
                pool.watch().wait_for(|status| status.workers[&WorkerId(1)].restart_count > killed).await.unwrap();
                drop(pool.acquire().await.unwrap());
            });
        });
    runtime.block_on(pool.shutdown()).unwrap();
}

#[divan::bench(sample_size = 1, sample_count = 50)]
fn sample_of_60_browser_processes(bencher: divan::Bencher<'_, '_>) {
    let Some((factory, _folder)) = browsers() else { return };
    let runtime = runtime();
    let mut gauge = HostMemory::new();
    let mut sessions: Vec<Box<dyn Session>> = Vec::new();
    while gauge.read(&[]).process_count < 60 {
        let worker = WorkerId(u16::try_from(sessions.len() + 1).unwrap());
        sessions.push(runtime.block_on(factory.open(worker)).unwrap());
    }
    let roots: Vec<_> =
        (1..).map(WorkerId).zip(&sessions).filter_map(|(id, session)| Some((id, session.root_pid()?))).collect();
    println!("{} sessions, {} processes", sessions.len(), gauge.read(&roots).process_count);
    bencher.bench_local(|| gauge.read(&roots));
    for session in sessions {
        runtime.block_on(session.close());
    }
}
