//! Process pools with real child processes: servers that do as they should, and servers that misbehave on request.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod bad_luck;
mod harness;
mod lifecycle;
mod stand_in;
