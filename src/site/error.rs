//! Errors of a session or a download, as failures of an attempt: in words for the people who read the report.

use url::Url;

use crate::backend::{AttemptError, SessionError};
use crate::download::DownloadError;
use crate::model::{Failure, FailureKind};
use crate::net::retry_after;
use crate::site::page::classify::without_query;

/// The attempt ends with this failure.
pub(crate) fn of_failure(failure: Failure) -> AttemptError {
    AttemptError::new(failure.kind, failure.message)
}

/// A page could not be opened.
pub(crate) fn of_session(error: SessionError, base: &Url) -> AttemptError {
    match error {
        SessionError::Unreachable { url, why } => AttemptError::new(
            FailureKind::Unreachable,
            format!(
                "the portal cannot be reached at {} ({why}): check --base-url (it is {base}) and the network{}",
                without_query(&url),
                if why.contains("PROXY") {
                    "; a proxy with a private IP address must be listed in private_hosts"
                } else {
                    ""
                }
            ),
        ),
        other => AttemptError::from(other),
    }
}

/// A file could not be fetched, which ends the attempt.
pub(crate) fn of_download(error: DownloadError) -> AttemptError {
    AttemptError::new(error.kind(), error.to_string())
}

/// A file could not be fetched; the attempt may continue.
pub(crate) fn of_file(error: DownloadError) -> AttemptError {
    if let DownloadError::Answered { status, retry_after } = &error {
        let retry_after = retry_after::wished(*status, retry_after.as_deref());
        return AttemptError { retry_after, ..of_download(error) };
    }
    let advice = match error.kind() {
        FailureKind::DownloadStalled => {
            "; the program tries again. Open the order in a browser to see whether the portal has the file"
        }
        FailureKind::DownloadCorrupt => {
            "; the program tries again. If that does not help, the portal's own copy is damaged"
        }
        _ => "",
    };
    AttemptError::new(error.kind(), format!("{error}{advice}"))
}
