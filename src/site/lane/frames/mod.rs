//! Frames of one page of the portal, the conductor, each with a page of an order (`docs/adr/0040-orders-in-frames.md`).

pub(crate) mod conductor;
pub(crate) mod host;
pub(crate) mod messages;
