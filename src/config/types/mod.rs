//! The types of single settings.

mod address;
mod choices;
mod orders;
mod private_host;
mod secret_url;

pub use address::parse_address;
pub(crate) use address::{check_address, check_webhook};
pub(crate) use choices::MAX_WORKERS;
pub use choices::{BrowserChoice, LaneChoice, OrdersPerSession, RequisitionRule, Sandbox, WorkerCount};
pub(crate) use orders::read_types;
pub use orders::{Canary, Filter};
pub(crate) use private_host::OWN_NAMES;
pub use private_host::PrivateHost;
pub(crate) use private_host::read_private_hosts;
pub use secret_url::SecretUrl;
