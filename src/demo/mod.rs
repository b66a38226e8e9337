//! The embedded portal: a small Coupa-like portal on loopback, for a first run without a tenant and for tests.
//!
//! It shows itself in the [`PortalKind`] of each kind of portal that a shipped recipe is for.
//!
//! It is a portal, not a double: nothing in the engine knows that it talks to it, and it knows nothing of the engine.
//! Which orders it has and which bytes its files hold follow from a seed alone; passwords, logins and one-time addresses
//! are random at each start.
//!
//! ```text
//! request -> routes (what is asked for, for which order) -> faults (does something go wrong?) -> logins (who asks?)
//!         -> answer (page, file, one-time address) <- orders (what exists) <- files (which bytes)
//! ```
//!
//! # Adding a look
//! One variant of [`PortalKind`] with its addresses and names, its addresses in `routes.rs`, its pages in `pages/`.
//!
//! # Adding a fault
//! One variant of [`PortalFault`] in `faults.rs`, one arm in the `match` of `wrong::go_wrong`, nothing else: reach,
//! counting and switching on and off are the same for all of them.
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
