//! What a page shows, and what that means.

pub(crate) mod classify;
pub(crate) mod emptiness;
pub(crate) mod identity;
pub(crate) mod marks;
pub(crate) mod names;
pub(crate) mod number;
pub(crate) mod others;
pub(crate) mod readiness;
pub(crate) mod responses;
pub(crate) mod selectors;
pub(crate) mod snapshot;
