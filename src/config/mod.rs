//! Settings: layers of optional values go in ([`Settings`]); one complete, validated [`PoolConfig`] comes out, or
//! **every** problem at once ([`ConfigError`]).

mod builder;
mod drivers;
mod error;
pub(crate) mod layers;
mod reference;
mod rules;
mod scaling;
#[macro_use]
mod schema;
mod sections;
mod settings;
mod types;
mod value;

pub use error::{ConfigError, ConfigProblem};
pub use reference::reference;
pub use rules::resolve;
pub use schema::{IntoSetting, Setting};
pub use sections::{
    AdmissionConfig, BrowserConfig, Credentials, DriverConfig, InputConfig, MemoryConfig, PoolConfig, ProfileConfig,
    RecycleConfig, RestartConfig, RetryConfig, ScalingConfig, SiteConfig, Timeouts,
};
pub use settings::{PoolConfigBuilder, SETTINGS, Settings};
pub(crate) use types::OWN_NAMES;
pub use types::{
    BrowserChoice, Canary, Filter, PrivateHost, RequisitionRule, Sandbox, SecretUrl, WorkerCount, parse_address,
};
