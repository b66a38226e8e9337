//! The WebDriver protocol: commands, pages, what a session is started with, and what its log says.

pub(crate) mod capabilities;
pub(crate) mod client;
pub(crate) mod cookies;
pub(crate) mod download_log;
pub(crate) mod net_error;
pub(crate) mod network_log;
pub(crate) mod page;
pub(crate) mod page_times;
pub(crate) mod settle;
pub(crate) mod vendor;
