//! Floor 0: the words of the project. Types and the legal life of a task; no I/O, no runtime, no clock.

mod entry;
mod failure;
mod ids;
mod number;
mod outcome;
mod reject;
mod state;
mod status;
mod task;

pub use entry::Entry;
pub use failure::{Failure, FailureKind, Fault, SessionAction};
pub use ids::{AttemptNo, RunId, TaskId, WorkerId};
pub use number::{InvalidPoNumber, PoNumber, PoNumberFormat, WrittenNumber};
pub use outcome::{
    AttemptEnd, ExcludedFile, FileOrigin, FileRecord, ListingId, MANIFEST_NAME, MissingFile, OrderStatus, Outcome,
    Receipt,
};
pub use reject::RejectedRow;
pub use state::{AttemptCounts, IllegalTransition, TaskState};
pub use status::{
    DispatchState, DriverStatus, Footprint, MemoryLevel, MemoryReading, PoolStatus, Stage, StopKind, StopReason,
    Totals, WorkerState, WorkerStatus,
};
pub use task::{Metadata, PoTask, TaskPriority};
