//! The host: its memory and processors, the memory of each browser's process tree, and the room on a disk.

mod container;
mod disk;
mod host;
mod memory;
mod pressure;
mod remnants;

pub use disk::disk_free;
pub use host::{Host, host};
pub use memory::SystemGauge;
pub use remnants::{Remnant, end_processes, has_run_since, processes_on};
