//! How a job ended. Nothing that a job does is raised: all of it is in its result.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use thiserror::Error;

use super::job::BoxError;

/// The result of one job; each job has exactly one.
#[derive(Debug)]
#[non_exhaustive]
pub struct TaskResult<T> {
    /// The job's id.
    pub id: String,
    /// Whether it did what it was to do.
    pub success: bool,
    /// The exit code of a child process that ended by itself.
    pub exit_code: Option<i32>,
    /// Why it failed; none if it succeeded.
    pub error: Option<TaskError>,
    /// How long it ran. Waiting for its turn does not count.
    pub duration: Duration,
    /// What it brought. A child process that failed or ran out of time has one too: what it had printed.
    pub output: Option<T>,
}

impl<T> TaskResult<T> {
    /// The output, or why there is none that counts.
    ///
    /// # Errors
    /// The result's own error.
    pub fn into_result(self) -> Result<T, TaskError> {
        match (self.error, self.output) {
            (Some(error), _) => Err(error),
            (None, Some(output)) => Ok(output),
            (None, None) => Err(TaskError::Cancelled),
        }
    }
}

/// Why a job failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TaskError {
    /// The closure returned an error.
    #[error("{0}")]
    Failed(#[source] BoxError),
    /// The closure panicked.
    #[error("it panicked: {0}")]
    Panicked(String),
    /// The child process ended with another code than 0, or by a signal.
    #[error("it ended with {status}{}", last_words(stderr))]
    Exited {
        /// Its exit status, such as `exit status: 1`.
        status: String,
        /// The last line that it wrote to its standard error; may be empty.
        stderr: String,
    },
    /// The child process did not start.
    #[error("{} could not be started; check the program's name and that it may be run", program.display())]
    NotStarted {
        /// The program.
        program: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Its time was up. Its work was ended, unless it blocks a thread or `left` says otherwise.
    #[error(
        "it was stopped after {} (timeout); raise the job's timeout if it needs longer{}",
        humantime::format_duration(*after),
        and(left)
    )]
    TimedOut {
        /// The limit that it reached.
        after: Duration,
        /// A sentence about processes that survived the kill.
        left: Option<String>,
    },
    /// The rest of its batch was cancelled, or the executor was closed.
    #[error("it was cancelled before it ended")]
    Cancelled,
    /// The machine had no room for it, so it was not started.
    #[error("it was not started: {0}")]
    Overloaded(Shortage),
    /// As many threads as may run at all are occupied by closures that ran out of time and have not returned.
    #[error(
        "it was not started: {threads} threads are still busy with closures that ran out of time; have them watch their \
         cancellation token"
    )]
    Exhausted {
        /// How many threads.
        threads: usize,
    },
    /// The executor was closed before.
    #[error("the executor has already been closed: hand it jobs before closing it, or build another one")]
    Closed,
    /// There is no runtime to run it, or it ended.
    #[error("there is no tokio runtime to run it: use the executor within one")]
    NoRuntime,
}

/// What the machine had too little of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shortage {
    /// The processors were busy.
    Cpu {
        /// The share in use, from 0 to 1.
        used: f64,
        /// The limit.
        limit: f64,
    },
    /// Too little memory was available.
    Memory {
        /// Bytes available.
        available_bytes: u64,
        /// Bytes needed.
        needed_bytes: u64,
    },
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu { used, limit } => write!(
                f,
                "the processors are {:.0} % busy, over the limit of {:.0} % (max_cpu); try again later",
                used * 100.0,
                limit * 100.0
            ),
            Self::Memory { available_bytes, needed_bytes } => write!(
                f,
                "{} of memory are available, and {} are needed (min_available); try again later",
                ByteSize(*available_bytes),
                ByteSize(*needed_bytes)
            ),
        }
    }
}

fn last_words(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!("; its last line of error output: {stderr}") }
}

fn and(left: &Option<String>) -> String {
    left.as_ref().map(|left| format!("; {left}")).unwrap_or_default()
}
