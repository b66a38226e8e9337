#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "internals"), allow(dead_code, unreachable_pub, unused_imports))]
// what only tests or the command line use is not dead without them
#![cfg_attr(not(feature = "cli"), allow(dead_code, unused_imports))]

pub mod backend;
pub mod model;

// The rooms of the house. Tests and benches reach them through `internals`; they are no part of the surface and change
// without notice.
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod assembly;
#[cfg(not(feature = "internals"))]
mod assembly;
#[cfg(all(feature = "cli", feature = "internals"))]
#[doc(hidden)]
pub mod batch;
#[cfg(all(feature = "cli", not(feature = "internals")))]
mod batch;
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
pub mod process;
#[cfg(not(feature = "internals"))]
mod process;
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

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;

pub use browser::ProfileManager;
pub use config::{BrowserChoice, ConfigError, PoolConfig, PoolConfigBuilder, RequisitionRule, Sandbox, WorkerCount};
pub use model::{FailureKind, InvalidPoNumber, OrderStatus, Outcome, PoNumber, PoTask, PoolStatus, TaskPriority};
pub use policy::TaskQueue;
pub use pool::{
    AcquireError, MemoryMonitor, PersistentWorkerPool, PoolBuilder, PoolClosed, PoolControl, PooledSession,
    ShutdownHandler, ShutdownReport, ShutdownStep, StartError, SubmitError, TaskHandle, TaskStatus, WaitError,
};
