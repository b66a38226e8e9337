//! Ways to fetch an order's files, one folder each. All of them read pages by the same recipe and with the same code.

#[cfg_attr(not(feature = "internals"), allow(dead_code, unused_imports, reason = "the lanes that use it come next"))]
pub mod frames;
