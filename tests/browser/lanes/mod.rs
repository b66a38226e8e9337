//! Orders through the lanes of a session, without the engine.

mod harness;
mod odd_pages;
mod parity;
