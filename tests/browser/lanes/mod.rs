//! Orders through the lanes of a session, without the engine.

mod bad_luck;
mod harness;
mod odd_pages;
mod parity;
