//! The types that settings have beside the usual ones.

mod address;
mod canary;
mod choices;
mod filter;
mod private_host;
mod secret_url;
mod worker_count;

pub use address::parse_address;
pub(crate) use address::{check_address, check_hook};
pub use canary::Canary;
pub use choices::{BrowserChoice, RequisitionRule, Sandbox};
pub use filter::Filter;
pub(crate) use filter::read_types;
pub(crate) use private_host::OWN_NAMES;
pub use private_host::PrivateHost;
pub(crate) use private_host::read_private_hosts;
pub use secret_url::SecretUrl;
pub(crate) use worker_count::MAX_WORKERS;
pub use worker_count::WorkerCount;
