//! How a pool behaves, through its public surface, on doubles and a paused clock.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

#[path = "../support/doubles.rs"]
mod doubles;

mod admission;
mod drain;
mod gate;
mod lending;
mod memory;
mod priority;
mod recovery;
mod retry;
mod scaling;
mod upkeep;
mod workers;
