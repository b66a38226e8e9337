//! TODOC

pub(crate) mod capabilities;
pub(crate) mod client;
pub(crate) mod download_log;
pub(crate) mod network_log;
pub(crate) mod network_policy;
pub(crate) mod page;
pub(crate) mod page_times;
pub(crate) mod vendor;
