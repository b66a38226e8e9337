//! Floor 3, a room: real browsers behind the seam of [`crate::backend::Session`].
//!
//! A session is one driver process, the one browser that it starts, and one profile folder; all three begin and end
//! together, unless settings have a driver carry several sessions. [`locate`] finds what is installed, [`provision`] says how to install what is missing, and
//! [`BrowserFactory`] starts sessions. All that differs between Edge, Chrome and Chromium is in `dialect`.

mod driver;
mod factory;
mod install;
mod profile;
mod session;
mod warmup;
mod webdriver;

pub use factory::BrowserFactory;
pub use install::locate::{Detection, Installation, LocateError, Program, detect_all, locate};
pub use install::provision;
pub use install::version::Version;
pub use profile::manager::{Profile, ProfileManager};
pub use profile::sweep::{Leftovers, OrphanedProfile, OwnerInfo, SweepResult};
pub use webdriver::vendor::BrowserKind;
