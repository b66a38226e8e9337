//! Blocking work, such as file access, away from the threads of the async runtime.

use thiserror::Error;
use tokio::task::{JoinError, spawn_blocking};

/// Blocking work did not end: it panicked, or the runtime was shut down.
#[derive(Debug, Error)]
#[error("{what} was interrupted")]
pub(crate) struct BlockingError {
    what: &'static str,
    source: JoinError,
}

/// Runs `work` on a thread for blocking work. `what` names it in the error, as in `"reading the journal"`.
///
/// Dropping the future does not stop work that has begun.
///
/// # Errors
/// [`BlockingError`] when the work panicked or the runtime was shut down.
pub(crate) async fn blocking<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BlockingError> {
    spawn_blocking(work).await.map_err(|source| BlockingError { what, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_error_that_names_the_work() {
        let failed = blocking("reading", || panic!("planted")).await.unwrap_err();
        assert_eq!(failed.to_string(), "reading was interrupted");
        assert!(std::error::Error::source(&failed).is_some());
        assert_eq!(blocking("reading", || 7).await.unwrap(), 7);
    }
}
