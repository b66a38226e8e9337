//! Floor 3, the engine: scheduling and lifetimes. Never names a browser, a site or a database.
//!
//! ```text
//! Control ──Request──▶ dispatcher ──step──▶ core (decides) ──Entry──▶ journal
//!                        │  ▲                                           │ only then
//!             Directive, │  │ Call, AttemptEnd                          ▼
//!              Snapshot  ▼  │                                        Grant
//!                     supervisor ──spawns──▶ worker (owns its session) ◀┘
//! ```

mod builder;
mod control;
mod handle;
mod monitor;
mod pooled_session;
mod runtime;
mod scheduler;
mod shutdown;
mod task_handle;

pub use builder::{PoolBuilder, StartError};
pub use control::{PoolClosed, PoolControl, SubmitError};
pub use handle::{PersistentWorkerPool, ShutdownReport};
pub use monitor::MemoryMonitor;
pub use pooled_session::{AcquireError, PooledSession};
pub use shutdown::{ShutdownHandler, ShutdownStep};
pub use task_handle::{TaskHandle, TaskStatus};
