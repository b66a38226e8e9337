//! A whole run without a terminal: orders in, files, journal and report out, events on the way.
//!
//! A front end gives [`Batch`] its configuration and the lock of the output folder, listens to [`BatchEvent`]s, and gets a
//! [`BatchReport`] or a [`BatchError`]. Nothing here prints, or knows exit codes.

mod canary;
mod error;
mod event;
pub(crate) mod notices;
mod run;
pub(crate) mod run_record;
pub(crate) mod selection;
pub(crate) mod stop;

pub(crate) use error::BatchError;
pub(crate) use event::{BatchEvent, BatchReport, BatchStatus};
pub(crate) use run::Batch;
