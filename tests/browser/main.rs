//! Sessions of real browsers against a local site. Tests of what differs between Edge and Chrome (capabilities, vendor
//! endpoints, logging, process id) run on the stand-in for Edge as well. Without a browser they are skipped;
//! `REQUIRE_BROWSER=1` makes that an error, and `COUPA_BATCH_INSTALL=1` installs one first.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test may")]
#![cfg(target_os = "linux")] // processes are looked for in /proc

#[path = "../support/browser.rs"]
mod browser;
#[path = "../support/edge_stand_in.rs"]
mod edge_stand_in;
#[path = "../support/pool.rs"]
mod pool;

mod batch;
mod downloads;
mod drivers;
mod edge;
mod health;
mod lanes;
mod listings;
mod pages;
mod responses;
mod scenarios;
mod sessions;
mod site;

/// Makes each function a test on the installed browser.
macro_rules! on_the_installed_browser {
    ($($script:ident),+ $(,)?) => {
        mod installed {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $script() {
                if let Some(rig) = crate::browser::Rig::new(crate::browser::Flavour::Installed) {
                    super::$script(rig).await;
                }
            })+
        }
    };
}
use on_the_installed_browser;

/// Makes each function a test on the stand-in for Edge: for what differs between the vendors.
macro_rules! on_edge {
    ($($script:ident),+ $(,)?) => {
        mod edge {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $script() {
                if let Some(rig) = crate::browser::Rig::new(crate::browser::Flavour::Edge) {
                    super::$script(rig).await;
                }
            })+
        }
    };
}
use on_edge;

/// Makes each function a test on Chromium's headless shell, where it is installed.
macro_rules! on_the_headless_shell {
    ($($script:ident),+ $(,)?) => {
        mod headless_shell {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $script() {
                if let Some(rig) = crate::browser::Rig::new(crate::browser::Flavour::HeadlessShell) {
                    super::$script(rig).await;
                }
            })+
        }
    };
}
use on_the_headless_shell;
