//! The engine: scheduling and lifetimes. It names no browser, no portal and no database.
//!
//! ```text
//! PoolControl ──Request──▶ dispatcher ──step──▶ Scheduler (decides) ──Entry──▶ journal
//!                            │  ▲                                                 │ only then
//!              DesiredState, │  │ WorkRequest, AttemptEnd                         ▼
//!                 PoolStatus ▼  │                                               Effect
//!                         supervisor ──spawns──▶ worker (owns its session) ◀── Assignment
//! ```

mod builder;
mod control;
mod error;
mod handle;
mod mailbox;
mod monitor;
mod pooled_session;
mod runtime;
mod scheduler;
mod shutdown;
mod task_handle;
mod task_status;

pub use builder::{PoolBuilder, StartError};
pub use control::PoolControl;
pub use error::{AcquireError, PoolClosed, SubmitError, WaitError};
pub use handle::{PersistentWorkerPool, ShutdownReport};
pub use monitor::MemoryMonitor;
pub use pooled_session::PooledSession;
pub(crate) use shutdown::Signals;
pub use shutdown::{ShutdownHandler, ShutdownStep};
pub use task_handle::TaskHandle;
pub use task_status::TaskStatus;
