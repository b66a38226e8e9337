#![doc = include_str!("../README.md")]
// without `internals` the rooms are private, and what they publish to tests is reachable from nowhere
#![cfg_attr(not(feature = "internals"), allow(unreachable_pub))]

pub mod backend;
pub mod batch;
pub mod executor;
pub mod model;
pub mod process;

// The rooms. Tests and benches reach them through the feature `internals`; they are not part of the public surface and
// change without notice.
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod assembly;
#[cfg(not(feature = "internals"))]
mod assembly;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod browser;
#[cfg(not(feature = "internals"))]
mod browser;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod config;
#[cfg(not(feature = "internals"))]
mod config;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod credentials;
#[cfg(not(feature = "internals"))]
mod credentials;
#[cfg(all(feature = "demo", feature = "internals"))]
#[doc(hidden)]
pub mod demo;
#[cfg(all(feature = "demo", not(feature = "internals")))]
#[allow(dead_code, unused_imports, reason = "most of what can go wrong in the portal is for tests")]
mod demo;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod download;
#[cfg(not(feature = "internals"))]
mod download;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod fs;
#[cfg(not(feature = "internals"))]
mod fs;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod host;
#[cfg(not(feature = "internals"))]
mod host;
#[cfg(all(feature = "sheets", feature = "internals"))]
#[doc(hidden)]
pub mod input;
#[cfg(all(feature = "sheets", not(feature = "internals")))]
mod input;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod journal;
#[cfg(not(feature = "internals"))]
mod journal;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod net;
#[cfg(not(feature = "internals"))]
mod net;
#[cfg(all(feature = "notify", feature = "internals"))]
#[doc(hidden)]
pub mod notify;
#[cfg(all(feature = "notify", not(feature = "internals")))]
mod notify;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod policy;
#[cfg(not(feature = "internals"))]
mod policy;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod pool;
#[cfg(not(feature = "internals"))]
mod pool;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod report;
#[cfg(not(feature = "internals"))]
mod report;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod site;
#[cfg(not(feature = "internals"))]
mod site;

mod text;

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;

/// What a setting is made of, and why one is refused. Settings are given to [`PoolConfigBuilder`].
pub mod settings {
    pub use crate::config::{ConfigProblem, IntoSetting, InvalidValue, SecretUrl};
}

pub use assembly::BrowserSessions;
pub use batch::{Batch, BatchError, BatchEvent, BatchReport};
pub use browser::ProfileManager;
pub use config::{
    BrowserChoice, ConfigError, LaneChoice, OrdersPerSession, PoolConfig, PoolConfigBuilder, RequisitionRule, Sandbox,
    WorkerCount,
};
pub use executor::{ConcurrentExecutor, Manage, ResourcePool};
pub use model::{FailureKind, InvalidPoNumber, OrderStatus, Outcome, PoNumber, PoTask, PoolStatus, TaskPriority};
pub use policy::TaskQueue;
pub use pool::{
    AcquireError, MemoryMonitor, PersistentWorkerPool, PoolBuilder, PoolClosed, PoolControl, PooledSession,
    ShutdownHandler, ShutdownReport, ShutdownStep, StartError, SubmitError, TaskHandle, TaskStatus, WaitError,
};
