//! Why a batch could not be run to its report.

use std::io;

use thiserror::Error;

use crate::backend::JournalError;
use crate::fs::blocking::BlockingError;
use crate::model::StopReason;
use crate::pool::StartError;
use crate::report::ReportError;

/// A batch ended without a report.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum BatchError {
    /// The pool did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The canary did not yield its files, or the run was stopped while it was being fetched.
    #[error("{}", .0.message)]
    Canary(StopReason),
    /// Nobody could have stopped the run.
    #[error("signals cannot be watched: {0}")]
    Signals(#[source] io::Error),
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Reading the journal or the files of earlier runs was interrupted.
    #[error(transparent)]
    Interrupted(#[from] BlockingError),
    /// The report cannot be written; the journal is complete.
    #[error("the report cannot be written: {0}")]
    Report(#[from] ReportError),
}
