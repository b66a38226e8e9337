//! What the operating system does for child processes: groups, process handles, cleanup after a killed program.

pub(crate) mod group;
pub(crate) mod memory;
pub(crate) mod orphans;
pub(crate) mod pidfd;
pub(crate) mod reaper;
