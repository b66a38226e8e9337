//! TODOC

pub(crate) mod retry_after;
