//! Floor 0: the words of the project. Types and the legal life of a task; no I/O, no runtime, no clock.

mod entry;
mod failure;
mod ids;
mod lifecycle;
mod outcome;
mod reject;
mod snapshot;
mod task;

pub use entry::Entry;
pub use failure::{Failure, FailureKind, Fate, Fault};
pub use ids::{AttemptNo, InvalidPoNumber, PoNumber, RunId, TaskId, WorkerId};
pub use lifecycle::{IllegalTransition, Tally, TaskState};
pub use outcome::{
    AttemptEnd, FileOrigin, FileRecord, LeftOutFile, ListingId, MANIFEST_NAME, MissingFile, OrderStatus, Outcome,
    Receipt,
};
pub use reject::Reject;
pub use snapshot::{
    DriverView, Footprint, Gate, MemoryLevel, MemoryReading, PoolStatus, Stage, Stop, StopKind, Totals, WorkerState,
    WorkerView,
};
pub use task::{Metadata, PoTask, TaskPriority};
