//! Real browsers behind [`crate::backend::Session`] (floor 3).
//!
//! A session is one driver process, the browser it starts, and one profile folder; all three begin and end together.
//! [`locate`] finds what is installed, [`provision`] says how to install what is missing, and [`BrowserFactory`] starts
//! sessions. Everything that differs between Edge, Chrome and Chromium is in `webdriver/vendor.rs`.

#![cfg_attr(
    not(feature = "cli"),
    allow(dead_code, unused_imports, reason = "part of it is for the command line alone")
)]

mod driver;
mod factory;
mod install;
mod launcher;
mod profile;
mod session;
mod warmup;
mod webdriver;

pub use factory::BrowserFactory;
pub use install::locate::{Detection, Installation, Program, detect_all, detect_headless_shell, locate};
pub use install::provision;
pub use profile::manager::ProfileManager;
pub(crate) use profile::sweep::{Sweep, sweep};
#[cfg(feature = "internals")]
pub use webdriver::vendor::BrowserKind;
