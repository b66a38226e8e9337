//! Floor 0: the words of the project. Types and the legal life of a task; no I/O, no runtime, no clock.

mod entry;
mod failure;
mod ids;
mod outcome;
mod reject;
mod state;
mod status;
mod task;

pub use entry::Entry;
pub use failure::{Failure, FailureKind, Fate, Fault};
pub use ids::{AttemptNo, InvalidPoNumber, PoNumber, RunId, TaskId, WorkerId};
pub use outcome::{
    AttemptEnd, FileOrigin, FileRecord, LeftOutFile, ListingId, MANIFEST_NAME, MissingFile, OrderStatus, Outcome,
    Receipt,
};
pub use reject::Reject;
pub use state::{IllegalTransition, Tally, TaskState};
pub use status::{
    DriverView, Footprint, Gate, MemoryLevel, MemoryReading, PoolStatus, Stage, Stop, StopKind, Totals, WorkerState,
    WorkerView,
};
pub use task::{Metadata, PoTask, TaskPriority};
