//! TODOC

pub(crate) mod atomic;
pub(crate) mod tree;
