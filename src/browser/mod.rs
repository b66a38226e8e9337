//! Floor 3, a room: real browsers behind the seam of [`crate::ports::Session`].
//!
//! A session is one driver process, the one browser that it starts, and one profile folder; all three begin and end
//! together, unless settings have a driver carry several sessions. [`locate`] finds what is installed, [`provision`] says how to install what is missing, and
//! [`BrowserFactory`] starts sessions. All that differs between Edge, Chrome and Chromium is in `dialect`.

mod answers;
mod capabilities;
mod dialect;
mod downloads;
mod driver;
mod factory;
mod fleet;
mod folder;
mod group;
mod health;
mod heir;
mod locate;
mod owned;
mod page;
mod places;
mod ports;
mod posts;
mod process;
mod profile;
pub mod provision;
mod seat;
mod session;
mod sweep;
mod template;
mod times;
mod version;
mod walls;
mod ward;
mod warming;
mod wire;
mod words;

pub use dialect::BrowserKind;
pub use factory::BrowserFactory;
pub use locate::{Finding, Installation, LocateError, Program, locate, survey};
pub use profile::{Profile, ProfileManager};
pub use sweep::{Leftovers, Orphan, Owner, Swept};
pub use version::Version;
