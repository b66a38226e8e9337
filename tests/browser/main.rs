//! Sessions of real browsers against a local site: the same scripts on the browser that is installed and on the
//! stand-in for Edge. Without a browser they are skipped; `REQUIRE_BROWSER=1` makes that an error, and
//! `COUPA_BATCH_INSTALL=1` installs one first.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test may")]
#![cfg(target_os = "linux")] // processes are looked for in /proc

#[path = "../support/browser.rs"]
mod browser;
#[path = "../support/edge_stand_in.rs"]
mod edge_stand_in;
#[path = "../support/pool.rs"]
mod pool;

mod answers;
mod batch;
mod downloads;
mod drivers;
mod edge;
mod health;
mod pages;
mod scenarios;
mod sessions;
mod site;

/// Makes each script a test on the installed browser and one on the stand-in for Edge.
macro_rules! on_each_browser {
    ($($script:ident),+ $(,)?) => {
        mod installed {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $script() {
                if let Some(rig) = crate::browser::Rig::new(crate::browser::Flavour::Installed) {
                    super::$script(rig).await;
                }
            })+
        }
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
use on_each_browser;
