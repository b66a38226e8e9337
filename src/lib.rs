#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "internals"), allow(unreachable_pub))]

pub mod backend;
pub mod config;
pub mod model;
pub mod policy;

mod fs;
mod net;
pub mod process;

pub mod browser;
pub mod credentials;
pub mod demo;
pub mod download;
pub mod host;
pub mod input;
pub mod journal;
pub mod notify;
pub mod pool;
pub mod report;
pub mod site;

mod assembly;
mod batch;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;

pub use assembly::{
    OneLogin, StartOptions, Sweep, SweepReport, check_login, kept_logins, lone_session, refusals, sweep,
};
pub use browser::ProfileManager;
pub use config::{ConfigError, PoolConfig, PoolConfigBuilder};
pub use model::{InvalidPoNumber, OrderStatus, Outcome, PoNumber, PoTask, PoolStatus, TaskPriority};
pub use policy::TaskQueue;
pub use pool::{MemoryMonitor, PersistentWorkerPool, ShutdownHandler, TaskHandle, TaskStatus};
