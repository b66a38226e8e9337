//! The seam to the host's memory.

use crate::model::{MemoryReading, WorkerId};

/// Reads memory. Called by `pool::monitor` every few seconds from a blocking thread, never concurrently.
pub trait MemoryReader: Send {
    /// Host memory, and that of the process trees whose roots are given.
    ///
    /// Never fails: what cannot be read is left out or 0. May block for some milliseconds per hundred processes.
    fn read(&mut self, roots: &[(WorkerId, u32)]) -> MemoryReading;
}
