//! What a page shows, and what that means.

pub(crate) mod classify;
pub(crate) mod controls;
pub(crate) mod emptiness;
pub(crate) mod identity;
pub(crate) mod long_polls;
pub(crate) mod readiness;
pub(crate) mod responses;
pub(crate) mod signs;
pub(crate) mod snapshot;
pub(crate) mod unlisted;
