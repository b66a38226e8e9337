//! Suspects and evicted browsers, step by step.

use std::collections::BTreeMap;
use std::time::Duration;

use super::world::config;
use crate::config::Canary;
use crate::model::{
    AttemptEnd, AttemptNo, Entry, Failure, FailureKind, MemoryLevel, MemoryReading, PoTask, TaskId, TaskState, WorkerId,
};
use crate::policy::{MemoryLimit, RecycleReason};
use crate::pool::scheduler::{
    Assignment, CallId, Effect, Input, LeaseId, Request, RequestId, ResourceSample, Scheduler, SessionOpened,
    WorkRequest, WorkerExit, WorkerExited,
};

const T: TaskId = TaskId(1);
const W: WorkerId = WorkerId(1);

/// A scheduler with one order, which has crashed so many browsers, and one worker.
struct Stage {
    scheduler: Scheduler,
    now: Duration,
    last_id: u64,
}

impl Stage {
    fn new(crashes: u32, canary: Option<Canary>) -> Self {
        let order = PoTask::new("7".parse().unwrap());
        let mut entries = vec![Entry::Admitted { task: T, order, receipt: None }];
        for attempt in 1..=crashes {
            let failure = failure(FailureKind::SessionLost);
            entries.push(Entry::Started { task: T, attempt: AttemptNo(attempt), worker: W });
            entries.push(Entry::Postponed { task: T, failure, counted: true, receipt: None });
        }
        let state = entries.iter().fold(None, |state, entry| Some(TaskState::apply(state, entry).unwrap())).unwrap();
        let mut stage = Self {
            scheduler: Scheduler::new(config(canary, 1), BTreeMap::from([(T, state)])),
            now: Duration::ZERO,
            last_id: 0,
        };
        stage.step(Input::WorkerStarting(W));
        stage.step(Input::SessionOpened(W, SessionOpened { pid: None, is_handover: false }));
        stage
    }

    fn step(&mut self, input: Input) {
        self.scheduler.step(self.now, input);
    }

    fn request(&mut self, request: Request) -> Vec<Assignment> {
        self.last_id += 1;
        self.step(Input::Requested(RequestId(self.last_id), request));
        self.turn().1
    }

    fn turn(&mut self) -> (Vec<Entry>, Vec<Assignment>) {
        let (entries, effects) = self.scheduler.turn(self.now);
        let assigned = effects.into_iter().filter_map(|effect| match effect {
            Effect::Assign(_, assignment) => Some(assignment),
            _ => None,
        });
        (entries, assigned.collect())
    }

    /// The worker asks for work in a session that has been through so many attempts.
    fn ask(&mut self, attempt_count: u32) -> Vec<Assignment> {
        self.last_id += 1;
        let call = CallId(self.last_id);
        self.step(Input::WorkRequested(WorkRequest { call, worker: W, attempt_count, median_page_time: None }));
        self.turn().1
    }

    /// Its session is closed, and a new one opened.
    fn recycle(&mut self) {
        self.step(Input::WorkerClosing(W));
        self.step(Input::WorkerExited(W, WorkerExited { exit: WorkerExit::Recycled, error: None }));
        self.step(Input::WorkerStarting(W));
        self.step(Input::SessionOpened(W, SessionOpened { pid: None, is_handover: false }));
    }

    fn end(&mut self, lease: LeaseId, end: AttemptEnd) -> Vec<Entry> {
        self.step(Input::LeaseEnded { lease, end, retry_after: None });
        self.turn().0
    }

    /// Memory is critical.
    fn evict(&mut self) {
        let reading = MemoryReading { workers: [(W, 9_000_000_000)].into(), ..MemoryReading::default() };
        let limit = MemoryLimit { level: MemoryLevel::Critical, cap: 1 };
        self.step(Input::Sampled(ResourceSample { reading, limit, ..ResourceSample::default() }));
        let (_, effects) = self.scheduler.turn(self.now);
        assert!(effects.contains(&Effect::Evict(W)), "{effects:?}");
        self.step(Input::Sampled(ResourceSample::default()));
        self.step(Input::WorkerClosing(W));
    }
}

fn failure(kind: FailureKind) -> Failure {
    Failure::new(kind, "it ended")
}

fn lease_of(assigned: &[Assignment]) -> LeaseId {
    match assigned {
        [Assignment::Run(lease, _)] => *lease,
        other => panic!("{other:?}"),
    }
}

const FOR_SUSPECT: [Assignment; 1] = [Assignment::Recycle(RecycleReason::Suspect)];

#[test]
fn a_suspect_runs_in_a_fresh_browser_and_none_is_opened_for_it_while_the_run_is_paused() {
    for canary in [None, Some("7".parse().unwrap())] {
        let mut stage = Stage::new(2, canary);
        stage.request(Request::Pause);
        assert_eq!(stage.ask(3), []);
        assert_eq!(stage.scheduler.next_wake(stage.now), None);
        assert_eq!(stage.request(Request::Resume), FOR_SUSPECT);
        stage.recycle();
        lease_of(&stage.ask(0));
    }
}

#[test]
fn no_browser_is_opened_for_a_suspect_while_the_site_is_left_alone_and_one_is_as_soon_as_it_is_not() {
    let mut stage = Stage::new(2, None);
    for _ in 0..20 {
        let lease = lease_of(&stage.ask(0));
        let entries = stage.end(lease, AttemptEnd::NotBegun(failure(FailureKind::SiteDown)));
        assert_eq!(entries, [Entry::Returned { task: T, shared_crash: false }]);
        if stage.ask(1).is_empty() {
            let wake = stage.scheduler.next_wake(stage.now).unwrap();
            assert!(wake > stage.now);
            stage.now = wake;
            assert_eq!(stage.turn().1, FOR_SUSPECT);
            return;
        }
        stage.recycle();
    }
    panic!("the site was never left alone");
}

#[test]
fn an_attempt_that_had_not_begun_when_its_browser_was_evicted_costs_nothing_and_blames_nobody() {
    let mut stage = Stage::new(0, None);
    for _ in 0..9 {
        let lease = lease_of(&stage.ask(0));
        stage.evict();
        let entries = stage.end(lease, AttemptEnd::NotBegun(failure(FailureKind::Unreachable)));
        assert_eq!(entries, [Entry::Returned { task: T, shared_crash: false }]);
        stage.recycle();
    }
    // its free evictions are still its own; when they are used up, a browser that was killed is a browser that was lost
    let mut free = 0;
    loop {
        let lease = lease_of(&stage.ask(0));
        stage.evict();
        match stage.end(lease, AttemptEnd::Failed(failure(FailureKind::Unreachable), None)).as_slice() {
            [Entry::Returned { .. }] => free += 1,
            [Entry::Postponed { failure, counted, .. }] => {
                assert_eq!((failure.kind, *counted), (FailureKind::SessionLost, true));
                break;
            }
            other => panic!("{other:?}"),
        }
        stage.recycle();
    }
    assert!(free > 0);
}
