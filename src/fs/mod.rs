//! TODOC

pub(crate) mod tree;
