//! The embedded portal: a small Coupa-like portal on loopback, for a first run and for tests.
//!
//! It can be each [`PortalKind`] that has a built-in recipe.
//!
//! It is a real portal: nothing in the engine knows about it, and it knows nothing about the engine. Its orders and the bytes
//! of its files follow from a seed; passwords, logins and one-time addresses are random at each start.
//!
//! ```text
//! request -> routes (what is requested, for which order) -> faults (does it fail?) -> logins (whose request is it?)
//!         -> response (page, file, one-time address) <- orders (what exists) <- files (which bytes)
//! ```
//!
//! # Adding a kind of portal
//! One variant of [`PortalKind`] with its addresses and names, its addresses in `routes.rs`, its pages in `pages/`.
//!
//! # Adding a fault
//! One variant of [`PortalFault`] in `faults/mod.rs` and one arm in the `match` of `inject::go_wrong`. The rest is the same for
//! all faults.
//!
//! ```no_run
//! use coupa_batch::demo::{DemoConfig, DemoPortal, FaultRule, PortalFault, RequestTarget};
//! # async fn example() -> std::io::Result<()> {
//! let portal = DemoPortal::start(DemoConfig::default()).await?;
//! let unlucky = portal.orders()[0].clone();
//! portal.faults().add(FaultRule::new(PortalFault::Status(503), RequestTarget::OrderPage).for_order(&unlucky).times(2));
//! println!("{} as {}", portal.base_url(), portal.username());
//! portal.stop().await;
//! # Ok(())
//! # }
//! ```

mod catalogue;
mod check;
mod faults;
mod pages;
mod portal;
mod portal_kind;
mod server;
mod state;
#[cfg(test)]
mod tests;

pub use check::{Mismatch, check};
pub use faults::presets::NamedFault;
pub use faults::{
    FaultRule, FaultSwitches, Faults, ListChange, LoadingSign, LoginAnswer, PortalFault, RequestTarget, RetryAfter,
};
pub use portal::{DemoConfig, DemoPortal, Expected, ExpectedFile};
pub use portal_kind::PortalKind;
pub use state::{PortalCounts, PortalLatency};
