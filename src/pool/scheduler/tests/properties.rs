//! Whatever happens in whatever order, each turn is legal, adds up, and can be replayed.

use std::time::Duration;

use proptest::prelude::*;

use crate::config::Canary;
use crate::model::{AttemptEnd, Failure, FailureKind};
use crate::pool::scheduler::WorkerExit;

use super::actions::{Action, actions};
use super::world::World;

fn play(actions: &[Action], canary: Option<Canary>, slots: usize) -> Result<(), TestCaseError> {
    let mut world = World::new(canary, slots);
    for action in actions {
        world.act(action).map_err(TestCaseError::fail)?;
    }
    world.finish().map_err(TestCaseError::fail)
}

#[test]
fn a_canary_that_crashed_two_browsers_is_tried_again_in_whatever_session_there_is() {
    let turn = Action::Turn { is_written: true };
    let mut actions = vec![Action::StartWorker, turn.clone()];
    for _ in 0..2 {
        actions.extend([Action::Open(0), Action::Ask(0), turn.clone(), Action::Crash(0)]);
        actions.extend([Action::Exit { worker: 0, exit: WorkerExit::Replaced }, turn.clone()]);
    }
    let end = AttemptEnd::NotBegun(Failure::new(FailureKind::SiteDown, "maintenance"));
    actions.extend([Action::Open(0), Action::Ask(0), turn.clone()]);
    actions.extend([Action::EndLease { lease: 0, end, retry_after: None }, Action::Sleep(Duration::from_secs(100))]);
    actions.extend([turn.clone(), Action::Ask(0), turn]);
    play(&actions, Some("3".parse().unwrap()), 1).unwrap();
}

proptest! {
    #[test]
    fn every_interleaving_of_inputs_is_legal_and_ends_each_order_once(actions in actions(), slots in 1_usize..=4) {
        play(&actions, None, slots)?;
    }

    #[test]
    fn no_interleaving_starts_an_order_before_the_canary_has_passed(actions in actions(), slots in 1_usize..=4) {
        play(&actions, Some("3".parse().unwrap()), slots)?;
    }
}
