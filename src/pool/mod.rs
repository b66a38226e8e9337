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
mod core;
mod dispatcher;
mod handle;
mod lease;
mod lent;
mod monitor;
mod renewal;
mod shutdown;
mod supervisor;
mod task_handle;
mod worker;

pub use builder::{PoolBuilder, StartError};
pub use control::{Control, Earlier, PoolClosed, SubmitError};
pub use handle::{PersistentWorkerPool, ShutdownReport};
pub use lent::{LendError, LentSession};
pub use monitor::MemoryMonitor;
pub use shutdown::{ShutdownHandler, ShutdownStep};
pub use task_handle::{TaskHandle, TaskStatus};
