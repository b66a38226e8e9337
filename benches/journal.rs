//! Question: what does the journal cost a run, on a real file, flushed to the disk before each answer?
//! Unit: time per batch and entries or tasks per second; the disk's own flush is part of it, so only figures of one disk
//! compare. Worse: 10,000 orders that are not accepted in well under a second, a settled order that costs more in a
//! larger batch than alone, 100,000 tasks that take much more than a second to resume.
//! Parameters: `accept` = orders in one batch, `settle` = orders of one batch (started and settled), `resume` = tasks of
//! which nine in ten are settled with three files each, `latest_all` = the same for the newest outcome of each order.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on says where")]

use std::cell::Cell;

use coupa_batch::PoTask;
use coupa_batch::backend::Journal;
use coupa_batch::journal::{JournalReader, RunJournal, RunStart, SqliteStore};
use coupa_batch::model::{
    AttemptNo, Entry, FileOrigin, FileRecord, ListingId, Outcome, Receipt, RunId, TaskId, WorkerId,
};
use divan::counter::ItemsCount;
use tempfile::TempDir;
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn run() -> RunId {
    RunId::new("bench")
}

fn store(runtime: &Runtime) -> (TempDir, SqliteStore, RunJournal) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("journal.db")).unwrap();
    let facts = RunStart {
        started_at: jiff::Timestamp::now(),
        base_url: None,
        version: "bench".to_owned(),
        rejects: Vec::new(),
        options: serde_json::Value::Null,
    };
    let journal = runtime.block_on(store.begin(run(), facts)).unwrap();
    (folder, store, journal)
}

fn admitted(from: u64, count: u64) -> Vec<Entry> {
    (from..from + count)
        .map(|n| Entry::Admitted {
            task: TaskId(n),
            order: PoTask::new(format!("PO{}", 15_000_000 + n).parse().unwrap()),
            receipt: None,
        })
        .collect()
}

fn started(from: u64, count: u64) -> impl Iterator<Item = Entry> {
    (from..from + count).map(|n| Entry::Started { task: TaskId(n), attempt: AttemptNo(1), worker: WorkerId(1) })
}

fn settled(from: u64, count: u64) -> impl Iterator<Item = Entry> {
    (from..from + count).map(|n| {
        let file = |name: &str| FileRecord {
            path: format!("Acme Industries/PO{n}_COMPLETED/{name}.pdf"),
            name: format!("{name}.pdf"),
            size: 48_213,
            sha256: format!("{n:064x}"),
            source: FileOrigin::Order,
            media_type: Some("application/pdf".to_owned()),
            listings: vec![ListingId::new("0123456789abcdef")],
        };
        let receipt = Receipt {
            supplier: Some("Acme Industries".to_owned()),
            url: format!("https://acme.coupahost.com/order_headers/{n}"),
            listed_count: 3,
            folder: format!("Acme Industries/PO{n}_COMPLETED"),
            files: vec![file("quote"), file("terms and conditions"), file("signed order")],
            ..Receipt::default()
        };
        Entry::Settled { task: TaskId(n), outcome: Outcome::Completed(receipt) }
    })
}

#[divan::bench(args = [1, 1_000, 10_000, 100_000], max_time = 10, sample_size = 1)]
fn accept(bencher: divan::Bencher<'_, '_>, orders: u64) {
    let runtime = runtime();
    let (_folder, _store, journal) = store(&runtime);
    let next = Cell::new(1);
    bencher
        .counter(ItemsCount::new(usize::try_from(orders).unwrap()))
        .with_inputs(|| admitted(next.replace(next.get() + orders), orders))
        .bench_local_values(|batch| runtime.block_on(journal.append(batch)).unwrap());
}

#[divan::bench(args = [1, 8, 64], max_time = 5, sample_size = 1, sample_count = 500)]
fn settle(bencher: divan::Bencher<'_, '_>, orders: u64) {
    let runtime = runtime();
    let (_folder, _store, journal) = store(&runtime);
    runtime.block_on(journal.append(admitted(1, 40_000))).unwrap();
    let next = Cell::new(1);
    bencher
        .counter(ItemsCount::new(usize::try_from(orders).unwrap()))
        .with_inputs(|| {
            let from = next.replace(next.get() + orders);
            started(from, orders).chain(settled(from, orders)).collect()
        })
        .bench_local_values(|batch: Vec<Entry>| runtime.block_on(journal.append(batch)).unwrap());
}

/// A journal with `tasks` tasks, closed.
fn night(runtime: &Runtime, tasks: u64) -> TempDir {
    let (folder, store, journal) = store(runtime);
    runtime.block_on(async {
        journal.append(admitted(1, tasks)).await.unwrap();
        journal.append(started(1, tasks).collect()).await.unwrap();
        journal.append(settled(1, tasks / 10 * 9).collect()).await.unwrap();
        store.close().await.unwrap();
    });
    folder
}

#[divan::bench(args = [1_000, 100_000], max_time = 20, sample_size = 1, sample_count = 5)]
fn resume(bencher: divan::Bencher<'_, '_>, tasks: u64) {
    let runtime = runtime();
    let folder = night(&runtime, tasks);
    bencher.counter(ItemsCount::new(usize::try_from(tasks).unwrap())).bench_local(|| {
        runtime.block_on(async {
            let store = SqliteStore::open(&folder.path().join("journal.db")).unwrap();
            let (_, history) = store.resume(&run()).await.unwrap();
            assert_eq!(history.tasks.len() as u64, tasks);
            store.close().await.unwrap();
        });
    });
}

#[divan::bench(args = [1_000, 100_000], max_time = 20, sample_size = 1, sample_count = 5)]
fn latest_all(bencher: divan::Bencher<'_, '_>, tasks: u64) {
    let folder = night(&runtime(), tasks);
    bencher.counter(ItemsCount::new(usize::try_from(tasks).unwrap())).bench_local(|| {
        let reader = JournalReader::open(&folder.path().join("journal.db")).unwrap();
        assert_eq!(reader.latest_all().unwrap().len() as u64, tasks / 10 * 9);
        assert_eq!(reader.runs().unwrap().len(), 1);
    });
}
