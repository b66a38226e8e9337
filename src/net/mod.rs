//! HTTP and network access outside the browsers.

mod certificate;
#[cfg_attr(not(feature = "notify"), allow(dead_code, reason = "part of it is for notices alone"))]
mod client;
mod cookies;
pub(crate) mod network_policy;
pub(crate) mod reachable;
pub(crate) mod retry_after;

pub use client::{HttpClient, HttpError, HttpRequest, HttpResponse};
pub use cookies::{CookieJar, StoredCookie};
pub use network_policy::NetworkPolicy;
