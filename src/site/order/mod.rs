//! TODOC

pub(crate) mod collect;
pub(crate) mod fetch;
pub(crate) mod open;
