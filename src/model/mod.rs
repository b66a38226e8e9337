//! What a task, an outcome and a status are made of, and the life of a task. Without I/O, runtime or clock.

mod entry;
mod failure;
mod ids;
mod number;
mod number_format;
mod outcome;
mod state;
mod status;
mod task;

pub use entry::Entry;
pub use failure::{Failure, FailureKind, Fault, SessionAction};
pub use ids::{AttemptNo, RunId, TaskId, WorkerId};
pub use number::{InvalidPoNumber, PoNumber};
pub use number_format::{PoNumberFormat, WrittenNumber};
pub use outcome::{
    AttemptEnd, ExcludedFile, FileOrigin, FileRecord, Lane, ListingId, MANIFEST_NAME, MissingFile, OrderStatus,
    Outcome, PriorResult, Receipt,
};
pub use state::{AttemptCounts, IllegalTransition, TaskState};
pub use status::{
    DispatchState, DriverStatus, Footprint, MemoryLevel, MemoryReading, OrphanedProcess, PoolStatus, Stage, StopKind,
    StopReason, SweepReport, Totals, WorkerState, WorkerStatus,
};
pub use task::{InvalidPriority, Metadata, PoTask, RejectedRow, TaskPriority};
