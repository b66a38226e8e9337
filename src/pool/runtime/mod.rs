//! TODOC

pub(crate) mod dispatcher;
pub(crate) mod handover;
pub(crate) mod lease;
pub(crate) mod supervisor;
pub(crate) mod worker;
