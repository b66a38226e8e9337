//! TODOC

pub(crate) mod locate;
pub mod provision;
pub(crate) mod version;
