#![doc = include_str!("../README.md")]

pub mod config;
pub mod model;
pub mod policy;
pub mod ports;

pub mod browser;
pub mod demo;
pub mod download;
pub mod gauge;
pub mod input;
pub mod journal;
pub mod outlet;
pub mod pool;
pub mod site;
pub mod vault;

mod assembly;

pub use assembly::{OneLogin, Setup, Sweep, SweepReport, check_login, kept_logins, lone_session, refusals, sweep};
pub use browser::ProfileManager;
pub use config::{ConfigProblems, PoolConfig, PoolConfigBuilder};
pub use model::{InvalidPoNumber, OrderStatus, Outcome, PoNumber, PoTask, PoolStatus, TaskPriority};
pub use policy::TaskQueue;
pub use pool::{MemoryMonitor, PersistentWorkerPool, ShutdownHandler, TaskHandle, TaskStatus};
