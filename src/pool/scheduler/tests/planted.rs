//! Planted mistakes: the checker must find each, or it would prove nothing.

use super::checker::Checker;
use crate::model::{
    AttemptEnd, AttemptNo, Entry, Failure, FailureKind, Outcome, PoTask, Receipt, RunId, TaskId, Totals, WorkerId,
};
use crate::policy::RecycleReason;
use crate::pool::scheduler::{Assignment, AttemptSpec, CallId, Effect, LeaseId, RequestId, Response, TaskUpdate};

const T: TaskId = TaskId(1);
const W: WorkerId = WorkerId(1);

fn order() -> PoTask {
    PoTask::new("7".parse().unwrap())
}
fn admitted() -> Entry {
    Entry::Admitted { task: T, order: order(), receipt: None }
}
fn started(no: u32) -> Entry {
    Entry::Started { task: T, attempt: AttemptNo(no), worker: W }
}
fn settled() -> Entry {
    Entry::Settled { task: T, outcome: Outcome::Completed(Receipt::default()) }
}
fn told() -> Effect {
    Effect::Publish(T, TaskUpdate::Settled(Box::new(Outcome::Completed(Receipt::default()))))
}
fn finalize() -> Effect {
    Effect::Finalize(T, order(), Box::new(Outcome::Completed(Receipt::default())))
}
fn run(lease: u64, no: u32) -> Effect {
    let attempt =
        AttemptSpec { task: T, order: order(), no: AttemptNo(no), worker: W, have: Vec::new(), is_alone: false };
    Effect::Assign(CallId(lease), Assignment::Run(LeaseId(lease), Box::new(attempt)))
}

/// A checker of sessions that have one order in work at a time.
fn checker() -> Checker {
    Checker::awaiting(None, 1)
}

/// A checker that has seen one order admitted and started.
fn at_work() -> Checker {
    let mut checker = checker();
    checker.turn(&[admitted(), started(1)], &[run(1, 1)]).unwrap();
    checker
}

/// The same, with the attempt ended and the order finalized.
fn at_its_end() -> Checker {
    let mut checker = at_work();
    checker.lease_ended(LeaseId(1), &AttemptEnd::Returned);
    checker.turn(&[], &[finalize()]).unwrap();
    checker.finalized(T);
    checker
}

/// The mistake is found by the rule that says `rule`, and by no other.
#[track_caller]
fn finds(verdict: Result<(), String>, rule: &str) {
    let why = verdict.unwrap_err();
    assert!(why.contains(rule), "{why}");
}

#[test]
fn a_right_sequence_is_accepted() {
    let mut checker = at_its_end();
    checker.turn(&[settled()], &[told()]).unwrap();
    checker.totals(Totals { admitted: 1, completed: 1, ..Totals::default() }).unwrap();
}

#[test]
fn an_entry_that_cannot_follow_is_found() {
    finds(checker().turn(&[started(1)], &[run(1, 1)]), "cannot follow");
    let mut checker = at_work();
    checker.lease_ended(LeaseId(1), &AttemptEnd::Returned);
    finds(checker.clone().turn(&[started(2)], &[run(2, 2)]), "cannot follow");
    finds(checker.clone().turn(&[admitted()], &[]), "cannot follow");
    finds(checker.turn(&[settled()], &[told()]), "was not finalized");
}

#[test]
fn an_entry_of_an_attempt_that_has_not_ended_is_found() {
    let failure = Failure::new(FailureKind::StepTimeout, "slow");
    let postponed = Entry::Postponed { task: T, failure, counted: true, receipt: None };
    finds(at_work().turn(std::slice::from_ref(&postponed), &[]), "has not ended");
    let mut checker = at_work();
    checker.lease_ended(LeaseId(1), &AttemptEnd::Returned);
    checker.turn(&[postponed], &[]).unwrap();
}

#[test]
fn an_order_that_ends_twice_is_found() {
    let mut checker = at_its_end();
    checker.turn(&[settled()], &[told()]).unwrap();
    finds(checker.clone().turn(&[settled()], &[told()]), "was not finalized");
    finds(checker.clone().turn(&[], &[told()]), "outcomes that were written");
    finds(checker.turn(&[], &[finalize()]), "is finalized while");
}

#[test]
fn an_outcome_that_nobody_is_told_is_found() {
    finds(at_its_end().turn(&[settled()], &[]), "outcomes that were written");
}

#[test]
fn an_assignment_without_its_entry_before_it_is_found() {
    let mut checker = checker();
    checker.turn(&[admitted()], &[]).unwrap();
    finds(checker.clone().turn(&[], &[run(1, 1)]), "attempts that were written");
    finds(checker.turn(&[started(1)], &[]), "attempts that were written");
}

#[test]
fn an_order_in_the_hands_of_two_workers_is_found() {
    finds(at_work().turn(&[started(1)], &[run(2, 1)]), "cannot follow");
    finds(at_work().turn(&[], &[finalize()]), "is finalized while");
}

#[test]
fn totals_that_miss_or_add_an_order_are_found() {
    let right = Totals { admitted: 1, running: 1, ..Totals::default() };
    at_work().totals(right).unwrap();
    finds(at_work().totals(Totals { pending: 1, ..right }), "the totals are");
    finds(at_work().totals(Totals { admitted: 2, ..right }), "the totals are");
    finds(at_work().totals(Totals { running: 0, ..right }), "the totals are");
    finds(at_work().totals(Totals { files: 1, ..right }), "the totals are");
}

#[test]
fn what_is_done_although_the_journal_refused_it_is_found() {
    let submitted = Effect::Reply(RequestId(1), Response::Submitted(Ok(vec![(T, order().po)])));
    let retire = Effect::Assign(CallId(1), Assignment::Retire);
    at_work().refused(&[run(1, 1)], std::slice::from_ref(&retire)).unwrap();
    finds(at_work().refused(&[run(1, 1)], &[run(1, 1)]), "done although");
    finds(at_work().refused(&[run(1, 1)], &[]), "is not told");
    finds(at_work().refused(&[], std::slice::from_ref(&submitted)), "done although");
    finds(at_work().refused(&[submitted], &[retire]), "is not told");
    finds(at_work().refused(&[], &[told()]), "done although");
}

#[test]
fn a_finalizing_order_is_neither_started_nor_finalized_again() {
    let mut checker = checker();
    checker.turn(&[admitted()], &[finalize()]).unwrap();
    finds(checker.clone().turn(&[started(1)], &[run(1, 1)]), "second worker");
    finds(checker.turn(&[], &[finalize()]), "is finalized while");
}

#[test]
fn an_order_that_starts_before_the_canary_passed_is_found() {
    let start = |canary: &str| {
        let mut checker = Checker::awaiting(Some(canary.parse().unwrap()), 1);
        checker.turn(&[admitted(), started(1)], &[run(1, 1)])
    };
    start("7").unwrap();
    finds(start("8"), "before the canary passed");
    let reused =
        Entry::Reused { task: T, outcome: Outcome::Completed(Receipt::default()), from: RunId::new("earlier") };
    let mut checker = Checker::awaiting(Some("7".parse().unwrap()), 1);
    finds(checker.turn(&[admitted(), reused], &[told()]), "although it is the canary");
    finds(checker.workers(2), "for the canary");
    checker.workers(1).unwrap();
}

#[test]
fn a_suspect_that_is_not_alone_or_not_the_last_is_found() {
    let other = TaskId(2);
    let entries = |crashes: u32, is_other_started: bool| {
        let order = PoTask::new("8".parse().unwrap());
        let mut entries = vec![admitted(), Entry::Admitted { task: other, order, receipt: None }];
        for attempt in 1..=crashes {
            entries.push(started(attempt));
            let failure = Failure::new(FailureKind::SessionLost, "it ended");
            entries.push(Entry::Postponed { task: T, failure, counted: true, receipt: None });
        }
        let start = Entry::Started { task: other, attempt: AttemptNo(1), worker: WorkerId(2) };
        entries.extend(is_other_started.then_some(start));
        entries.push(started(crashes + 1));
        entries
    };
    let error = |crashes, is_other_started| {
        checker().turn(&entries(crashes, is_other_started), &[]).unwrap_err() // nothing is handed out
    };
    assert!(error(1, true).contains("handed out"));
    for is_other_started in [false, true] {
        let why = error(2, is_other_started);
        assert!(why.contains("a suspect is tried alone"), "{why}");
    }
}

#[test]
fn an_entry_after_the_journal_broke_is_found() {
    let mut checker = checker();
    checker.refused(&[], &[]).unwrap();
    finds(checker.turn(&[admitted()], &[]), "after the journal broke");
}

/// A checker of sessions of `slots` orders, and orders that were admitted.
fn checker_of(slots: usize, orders: u64) -> Checker {
    let mut checker = Checker::awaiting(None, slots);
    let admitted = |number: u64| Entry::Admitted {
        task: TaskId(number),
        order: PoTask::new(number.to_string().parse().unwrap()),
        receipt: None,
    };
    checker.turn(&(1..=orders).map(admitted).collect::<Vec<_>>(), &[]).unwrap();
    checker
}

/// The first attempt at an order, as entry and effect.
fn start(number: u64, is_alone: bool) -> (Entry, Effect) {
    let (task, no) = (TaskId(number), AttemptNo(1));
    let order = PoTask::new(number.to_string().parse().unwrap());
    let attempt = AttemptSpec { task, order, no, worker: W, have: Vec::new(), is_alone };
    let run = Effect::Assign(CallId(number), Assignment::Run(LeaseId(number), Box::new(attempt)));
    (Entry::Started { task, attempt: no, worker: W }, run)
}

fn starts(checker: &mut Checker, number: u64, is_alone: bool) -> Result<(), String> {
    let (entry, effect) = start(number, is_alone);
    checker.turn(&[entry], &[effect])
}

fn lost() -> AttemptEnd {
    AttemptEnd::Failed(Failure::new(FailureKind::SessionLost, "it ended"), None)
}

#[test]
fn more_orders_than_a_session_may_have_are_found() {
    let mut checker = checker_of(2, 3);
    starts(&mut checker, 1, false).unwrap();
    starts(&mut checker, 2, false).unwrap();
    finds(starts(&mut checker, 3, false), "orders in work and gets");
}

#[test]
fn a_session_that_is_lent_or_closed_while_it_has_orders_in_work_is_found() {
    let of_whole_session = |assignment: Assignment| {
        let mut checker = checker_of(2, 1);
        starts(&mut checker, 1, false).unwrap();
        checker.sessions.asked(CallId(9), W);
        checker.turn(&[], &[Effect::Assign(CallId(9), assignment)])
    };
    finds(of_whole_session(Assignment::Lend(LeaseId(9), RequestId(9))), "must be alone");
    finds(of_whole_session(Assignment::Retire), "is closed while");
    finds(of_whole_session(Assignment::Recycle(RecycleReason::Age)), "is closed while");
    of_whole_session(Assignment::RecycleAhead(RecycleReason::Age)).unwrap();
}

#[test]
fn a_try_that_a_session_under_several_orders_costs_is_found() {
    let mut checker = checker_of(2, 2);
    starts(&mut checker, 1, false).unwrap();
    starts(&mut checker, 2, false).unwrap();
    checker.lease_ended(LeaseId(1), &lost());
    let failure = Failure::new(FailureKind::SessionLost, "it ended");
    let counted = Entry::Postponed { task: T, failure, counted: true, receipt: None };
    finds(checker.clone().turn(&[counted], &[]), "ended under others as well");
    let shared = |number| Entry::Returned { task: TaskId(number), shared_crash: true };
    checker.turn(&[shared(1)], &[]).unwrap();
    // from now on it must be alone, and is not while the other one is there
    finds(starts(&mut checker.clone(), 1, false), "of being alone");
    finds(starts(&mut checker.clone(), 1, true), "must be alone");
    checker.lease_ended(LeaseId(2), &AttemptEnd::Returned);
    finds(checker.clone().turn(&[shared(2)], &[]), "no session ended");
    checker.turn(&[Entry::Returned { task: TaskId(2), shared_crash: false }], &[]).unwrap();
    starts(&mut checker, 1, true).unwrap();
    finds(starts(&mut checker, 2, false), "must be alone");
}
