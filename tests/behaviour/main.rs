//! How a pool behaves, through its public surface, on fakes and a paused clock.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

#[path = "../support/doubles.rs"]
mod doubles;

mod acquire;
mod admission;
mod browser_sessions;
mod circuit_breaker;
mod drain;
mod lanes;
mod memory;
mod recovery;
mod recycling;
mod retry;
mod workers;
