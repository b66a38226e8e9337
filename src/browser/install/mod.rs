//! The installed browser and driver: found, matched by version, installed when missing.

pub(crate) mod locate;
pub mod provision;
pub(crate) mod version;
