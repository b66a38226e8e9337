//! The journal in a file, alone and compared with the journal in memory.

use proptest::prelude::*;

use crate::backend::{Journal, JournalError};
use crate::journal::runs::RunEnd;
use crate::journal::tests::generate;
use crate::journal::tests::generate::facts;
use crate::journal::{JournalReader, MemoryJournal, SqliteStore};
use crate::model::{AttemptNo, Entry, Outcome, PoTask, Receipt, RunId, TaskId, WorkerId};

const T: TaskId = TaskId(1);

fn ended() -> RunEnd {
    RunEnd { finished_at: jiff::Timestamp::UNIX_EPOCH, stopped: None }
}

fn begun() -> Vec<Entry> {
    let order = PoTask::new("PO7".parse().unwrap());
    vec![
        Entry::Admitted { task: T, order, receipt: None },
        Entry::Started { task: T, attempt: AttemptNo(1), worker: WorkerId(1) },
    ]
}

fn settled() -> Vec<Entry> {
    vec![Entry::Settled { task: T, outcome: Outcome::Completed(Receipt::default()) }]
}

#[tokio::test]
async fn a_run_that_died_is_found_and_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/journal.db");
    let run = RunId::new("first");
    let store = SqliteStore::open(&path).unwrap();
    let journal = store.begin(run.clone(), facts()).await.unwrap();
    journal.append(begun()).await.unwrap();
    store.close().await.unwrap(); // without a word of the run's end

    let store = SqliteStore::open(&path).unwrap();
    let unfinished = JournalReader::open(&path).unwrap().last_unfinished().unwrap().unwrap();
    assert_eq!((&unfinished.run, unfinished.leased_count), (&run, 1));
    assert_eq!(unfinished.options["mine"], 7);
    let (journal, history) = store.resume(&run).await.unwrap();
    assert!(matches!(history.tasks[&T], crate::model::TaskState::Leased { .. }));
    journal.append(settled()).await.unwrap();
    journal.append(settled()).await.unwrap_err();
    store.finish(&run, ended()).await.unwrap();
    journal.append(begun()).await.unwrap_err();
    let reader = JournalReader::open(&path).unwrap();
    assert!(reader.last_unfinished().unwrap().is_none());
    let past = reader.latest_all().unwrap().remove(&"7".parse().unwrap()).unwrap();
    assert_eq!((past.run, past.status.as_str()), (run, "COMPLETED"));
    store.close().await.unwrap();
}

#[tokio::test]
async fn the_newest_outcome_of_an_order_counts_and_a_taken_over_one_names_its_origin() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let store = SqliteStore::open(&path).unwrap();
    for (name, last) in [("a", settled()), ("b", vec![])] {
        let journal = store.begin(RunId::new(name), facts()).await.unwrap();
        if last.is_empty() {
            let outcome = Outcome::Completed(Receipt::default());
            let taken_over = Entry::Reused { task: T, outcome, from: RunId::new("a") };
            journal.append(vec![begun().remove(0), taken_over]).await.unwrap();
        } else {
            journal.append([begun(), last].concat()).await.unwrap();
        }
        store.finish(&RunId::new(name), ended()).await.unwrap();
    }
    let reader = JournalReader::open(&path).unwrap();
    let all = reader.latest_all().unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[&"PO7".parse().unwrap()].run, RunId::new("a"));
    store.close().await.unwrap();
}

#[tokio::test]
async fn orders_of_other_prefixes_are_found_as_they_were_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let store = SqliteStore::open(&path).unwrap();
    let run = RunId::new("a");
    let journal = store.begin(run.clone(), facts()).await.unwrap();
    let po = |text: &str| crate::model::PoNumber::try_from(text.to_owned()).unwrap();
    let orders = [po("PO7").distinct(), po("PM7").distinct(), po("7").distinct(), po("US0158122")];
    for (at, po) in (1..).zip(&orders) {
        let (task, order) = (TaskId(at), PoTask::new(po.clone()));
        let reused = Entry::Reused { task, outcome: Outcome::Completed(Receipt::default()), from: RunId::new("0") };
        journal.append(vec![Entry::Admitted { task, order, receipt: None }, reused]).await.unwrap();
    }
    store.close().await.unwrap();
    let reader = JournalReader::open(&path).unwrap();
    let past = reader.latest_all().unwrap();
    assert_eq!(past.len(), orders.len());
    assert!(orders.iter().all(|po| past.contains_key(po)) && !past.contains_key(&po("PO7")));
    let known = reader.history(&run).unwrap();
    let known: Vec<_> = known.tasks.values().map(|state| state.order().po.clone()).collect();
    assert!(orders.iter().all(|po| known.contains(po)), "{known:?}");
}

#[tokio::test]
async fn of_two_spellings_of_a_number_the_newer_outcome_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let store = SqliteStore::open(&path).unwrap();
    // whichever of the two spellings sorts first
    for (at, [older, newer]) in (0..).zip([["7", "007"], ["008", "8"], ["9", "0009"], ["00010", "10"]]) {
        for (name, spelling) in [("old", older), ("new", newer)] {
            let run = RunId::new(&format!("{name}{at}"));
            let journal = store.begin(run.clone(), facts()).await.unwrap();
            let order = PoTask::new(spelling.parse().unwrap());
            let reused = Entry::Reused { task: T, outcome: Outcome::Completed(Receipt::default()), from: run.clone() };
            journal.append(vec![Entry::Admitted { task: T, order, receipt: None }, reused]).await.unwrap();
            store.finish(&run, ended()).await.unwrap();
        }
    }
    store.close().await.unwrap();
    let past = JournalReader::open(&path).unwrap().latest_all().unwrap();
    for (at, number) in ["7", "8", "9", "10"].into_iter().enumerate() {
        assert_eq!(past[&number.parse().unwrap()].run, RunId::new(&format!("new{at}")), "{number}");
    }
}

#[tokio::test]
async fn a_second_owner_is_refused_until_the_first_has_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let store = SqliteStore::open(&path).unwrap();
    let refused = SqliteStore::open(&path).unwrap_err();
    assert!(
        matches!(&refused, JournalError::InUse { owner, .. } if owner.contains(&std::process::id().to_string())),
        "{refused}"
    );
    store.close().await.unwrap();
    SqliteStore::open(&path).unwrap().close().await.unwrap();
}

/// The same entries in a journal in memory.
async fn in_memory(batches: &[Vec<Entry>]) -> MemoryJournal {
    let journal = MemoryJournal::new();
    for batch in batches {
        journal.append(batch.clone()).await.unwrap();
    }
    journal
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_journal_that_was_closed_and_opened_says_what_one_without_a_disk_says(batches in generate::batches()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("journal.db");
            let run = RunId::new("r");
            let store = SqliteStore::open(&path).unwrap();
            let journal = store.begin(run.clone(), facts()).await.unwrap();
            for batch in &batches {
                journal.append(batch.clone()).await.unwrap();
            }
            store.close().await.unwrap();
            let store = SqliteStore::open(&path).unwrap();
            let (_, read) = store.resume(&run).await.unwrap();
            store.close().await.unwrap();
            let said = in_memory(&batches).await.history().await.unwrap();
            assert_eq!(read.tasks, said.tasks);
            assert!(read.settled_at.keys().eq(said.settled_at.keys()));
        });
    }

    #[test]
    fn a_batch_with_one_illegal_entry_is_refused_as_a_whole(
        batches in generate::batches(),
        at in any::<prop::sample::Index>(),
    ) {
        let Some((last, before)) = batches.split_last() else { return Ok(()) };
        let mut broken = last.clone();
        // said twice, no entry is legal
        let at = at.index(broken.len());
        broken.insert(at, broken[at].clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("journal.db");
            let store = SqliteStore::open(&path).unwrap();
            let journal = store.begin(RunId::new("r"), facts()).await.unwrap();
            for batch in before {
                journal.append(batch.clone()).await.unwrap();
            }
            let memory = in_memory(before).await;
            let expected = memory.history().await.unwrap().tasks;
            journal.append(broken.clone()).await.unwrap_err();
            memory.append(broken).await.unwrap_err();
            assert_eq!(journal.history().await.unwrap().tasks, expected);
            assert_eq!(memory.history().await.unwrap().tasks, expected);
            // and the same batch without it is taken
            journal.append(last.clone()).await.unwrap();
            store.close().await.unwrap();
        });
    }
}
