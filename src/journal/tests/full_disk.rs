//! Journals on disks that are full or cannot be written.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::backend::{History, Journal, JournalError};
use crate::journal::tests::generate::facts;
use crate::journal::{JournalReader, RunJournal, SqliteStore};
use crate::model::{Entry, PoTask, RunId, TaskId};

/// A file system of its own, unmounted when dropped, also by a test that panics.
struct SmallDisk {
    // after the file system is gone: the folder that it lay on
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// None, with a line that says so, where this user may not mount one.
    fn new(options: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        // root inside some containers may not either: trying is the only way to know
        let mounted = cfg!(target_os = "linux")
            && mount(&["-t", "tmpfs", "-o", options, "tmpfs"], folder.path()).is_ok_and(|ended| ended.status.success());
        if !mounted {
            println!("skipped: no file system can be mounted here");
            return None;
        }
        Some(Self { folder })
    }

    /// With all that means something else in an address.
    fn journal(&self) -> PathBuf {
        self.folder.path().join("50% #1? journal.db")
    }

    /// Nothing fits any more. What happens on a full disk must not depend on luck: the last byte is used up too.
    fn fill(&self) {
        let mut ballast = fs::File::create(self.ballast()).unwrap();
        for size in [4096, 1] {
            while ballast.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn grow(&self) {
        self.change("remount,size=2m");
    }

    fn ballast(&self) -> PathBuf {
        self.folder.path().join("ballast")
    }

    fn change(&self, options: &str) {
        let changed = mount(&["-o", options], self.folder.path()).unwrap();
        assert!(changed.status.success(), "{}", String::from_utf8_lossy(&changed.stderr));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // lazily: a store that a panic left open would hold it otherwise
        let ended = Command::new("umount").arg("-l").arg(self.folder.path()).status();
        if !ended.is_ok_and(|ended| ended.success()) {
            println!("{} is still mounted", self.folder.path().display());
        }
    }
}

fn mount(arguments: &[&str], at: &Path) -> std::io::Result<std::process::Output> {
    Command::new("mount").args(arguments).arg(at).output()
}

fn run() -> RunId {
    RunId::new("r")
}

/// `count` orders from number `first` on.
fn orders(first: u64, count: u64) -> Vec<Entry> {
    let admitted = |task: u64| {
        let order = PoTask::new(format!("PO{task}").parse().unwrap());
        // as the file has it: what else may be known of an order does not matter here
        serde_json::from_value(serde_json::json!({ "entry": "admitted", "task": TaskId(task), "order": order }))
            .unwrap()
    };
    (first..first + count).map(admitted).collect()
}

fn count(history: &History) -> u64 {
    history.tasks.len() as u64
}

async fn begun(disk: &SmallDisk) -> (SqliteStore, RunJournal) {
    let store = SqliteStore::open(&disk.journal()).unwrap();
    let journal = store.begin(run(), facts()).await.unwrap();
    journal.append(orders(1, 3)).await.unwrap();
    (store, journal)
}

/// What a person would see who looks from another terminal.
fn read(disk: &SmallDisk) -> u64 {
    count(&JournalReader::open(&disk.journal()).unwrap().history(&run()).unwrap())
}

fn assert_full(refused: &JournalError, disk: &SmallDisk) {
    assert!(matches!(refused, JournalError::Full { path } if *path == disk.journal()), "{refused:?}");
    assert!(refused.to_string().contains("free some space on it"), "{refused}");
}

#[tokio::test]
async fn a_full_disk_refuses_a_batch_as_a_whole_and_the_same_store_goes_on_with_room() {
    let Some(disk) = SmallDisk::new("size=512k") else { return };
    let (store, journal) = begun(&disk).await;
    disk.fill();
    for _ in 0..3 {
        assert_full(&journal.append(orders(4, 40)).await.unwrap_err(), &disk);
        assert_eq!((count(&journal.history().await.unwrap()), read(&disk)), (3, 3));
    }
    disk.free();
    journal.append(orders(4, 40)).await.unwrap();
    assert_eq!(read(&disk), 43);
    store.close().await.unwrap();
    assert_eq!(read(&disk), 43);
}

#[tokio::test]
async fn a_batch_for_which_the_room_ends_in_its_middle_leaves_nothing_behind() {
    let Some(disk) = SmallDisk::new("size=512k") else { return };
    let (store, journal) = begun(&disk).await;
    // more than the disk has, and more than SQLite keeps in memory before it writes: part of it does get there
    assert_full(&journal.append(orders(4, 30_000)).await.unwrap_err(), &disk);
    assert_eq!(read(&disk), 3);
    // and what still fits is taken
    journal.append(orders(4, 2)).await.unwrap();
    assert_eq!(read(&disk), 5);
    // which does not make room for bringing the log in: it is kept
    assert_full(&store.close().await.unwrap_err(), &disk);
    assert_eq!(read(&disk), 5);
}

#[tokio::test]
async fn batches_are_taken_until_the_disk_is_full_and_each_that_was_is_there_when_it_is_opened_again() {
    let Some(disk) = SmallDisk::new("size=512k") else { return };
    let (store, journal) = begun(&disk).await;
    let mut taken = 3;
    let refused = loop {
        match journal.append(orders(taken + 1, 50)).await {
            Ok(()) => taken += 50,
            Err(why) => break why,
        }
    };
    assert_full(&refused, &disk);
    assert!(taken > 100, "it was full before anything could be tested");
    // the journal is released although its log cannot be merged
    assert_full(&store.close().await.unwrap_err(), &disk);
    disk.grow();
    let store = SqliteStore::open(&disk.journal()).unwrap();
    let (journal, history) = store.resume(&run()).await.unwrap();
    assert_eq!(count(&history), taken);
    journal.append(orders(taken + 1, 50)).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(read(&disk), taken + 50);
}

#[test]
fn a_journal_cannot_be_begun_on_a_full_disk_and_can_with_room() {
    let Some(disk) = SmallDisk::new("size=512k") else { return };
    disk.fill();
    assert_full(&SqliteStore::open(&disk.journal()).unwrap_err(), &disk);
    disk.free();
    SqliteStore::open(&disk.journal()).unwrap();
}

#[tokio::test]
async fn a_journal_on_a_full_disk_says_so_when_it_is_opened_and_opens_with_room() {
    let Some(disk) = SmallDisk::new("size=512k") else { return };
    let (store, _) = begun(&disk).await;
    store.close().await.unwrap();
    disk.fill();
    assert_full(&SqliteStore::open(&disk.journal()).unwrap_err(), &disk);
    disk.free();
    let store = SqliteStore::open(&disk.journal()).unwrap();
    store.close().await.unwrap();
    assert_eq!(read(&disk), 3);
}

#[tokio::test]
async fn a_journal_that_was_closed_can_be_read_on_a_full_disk_and_on_one_that_cannot_be_written() {
    let Some(disk) = SmallDisk::new("size=512k") else { return };
    let (store, _) = begun(&disk).await;
    store.close().await.unwrap();
    disk.fill();
    // again, since the first look may leave something behind
    assert_eq!((read(&disk), read(&disk)), (3, 3));
    disk.free();
    disk.change("remount,ro");
    assert_eq!(read(&disk), 3);
    assert!(matches!(SqliteStore::open(&disk.journal()).unwrap_err(), JournalError::ReadOnly { .. }));
}

#[tokio::test]
async fn a_journal_that_is_written_can_be_read_on_a_disk_that_has_got_full() {
    let Some(disk) = SmallDisk::new("size=512k") else { return };
    let (store, journal) = begun(&disk).await;
    disk.fill();
    assert_eq!(read(&disk), 3);
    disk.free();
    journal.append(orders(4, 1)).await.unwrap();
    assert_eq!(read(&disk), 4);
    store.close().await.unwrap();
}
