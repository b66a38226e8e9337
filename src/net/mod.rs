//! What a program needs of HTTP and the network beside its browsers.

pub(crate) mod reachable;
pub(crate) mod retry_after;
