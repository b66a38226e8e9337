//! Whatever happens in whatever order, each turn is legal, adds up, and can be replayed.

use proptest::prelude::*;

use crate::config::Canary;

use super::actions::{Action, actions};
use super::world::World;

fn play(actions: &[Action], canary: Option<Canary>, slots: usize) -> Result<(), TestCaseError> {
    let mut world = World::new(canary, slots);
    for action in actions {
        world.act(action).map_err(TestCaseError::fail)?;
    }
    world.finish().map_err(TestCaseError::fail)
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
