//! Profile folders: made, filled from a template, measured, wiped; leftovers of ended programs swept.

pub(crate) mod manager;
pub(crate) mod owned_dir;
pub(crate) mod paths;
pub(crate) mod sweep;
pub(crate) mod template;
