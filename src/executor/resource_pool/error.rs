//! Why a resource was not lent.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use thiserror::Error;

/// Why `acquire` brought nothing. `E` is the error of the pool's [`super::Manage`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ResourcePoolError<E: Error + 'static> {
    /// The time was up.
    #[error("no resource within {}: {wait}", humantime::format_duration(*after))]
    Timeout {
        /// What was waited for at the end.
        wait: Wait,
        /// The limit that was reached.
        after: Duration,
    },
    /// The resource could not be made.
    #[error("the resource could not be created")]
    Create {
        /// Why not.
        #[source]
        source: E,
    },
    /// The code that makes resources panicked.
    #[error("creating the resource panicked: {0}")]
    CreatePanicked(String),
    /// Resources failed to come up too often in a row, and none is lent that could come back.
    #[error(
        "creating the resource failed {failures} times in a row, the next try is due in {}; last error: {last}",
        humantime::format_duration(round_up(*retry_in))
    )]
    CircuitOpen {
        /// How often in a row.
        failures: u32,
        /// When the pool will try again.
        retry_in: Duration,
        /// The last error, flattened.
        last: String,
    },
    /// The pool was closed.
    #[error("the resource pool has already been closed: acquire before closing it, or build another pool")]
    Closed,
    /// The runtime that the pool was built in has ended, and the pool with it.
    #[error("the runtime in which the resource pool was built has ended: build the pool in one that lives longer")]
    RuntimeGone,
}

/// Which of the waits of an `acquire`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// For one of the other holders.
    Slot,
    /// For a resource to be made.
    Create,
    /// For a returned resource to be cleaned.
    Recycle,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Slot => "all are in use (slot); return them sooner, or raise max_size or acquire_timeout",
            Self::Create => "one was still being created; raise create_timeout or acquire_timeout if that is normal",
            Self::Recycle => "one was still being cleaned (recycle); raise acquire_timeout if that is normal",
        })
    }
}

/// Why a pool could not be built.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// There is no runtime for the pool's tasks.
    #[error("a resource pool needs a tokio runtime: build it within one")]
    NoRuntime,
    /// The pool would never lend anything.
    #[error("a resource pool of 0 resources lends nothing: set max_size to 1 or more")]
    ZeroSize,
}

/// An error with its sources, as one line.
pub(super) fn flatten(error: &dyn Error) -> String {
    let (mut text, mut source) = (error.to_string(), error.source());
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}

/// To whole milliseconds, so that a message has no nanoseconds.
fn round_up(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX))
}
