//! TODOC

pub(crate) mod group;
pub(crate) mod mark;
pub(crate) mod orphans;
pub(crate) mod pidfd;
pub(crate) mod reaper;
