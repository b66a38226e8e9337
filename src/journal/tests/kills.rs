//! A program with many writers is killed again and again, at moments from a seed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::backend::{History, Journal};
use crate::journal::tests::generate::facts;
use crate::journal::{JournalReader, SqliteStore};
use crate::model::{AttemptNo, Entry, Outcome, PoTask, Receipt, RunId, TaskId, TaskState, WorkerId};

/// Number of writers that wait for the disk at the same time and share its flushes.
const WRITERS: u64 = 8;

/// More batches than any writer can write.
const BATCHES: u64 = 1_000_000;

/// Tasks of one batch.
const TASKS: u64 = 3;

fn run() -> RunId {
    RunId::new("r")
}

/// The tasks of one batch of one writer; no two batches share one.
fn tasks(writer: u64, batch: u64) -> Range<u64> {
    let first = (writer * BATCHES + batch) * TASKS + 1;
    first..first + TASKS
}

/// Three orders are accepted, one of them is begun, and it ends.
fn entries(writer: u64, batch: u64) -> Vec<Entry> {
    let admitted = |task: u64| {
        let order = PoTask::new(format!("PO{task}").parse().unwrap());
        // as the file has it: what else may be known of an order does not matter here
        serde_json::from_value(serde_json::json!({ "entry": "admitted", "task": TaskId(task), "order": order }))
            .unwrap()
    };
    let mut entries: Vec<_> = tasks(writer, batch).map(admitted).collect();
    let task = TaskId(tasks(writer, batch).start);
    entries.push(Entry::Started { task, attempt: AttemptNo(1), worker: WorkerId(1) });
    entries.push(Entry::Settled { task, outcome: Outcome::Completed(Receipt::default()) });
    entries
}

/// How many batches of each writer are there. Fails when one is there in part, or one is and the one before it is not.
fn batches(history: &History) -> BTreeMap<u64, u64> {
    let mut counts = BTreeMap::new();
    for writer in 0..WRITERS {
        let all = tasks(writer, 0).start..tasks(writer + 1, 0).start;
        let there: Vec<_> = history.tasks.range(TaskId(all.start)..TaskId(all.end)).collect();
        let count = there.len() as u64 / TASKS;
        let expected = (0..count).flat_map(|batch| tasks(writer, batch));
        assert!(there.iter().map(|(task, _)| task.0).eq(expected), "of writer {writer}, a batch is there in part");
        for (place, (task, state)) in there.into_iter().enumerate() {
            let is_first = (place as u64).is_multiple_of(TASKS);
            assert_eq!(matches!(state, TaskState::Settled { .. }), is_first, "task {task}: {state:?}");
            assert_eq!(matches!(state, TaskState::Ready { .. }), !is_first, "task {task}: {state:?}");
        }
        counts.insert(writer, count);
    }
    let counted: u64 = counts.values().sum();
    assert_eq!(history.tasks.len() as u64, counted * TASKS, "tasks that nobody wrote");
    counts
}

/// Not a test: a program that writes batches as fast as they are accepted, and reports each.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the entry point of a program that is to be killed, not a test"]
async fn writers() {
    let Ok(path) = std::env::var("WRITERS_JOURNAL") else { return };
    let store = SqliteStore::open(path.as_ref()).unwrap();
    let (journal, history) = match store.begin(run(), facts()).await {
        Ok(journal) => (journal, History::default()),
        Err(_there_already) => store.resume(&run()).await.unwrap(),
    };
    println!();
    let mut at_work = tokio::task::JoinSet::new();
    for (writer, written) in batches(&history) {
        let journal = journal.clone();
        at_work.spawn(async move {
            for batch in written..BATCHES {
                journal.append(entries(writer, batch)).await.unwrap();
                println!("taken {writer} {batch}");
            }
        });
    }
    at_work.join_all().await;
}

/// One life of the program, until it has said so many times that a batch was taken. Returns the last that it said about
/// each writer.
fn live_and_die(journal: &Path, said_count: u64) -> BTreeMap<u64, u64> {
    let mut program = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "journal::tests::kills::writers", "--ignored", "--nocapture"])
        .env("WRITERS_JOURNAL", journal)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(program.stdout.take().unwrap()).lines().map_while(Result::ok);
    let words = lines.filter_map(|line| {
        let (writer, batch) = line.strip_prefix("taken ")?.split_once(' ')?;
        Some((writer.parse().ok()?, batch.parse().ok()?))
    });
    let (mut taken, mut is_killed) = (BTreeMap::new(), false);
    for (said, (writer, batch)) in (1..).zip(words) {
        taken.insert(writer, batch);
        if said == said_count {
            program.kill().unwrap(); // SIGKILL; what it said before that is still read
            is_killed = true;
        }
    }
    let ended = program.wait().unwrap();
    assert!(is_killed, "it ended by itself: {ended}");
    taken
}

/// SplitMix64.
fn drawn(seed: &mut u64, limit: u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut bits = *seed;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits ^ (bits >> 31)) % limit
}

#[test]
fn every_batch_that_was_taken_survives_kills_in_the_middle_of_group_commits_and_none_does_in_part() {
    let mut seed = std::env::var("KILLS_SEED").map_or(7, |text| text.parse().unwrap());
    println!("KILLS_SEED={seed}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let mut before: BTreeMap<u64, u64> = BTreeMap::new();
    for life in 0..8 {
        let taken = live_and_die(&path, 1 + drawn(&mut seed, 300));
        let there = batches(&JournalReader::open(&path).unwrap().history(&run()).unwrap());
        for (writer, count) in &there {
            let known = taken.get(writer).map_or(0, |last| last + 1).max(before.get(writer).copied().unwrap_or(0));
            assert!(*count >= known, "life {life}: {known} batches of writer {writer} were taken, {count} are there");
            assert!(*count <= known + 1, "life {life}: nobody writes a batch before the last one was taken");
        }
        before = there;
    }
    println!("{} batches in 8 lives", before.values().sum::<u64>());
}
