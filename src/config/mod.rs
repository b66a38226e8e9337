//! Floor 1: settings. Raw layers go in ([`Settings`], every field optional), one complete and validated [`PoolConfig`]
//! comes out, or **all** that is wrong with them at once ([`ConfigProblems`]).

mod address;
mod builder;
mod canary;
mod drivers;
mod filter;
mod keys;
mod private_host;
mod problem;
mod reference;
mod resolve;
mod secret_address;
mod sections;
mod settings;
mod value;
mod workers;

pub use builder::PoolConfigBuilder;
pub use canary::Canary;
pub use filter::Filter;
pub use keys::{KEYS, Setting};
pub(crate) use private_host::OWN_NAMES;
pub use private_host::PrivateHost;
pub use problem::{ConfigProblems, Problem};
pub use reference::reference;
pub use resolve::resolve;
pub use secret_address::SecretUrl;
pub use sections::{
    BrowserChoice, BrowserConfig, Credentials, DriverConfig, MemoryConfig, PoolConfig, ProfileConfig, RequisitionRule,
    RetryConfig, Sandbox, SiteConfig, Timeouts,
};
pub use settings::Settings;
pub use value::parse_address;
pub use workers::{AdmissionConfig, RecycleConfig, RestartConfig, ScalingConfig, WorkerCount};
