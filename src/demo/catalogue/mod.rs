//! TODOC

pub(crate) mod files;
pub(crate) mod generate;
pub(crate) mod names;
pub(crate) mod orders;
pub(crate) mod rng;
