//! A whole run: orders in; files, journal and report out; events on the way.
//!
//! A program gives [`Batch`] its configuration, listens to [`BatchEvent`]s if it wants to, and gets a [`BatchReport`] or a
//! [`BatchError`]. Nothing here prints, or knows exit codes.

#![cfg_attr(
    not(feature = "cli"),
    allow(dead_code, unused_imports, reason = "part of it is for the command line alone")
)]

mod event;
#[cfg(feature = "notify")]
pub(crate) mod notices;
mod run;
pub(crate) mod run_record;
pub(crate) mod selection;
pub(crate) mod stop;
mod work;

pub use crate::report::{ReportFiles, Summary, WrittenFile};
pub use event::{BatchError, BatchEvent, BatchReport, BatchStatus};
pub use run::Batch;
