//! The host: its memory and processors, the memory of each browser's process tree, and the room on a disk.

mod cgroup;
mod disk;
mod machine;
mod memory;
mod pressure;

pub use disk::disk_free;
pub use machine::{Host, host};
pub use memory::HostMemory;
