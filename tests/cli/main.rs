//! The program as its users meet it: the real binary, the embedded portal, real browsers, and what happens when
//! something goes wrong. Each failure ends with its exit code and one message that says what to do, and leaves neither a
//! process nor a profile. Without a browser the tests that need one are skipped, by the rule of `tests/browser`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test may")]
#![cfg(target_os = "linux")] // the tests look for processes in /proc

#[path = "../support/browser.rs"]
mod browser;
#[path = "../support/edge_stand_in.rs"]
mod edge_stand_in;
#[path = "../support/rng.rs"]
mod rng;

mod files;
mod harness;
mod portal;
mod run;
mod safety;

/// Ends the test, with a line that says so, when there is no browser.
macro_rules! needs_browser {
    () => {
        if !crate::browser::is_browser_there() {
            println!("skipped: no browser is installed");
            return;
        }
    };
}
use needs_browser;
