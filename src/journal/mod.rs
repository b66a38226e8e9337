//! The journal of a run: every task that was accepted, started and settled, written before anything else happens.
//!
//! [`SqliteStore`] keeps many runs in one SQLite file, which it owns, and creates one [`RunJournal`] per run.
//! [`JournalReader`] reads the same file from anywhere else, also while its owner is running and after it was killed.
//! [`MemoryJournal`] keeps one run in memory. Both refuse the same entries, since both use
//! [`TaskState::apply`](crate::model::TaskState::apply).
//!
//! # What the file holds
//! - `runs`: one row per run, with its options, its rejected rows and how it ended.
//! - `entries`: every [`Entry`](crate::model::Entry) as JSON with its time, never changed and never removed. **This is
//!   the truth**: replaying a run's entries gives its [`History`](crate::backend::History).
//! - `tasks`: where each task stands after the entries so far, written in the same transaction: an index of the
//!   entries, which answers "how many are open" and "how did this order end last" without a replay.
//! - `files`: a view that takes the files apart which the outcomes in `entries` name; for people with a SQL shell.
//!
//! Sequence numbers count over all runs. "The newest outcome of an order" is therefore the one that was written last,
//! whatever the clock said. An outcome is stored once, in its entry; a task merely points to it. Rejected: tables for
//! attempts and files of their own, which would hold everything twice and could contradict the entries.
//!
//! # What is promised
//! One transaction holds whole batches, never parts of one; several callers that wait share it, and with it the disk's
//! flush. It is on the disk (`synchronous=FULL`) before the caller is answered. The file must lie on a local disk: SQLite's
//! write-ahead log does not work over a network.
//!
//! Reading one writes nothing into it. Where not even SQLite's files can be put beside it, on a write-protected disk or on
//! a full one, a journal that was closed is read as it is; one that a kill left can be read where its log and the
//! log's index still lie beside it.

#![cfg_attr(
    not(feature = "cli"),
    allow(dead_code, unused_imports, reason = "part of it is for the command line alone")
)]

mod lock;
mod memory;
mod reader;
mod replay;
mod runs;
mod schema;
mod sqlite;
#[cfg(test)]
mod tests;
mod writer;

pub use memory::MemoryJournal;
pub use reader::JournalReader;
pub use runs::{PriorOutcome, RunEnd, RunInfo, RunStart};
pub use sqlite::{RunJournal, SqliteStore};
