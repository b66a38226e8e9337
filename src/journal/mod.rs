//! The record of a run.
//!
//! [`MemoryJournal`] keeps it for the life of the program: for tests, for dry runs, and for a run whose outcome is its
//! report. It applies the same rules to every entry as a journal on a disk would, so a transition that one refuses,
//! the other refuses too.

mod memory;

pub use memory::MemoryJournal;
