//! TODOC

pub(crate) mod classify;
pub(crate) mod emptiness;
pub(crate) mod responses;
pub(crate) mod snapshot;
