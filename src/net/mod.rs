//! HTTP and network without a browser.

#[cfg(feature = "notify")]
pub(crate) mod client;
pub(crate) mod reachable;
pub(crate) mod retry_after;
