//! Random legal journals, shared by the tests of everything that stores one.

use proptest::prelude::*;

use crate::journal::runs::RunStart;
use crate::model::{
    AttemptNo, Entry, Failure, FailureKind, FileOrigin, FileRecord, ListingId, MissingFile, Outcome, PoTask, Receipt,
    TaskId, TaskPriority, TaskState, WorkerId,
};

/// What a run begins with.
pub(crate) fn facts() -> RunStart {
    RunStart {
        started_at: jiff::Timestamp::UNIX_EPOCH,
        base_url: Some("https://acme.coupahost.com".to_owned()),
        version: "1".to_owned(),
        rejects: Vec::new(),
        options: serde_json::json!({ "mine": 7 }),
    }
}

/// Entries that may follow one another, in batches, at most some sixty of some dozen tasks.
pub(crate) fn batches() -> impl Strategy<Value = Vec<Vec<Entry>>> {
    (prop::collection::vec((any::<prop::sample::Index>(), 0..6_u8), 0..60), prop::collection::vec(1..9_usize, 60))
        .prop_map(|(choices, sizes)| split(&legal(&choices), &sizes))
}

fn legal(choices: &[(prop::sample::Index, u8)]) -> Vec<Entry> {
    let mut states: Vec<TaskState> = Vec::new();
    let mut entries = Vec::new();
    for (number, (pick, choice)) in choices.iter().enumerate() {
        let place = pick.index(states.len() + 1);
        let task = TaskId(place as u64 + 1);
        let entry = match states.get(place) {
            None => Entry::Admitted { task, order: order(number), receipt: None },
            Some(TaskState::Ready { counts, .. }) if *choice > 0 => {
                Entry::Started { task, attempt: AttemptNo(counts.started + 1), worker: WorkerId(u16::from(*choice)) }
            }
            Some(TaskState::Ready { .. }) => Entry::Settled { task, outcome: outcome(number) },
            Some(TaskState::Leased { .. }) => match choice {
                0 => Entry::Returned { task, shared_crash: number.is_multiple_of(3) },
                1 | 2 => Entry::Postponed {
                    task,
                    failure: failure(),
                    counted: *choice == 1,
                    receipt: (*choice == 1).then(|| outcome(0).receipt_mut().clone()),
                },
                _ => Entry::Settled { task, outcome: outcome(number) },
            },
            Some(TaskState::Settled { .. }) => continue,
        };
        let after = TaskState::apply(states.get(place).cloned(), &entry).unwrap();
        if place == states.len() {
            states.push(after)
        } else {
            states[place] = after
        }
        entries.push(entry);
    }
    entries
}

fn split(entries: &[Entry], sizes: &[usize]) -> Vec<Vec<Entry>> {
    let mut rest = entries;
    let mut batches = Vec::new();
    for size in sizes {
        let (batch, after) = rest.split_at((*size).min(rest.len()));
        if !batch.is_empty() {
            batches.push(batch.to_vec());
        }
        rest = after;
    }
    batches
}

fn order(number: usize) -> PoTask {
    // one number comes again and again: the same order may be asked for in many tasks
    let mut order = PoTask::new(format!("PO{}", number % 7).parse().unwrap());
    order.priority = TaskPriority::ALL[number % 4];
    order.metadata.insert("row \"1\"".to_owned(), "Müller & Söhne\n\u{0}".to_owned());
    order
}

fn failure() -> Failure {
    Failure::new(FailureKind::StepTimeout, "the page, 'slow', was not there")
}

/// One of each kind, by number.
pub(crate) fn outcome(number: usize) -> Outcome {
    let file = |name: &str| FileRecord {
        path: format!("Acme/PO7_COMPLETED/{name}"),
        name: name.to_owned(),
        size: 1500,
        sha256: "ab".repeat(32),
        source: FileOrigin::Order,
        media_type: None,
        listings: vec![ListingId::new(name)],
    };
    let mut receipt = Receipt { listed_count: 2, files: vec![file("a.pdf"), file("ü;.pdf")], ..Receipt::default() };
    match number % 6 {
        0 => Outcome::Completed(receipt),
        1 => Outcome::NoAttachments(Receipt::default()),
        2 => {
            receipt.missing.push(MissingFile {
                name: "c.pdf".to_owned(),
                listing: ListingId::new("c.pdf"),
                source: FileOrigin::Requisition,
                failure: failure(),
            });
            Outcome::Partial(receipt, failure())
        }
        3 => Outcome::NotFound(failure(), None),
        4 => Outcome::Failed(failure(), None),
        _ => Outcome::Skipped(failure(), Some(Receipt::default())),
    }
}
