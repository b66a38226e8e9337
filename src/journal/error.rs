//! From what SQLite and the system say to what a person can do.

use std::io;
use std::path::Path;

use rusqlite::{Error, ErrorCode, ffi};

use crate::backend::JournalError;

/// What `error` of the database at `path` means.
pub(crate) fn fault(path: &Path, error: &Error) -> JournalError {
    let path = path.to_owned();
    // no room for the index of the log, which SQLite makes whenever a journal is opened, has no code of its own kind
    if error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_SHMSIZE) {
        return JournalError::Full { path };
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => JournalError::Full { path },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            JournalError::ReadOnly { path, why: error.to_string() }
        }
        Some(ErrorCode::NotADatabase) => JournalError::NotAJournal { path },
        Some(ErrorCode::DatabaseCorrupt) => JournalError::Damaged(format!(
            "the file {} is damaged ({error}); move it and what lies beside it under its name away and begin a new \
             run: files that were fetched stay where they are",
            path.display()
        )),
        _ => JournalError::Unusable(format!("{}: {error}", path.display())),
    }
}

/// The same for a file that is no database.
pub(crate) fn io_fault(path: &Path, error: &io::Error) -> JournalError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => JournalError::Full { path },
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            JournalError::ReadOnly { path, why: error.to_string() }
        }
        _ => JournalError::Unusable(format!("{}: {error}", path.display())),
    }
}
