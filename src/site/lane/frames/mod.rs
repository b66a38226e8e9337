//! The frames lane: several orders at a time in frames of one page of the portal, the conductor. Whatever is in doubt here is
//! for the tab lane to judge (`docs/adr/0040-orders-in-frames.md`).

pub(crate) mod conductor;
pub(crate) mod files;
pub(crate) mod host;
pub(crate) mod messages;
pub(crate) mod reason;
pub(crate) mod walk;
