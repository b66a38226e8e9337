//! File system tools.

pub(crate) mod tree;
