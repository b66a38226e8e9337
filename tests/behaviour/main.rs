//! How a pool behaves, through its public surface, on doubles and a paused clock.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

#[path = "../support/doubles.rs"]
mod doubles;

mod admission;
mod circuit_breaker;
mod drain;
mod memory;
mod recovery;
mod recycling;
mod retry;
mod scaling;
mod sessions;
