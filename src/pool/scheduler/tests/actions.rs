//! What may happen to a scheduler, as data that can be generated and shrunk.

use std::time::Duration;

use proptest::prelude::*;

use crate::model::{
    AttemptEnd, Failure, FailureKind, FileRecord, ListingId, MemoryLevel, Outcome, PoTask, PriorResult, Receipt, RunId,
    StopKind, StopReason, TaskPriority,
};
use crate::pool::scheduler::{Request, WorkerExit};

/// One step. Numbers choose among what there is at that moment, modulo its count.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Request(Request),
    /// The request is withdrawn that has waited longest for a session.
    WithdrawBorrower,
    /// A worker is started that is wanted and does not exist yet.
    StartWorker,
    /// The session of a starting worker opens.
    Open(usize),
    /// The next session of a worker opens, and takes over.
    HandOver(usize),
    /// An idle worker asks for work.
    Ask(usize),
    /// A worker ends while it waits for work. The scheduler is told of it, or finds out by the assignment.
    LoseFree {
        worker: usize,
        is_told: bool,
    },
    /// An attempt, or a loan, ends.
    EndLease {
        lease: usize,
        end: AttemptEnd,
        retry_after: Option<Duration>,
    },
    /// A worker crashes during its attempt.
    Crash(usize),
    /// A lease that has ended is ended once more.
    EndStale(AttemptEnd),
    /// A worker that was told to close has closed.
    Exit {
        worker: usize,
        exit: WorkerExit,
    },
    /// A finalization ends.
    Finalize {
        task: usize,
        is_ok: bool,
    },
    Sample {
        level: MemoryLevel,
        cap: usize,
        cpu: f64,
        bytes: u64,
    },
    KillAll,
    Sleep(Duration),
    /// The turn ends, and the journal takes it or refuses it.
    Turn {
        is_written: bool,
    },
}

/// A sequence of actions.
pub(super) fn actions() -> impl Strategy<Value = Vec<Action>> {
    // most runs live long enough to come to something: what ends one is rare
    let usual = prop_oneof![
        6 => submission().prop_map(Action::Request),
        2 => (1_u64..12).prop_map(|task| Action::Request(Request::Cancel(crate::model::TaskId(task)))),
        1 => Just(Action::Request(Request::OpenTasks)),
        2 => Just(Action::Request(Request::Acquire)),
        1 => Just(Action::WithdrawBorrower),
        1 => Just(Action::Request(Request::Pause)),
        3 => Just(Action::Request(Request::Resume)),
        1 => (1_usize..5).prop_map(|count| Action::Request(Request::ScaleTo(count))),
        4 => Just(Action::StartWorker),
        5 => (0_usize..8).prop_map(Action::Open),
        2 => (0_usize..8).prop_map(Action::HandOver),
        16 => (0_usize..8).prop_map(Action::Ask),
        1 => (0_usize..8, any::<bool>()).prop_map(|(worker, is_told)| Action::LoseFree { worker, is_told }),
        12 => (0_usize..8, end(), retry_after())
            .prop_map(|(lease, end, retry_after)| Action::EndLease { lease, end, retry_after }),
        1 => (0_usize..8).prop_map(Action::Crash),
        1 => end().prop_map(Action::EndStale),
        4 => (0_usize..8, exit()).prop_map(|(worker, exit)| Action::Exit { worker, exit }),
        8 => (0_usize..8, prop::bool::weighted(0.97)).prop_map(|(task, is_ok)| Action::Finalize { task, is_ok }),
        2 => (level(), 0_usize..6, 0.0..1.0, 0_u64..3_000_000_000)
            .prop_map(|(level, cap, cpu, bytes)| Action::Sample { level, cap, cpu, bytes }),
        4 => (0_u64..200).prop_map(|seconds| Action::Sleep(Duration::from_secs(seconds))),
        20 => Just(Action::Turn { is_written: true }),
    ];
    let ending = prop_oneof![
        Just(Action::Request(Request::Drain(StopReason { kind: StopKind::TimeUp, message: "time is up".to_owned() }))),
        Just(Action::Request(Request::Abort)),
        Just(Action::Request(Request::Close)),
        Just(Action::KillAll),
        Just(Action::Turn { is_written: false }),
    ];
    prop::collection::vec(prop_oneof![150 => usual, 1 => ending], 1..200)
}

fn submission() -> impl Strategy<Value = Request> {
    let priority = prop_oneof![
        1 => Just(TaskPriority::Urgent),
        1 => Just(TaskPriority::High),
        3 => Just(TaskPriority::Normal),
        1 => Just(TaskPriority::Low)
    ];
    let order = (1_u64..20, priority).prop_map(|(number, priority)| {
        let po = number.to_string().parse().unwrap();
        PoTask::new(po).with_priority(priority)
    });
    let prior = prop_oneof![
        8 => Just(None),
        1 => outcome().prop_map(|outcome| Some(PriorResult::Ended(outcome, RunId::new("earlier")))),
        1 => receipt(1).prop_map(|receipt| Some(PriorResult::Begun(receipt))),
    ];
    prop::collection::vec((order, prior), 0..5).prop_map(Request::Submit)
}

fn end() -> impl Strategy<Value = AttemptEnd> {
    prop_oneof![
        6 => receipt(2).prop_map(AttemptEnd::Done),
        1 => Just(AttemptEnd::Done(Receipt::default())),
        1 => receipt(1).prop_map(|receipt| AttemptEnd::Done(Receipt { listed_count: 9, ..receipt })),
        1 => failure().prop_map(AttemptEnd::NotBegun),
        1 => Just(AttemptEnd::Returned),
        6 => (failure(), prop::option::of(receipt(1))).prop_map(|(failure, receipt)| AttemptEnd::Failed(failure, receipt)),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    (receipt(2), failure(), 0..6).prop_map(|(receipt, failure, which)| match which {
        0 => Outcome::Completed(receipt),
        1 => Outcome::NoAttachments(Receipt::default()),
        2 => Outcome::Partial(receipt, failure),
        3 => Outcome::NotFound(failure, None),
        4 => Outcome::Failed(failure, Some(receipt)),
        _ => Outcome::Skipped(failure, None),
    })
}

/// A complete receipt with up to `most` files, which two attempts may have in common.
fn receipt(most: usize) -> impl Strategy<Value = Receipt> {
    prop::collection::btree_set(0_u8..4, 1..=most).prop_map(|names| Receipt {
        listed_count: names.len(),
        folder: "Acme/PO__WORK".to_owned(),
        files: names
            .into_iter()
            .map(|name| FileRecord {
                path: format!("Acme/PO__WORK/{name}.pdf"),
                size: u64::from(name) + 1,
                listings: vec![ListingId::new(name.to_string())],
                ..FileRecord::default()
            })
            .collect(),
        ..Receipt::default()
    })
}

fn failure() -> impl Strategy<Value = Failure> {
    let (ending, usual): (Vec<_>, Vec<_>) = FailureKind::ALL.into_iter().partition(|kind: &FailureKind| {
        matches!(kind, FailureKind::Unreachable | FailureKind::LoginRefused | FailureKind::DiskFull)
    });
    let (ending, usual) = (prop::sample::select(ending), prop::sample::select(usual));
    prop_oneof![30 => usual, 1 => ending].prop_map(|kind| Failure::new(kind, format!("generated {kind}")))
}

fn retry_after() -> impl Strategy<Value = Option<Duration>> {
    prop_oneof![4 => Just(None), 1 => (1_u64..120).prop_map(|seconds| Some(Duration::from_secs(seconds)))]
}

fn exit() -> impl Strategy<Value = WorkerExit> {
    prop_oneof![
        3 => Just(WorkerExit::Retired),
        3 => Just(WorkerExit::Recycled),
        3 => Just(WorkerExit::Replaced),
        1 => Just(WorkerExit::GivenUp)
    ]
}

fn level() -> impl Strategy<Value = MemoryLevel> {
    prop_oneof![
        4 => Just(MemoryLevel::Normal),
        1 => Just(MemoryLevel::Elevated),
        1 => Just(MemoryLevel::High),
        1 => Just(MemoryLevel::Critical)
    ]
}
