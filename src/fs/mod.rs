//! File system tools.

pub(crate) mod atomic;
pub(crate) mod blocking;
pub(crate) mod tree;
