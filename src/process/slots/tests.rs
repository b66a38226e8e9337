//! How the table decides, case by case.

use super::*;
use crate::process::service::RestartPolicy;

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn rules(max: usize) -> SlotRules {
    let restart = RestartPolicy {
        backoff_min: SECOND,
        backoff_max: 4 * SECOND,
        limit: 3,
        stable_after: 60 * SECOND,
        cool_down: 30 * SECOND,
    };
    SlotRules { max, leases_per_process: 1, max_leases: None, idle_timeout: 10 * SECOND, restart }
}

/// A table of `count` healthy processes, of which two may be more.
fn healthy(count: usize) -> Slots {
    let mut slots = Slots::new(rules(count + 2), count);
    for effect in slots.turn(Duration::ZERO) {
        let Effect::Start(id) = effect else { panic!("{effect:?}") };
        slots.healthy(Duration::ZERO, id);
    }
    slots
}

#[test]
fn leases_are_given_in_turn_and_to_those_first_who_came_first() {
    let mut slots = healthy(3);
    slots.rules.max = 3;
    let waiters: Vec<_> = (0..5).map(|_| slots.enqueue()).collect();
    let grants = |effects: Vec<Effect>| -> Vec<_> {
        effects
            .into_iter()
            .map(|effect| if let Effect::Grant(waiter, id) = effect { (waiter, id.0) } else { panic!("{effect:?}") })
            .collect()
    };
    assert_eq!(grants(slots.turn(SECOND)), [(waiters[0], 1), (waiters[1], 2), (waiters[2], 3)]);
    slots.release(SECOND, InstanceId(2));
    assert_eq!(grants(slots.turn(SECOND)), [(waiters[3], 2)]);
    slots.cancel(waiters[4]);
    slots.release(SECOND, InstanceId(1));
    assert_eq!(slots.turn(SECOND), []);
    // the next in turn after 2 is 3, which is leased; then 1
    slots.release(SECOND, InstanceId(2));
    let last = slots.enqueue();
    assert_eq!(grants(slots.turn(SECOND)), [(last, 1)]);
}

#[test]
fn failures_in_a_row_are_followed_by_longer_waits_and_then_by_refusals_and_one_trial() {
    let mut slots = Slots::new(rules(2), 1);
    let mut now = Duration::ZERO;
    let started = |effects: &[Effect]| match effects {
        [Effect::Start(id)] => *id,
        other => panic!("{other:?}"),
    };
    let mut id = started(&slots.turn(now));
    for wait in [1, 2, 4] {
        slots.exited(now, id, false);
        assert_eq!(slots.turn(now), [], "not before its time");
        assert_eq!(slots.next_turn(now), Some(now + wait * SECOND));
        now += wait * SECOND;
        id = started(&slots.turn(now));
    }
    let waiter = slots.enqueue();
    assert_eq!(slots.turn(now), [], "after failures one at a time is started");
    slots.exited(now, id, false);
    assert_eq!(slots.turn(now), [Effect::Refuse(waiter)]);
    assert_eq!((slots.circuit(now), slots.next_turn(now)), (Circuit::Open(now + 30 * SECOND), Some(now + 30 * SECOND)));
    now += 30 * SECOND;
    id = started(&slots.turn(now));
    assert_eq!(slots.circuit(now), Circuit::HalfOpen);
    let waiter = slots.enqueue();
    assert_eq!(slots.turn(now), []);
    slots.healthy(now, id);
    assert_eq!((slots.turn(now), slots.circuit(now)), (vec![Effect::Grant(waiter, id)], Circuit::Closed));
    assert_eq!((slots.failures(), slots.restarts()), (4, 4));
    // one that was healthy for long enough starts the count anew
    now += 60 * SECOND;
    slots.exited(now, id, false);
    assert_eq!(slots.failures(), 1);
    assert_eq!(slots.circuit(now), Circuit::Closed);
}

#[test]
fn a_failure_that_can_only_repeat_itself_is_not_tried_again_at_once() {
    let mut slots = Slots::new(rules(1), 1);
    assert_eq!(slots.turn(SECOND), [Effect::Start(InstanceId(1))]);
    slots.exited(SECOND, InstanceId(1), true);
    assert_eq!(slots.turn(SECOND), []);
    assert_eq!(slots.circuit(SECOND), Circuit::Open(31 * SECOND));
}

#[test]
fn a_process_that_has_served_its_leases_is_replaced_before_it_ends() {
    let mut slots = Slots::new(SlotRules { max_leases: Some(1), ..rules(2) }, 1);
    slots.turn(SECOND);
    slots.healthy(SECOND, InstanceId(1));
    let waiter = slots.enqueue();
    assert_eq!(slots.turn(SECOND), [Effect::Grant(waiter, InstanceId(1)), Effect::Start(InstanceId(2))]);
    slots.release(SECOND, InstanceId(1));
    assert_eq!(slots.turn(SECOND), [Effect::Stop(InstanceId(1), StopCause::Recycled)]);
    slots.exited(SECOND, InstanceId(1), false);
    assert_eq!((slots.turn(SECOND), slots.failures(), slots.restarts()), (vec![], 0, 0));
}

#[test]
fn a_process_that_ends_before_its_last_lease_is_back_has_failed_unless_it_was_wanted_no_more() {
    let leased = |max_leases| {
        let mut slots = Slots::new(SlotRules { max_leases, ..rules(2) }, 1);
        slots.turn(SECOND);
        slots.healthy(SECOND, InstanceId(1));
        slots.enqueue();
        slots.turn(SECOND);
        slots
    };
    let mut slots = leased(Some(1));
    slots.exited(SECOND, InstanceId(1), false);
    assert_eq!((slots.failures(), slots.is_backing_off(SECOND)), (1, true), "each lease crashes its process");
    for end in [|slots: &mut Slots| slots.scale(0), Slots::close] {
        let mut slots = leased(None);
        end(&mut slots);
        slots.turn(SECOND);
        slots.exited(SECOND, InstanceId(1), false);
        assert_eq!((slots.failures(), slots.restarts()), (0, 0));
    }
}

#[test]
fn demand_starts_more_processes_and_idleness_ends_them() {
    let mut slots = healthy(1);
    let waiters: Vec<_> = (0..5).map(|_| slots.enqueue()).collect();
    let effects = slots.turn(SECOND);
    assert_eq!(effects[1..], [Effect::Start(InstanceId(2)), Effect::Start(InstanceId(3))], "and no more than may be");
    for waiter in waiters {
        slots.cancel(waiter);
    }
    slots.healthy(2 * SECOND, InstanceId(2));
    slots.healthy(3 * SECOND, InstanceId(3));
    slots.release(4 * SECOND, InstanceId(1));
    assert_eq!((slots.turn(4 * SECOND), slots.next_turn(4 * SECOND)), (vec![], Some(12 * SECOND)));
    assert_eq!(slots.turn(12 * SECOND), [Effect::Stop(InstanceId(2), StopCause::ScaledDown)]);
    assert_eq!(slots.turn(13 * SECOND), [Effect::Stop(InstanceId(3), StopCause::ScaledDown)]);
    assert_eq!((slots.turn(99 * SECOND), slots.next_turn(99 * SECOND)), (vec![], None), "one stays");
}

#[test]
fn scaling_down_ends_idle_processes_first_and_lets_leases_end() {
    let mut slots = healthy(3);
    let waiter = slots.enqueue();
    assert_eq!(slots.turn(SECOND), [Effect::Grant(waiter, InstanceId(1))]);
    slots.scale(1);
    let stopped = |id| Effect::Stop(InstanceId(id), StopCause::ScaledDown);
    assert_eq!(slots.turn(SECOND), [stopped(2), stopped(3)]);
    slots.scale(0);
    assert_eq!(slots.turn(SECOND), []);
    slots.release(SECOND, InstanceId(1));
    assert_eq!(slots.turn(SECOND), [stopped(1)]);
    slots.scale(9);
    assert_eq!(slots.turn(SECOND).len(), 2, "five at most, three of which are still ending");
}

#[test]
fn a_suspect_gets_no_lease_until_it_is_healthy_again() {
    let mut slots = healthy(1);
    slots.rules.max = 1;
    slots.suspect(InstanceId(1));
    let waiter = slots.enqueue();
    assert_eq!(slots.turn(SECOND), []);
    slots.healthy(SECOND, InstanceId(1));
    assert_eq!(slots.turn(SECOND), [Effect::Grant(waiter, InstanceId(1))]);
    assert!(slots.broken(InstanceId(1)) && !slots.broken(InstanceId(1)), "only the first report is news");
    assert_eq!(slots.turn(SECOND), [Effect::Stop(InstanceId(1), StopCause::Broken)], "whoever has leases");
    assert!(!slots.broken(InstanceId(1)));
    slots.exited(SECOND, InstanceId(1), false);
    assert_eq!(slots.failures(), 1);
    assert!(!slots.broken(InstanceId(1)), "it is gone");
}
