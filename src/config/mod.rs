//! Settings. Layers of optional values ([`Settings`]) become one complete, validated [`PoolConfig`], or **all** problems
//! at once ([`ConfigError`]).

#![cfg_attr(
    not(feature = "cli"),
    allow(dead_code, unused_imports, reason = "part of it is for the command line alone")
)]

mod builder;
mod error;
pub(crate) mod layers;
mod reference;
mod rules;
#[macro_use]
mod schema;
mod sections;
mod settings;
mod types;
mod value;

pub use error::{ConfigError, ConfigProblem, InvalidValue};
pub use reference::reference;
#[cfg(test)]
pub(crate) use rules::resolve;
pub use schema::{IntoSetting, Setting};
#[cfg(feature = "internals")]
pub use sections::InputConfig;
pub use sections::{
    AdmissionConfig, BrowserConfig, Credentials, DriverConfig, MemoryConfig, PoolConfig, ProfileConfig, RecycleConfig,
    RestartConfig, RetryConfig, ScalingConfig, SiteConfig, Timeouts,
};
pub use settings::{PoolConfigBuilder, SETTINGS, Settings};
pub(crate) use types::OWN_NAMES;
pub use types::{
    BrowserChoice, Canary, Filter, LaneChoice, OrdersPerSession, PrivateHost, RequisitionRule, Sandbox, SecretUrl,
    WorkerCount, parse_address,
};
pub(crate) use value::Value;
