//! Floor 3: bounded work of any kind. [`ResourcePool`] lends what is dear to make, and [`ConcurrentExecutor`] runs closures
//! and child processes. Neither knows what a browser is.

mod admission;
mod child;
mod concurrent;
mod job;
mod panics;
mod resource_pool;
mod result;
mod tune;

pub use admission::{AdmissionLimits, OnShortage};
pub use child::{ProcessCommand, ProcessOutput};
pub use concurrent::{BatchOptions, ConcurrentExecutor, ConcurrentExecutorBuilder, ExecutorStatus, ResultStream};
pub use job::{BoxError, Job};
pub use resource_pool::{
    BuildError, CircuitState, CloseSummary, Condition, GlobalPool, GlobalPoolError, Manage, ResourceGuard,
    ResourcePool, ResourcePoolBuilder, ResourcePoolError, ResourcePoolStatus, Wait,
};
pub use result::{Shortage, TaskError, TaskResult};
pub use tune::{WorkKind, optimal_concurrency};
