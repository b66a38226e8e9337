//! The program as its users meet it: the real binary, the embedded portal, real browsers, and what happens when
//! something is wrong. Each failure ends with its exit code, one message that says what to do, and neither a process nor
//! a profile left. Without a browser the tests that want one are skipped, by the rule of `tests/browser`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test may")]
#![cfg(target_os = "linux")] // processes are looked for in /proc

#[path = "../support/dice.rs"]
mod dice;
#[path = "../support/edge_stand_in.rs"]
mod edge_stand_in;
#[path = "../support/rig.rs"]
mod rig;

mod desk;
mod hook;
mod mount;

mod bad_weather;
mod browsers;
mod calls;
mod chaos;
mod demo;
mod dispositions;
mod doors;
mod emptiness;
mod evidence;
mod filters;
mod folders;
mod full_disks;
mod hostile;
mod inputs;
mod keyring;
mod logins;
mod looks;
mod manifests;
mod notices;
mod portals;
mod recipes;
mod resume;
mod secrets;
mod signals;
mod sweep;
mod walls;

/// Ends the test, with a line that says so, when there is no browser.
macro_rules! needs_browser {
    () => {
        if !crate::rig::is_browser_there() {
            println!("skipped: no browser is installed");
            return;
        }
    };
}
use needs_browser;
