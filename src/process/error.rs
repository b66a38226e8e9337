//! Why a process pool cannot do what it was asked.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::text::{count, line_of, rounded};

/// Why a service cannot be added or changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// Its settings contradict each other or cannot be read.
    #[error("service {service}: {}", problems.join("; "))]
    Invalid {
        /// The service.
        service: String,
        /// What is wrong, and what to do about it.
        problems: Vec<String>,
    },
    /// The text is not TOML of services. The line itself is not repeated: it may contain a secret.
    #[error("the services cannot be read: line {line}: {why}")]
    Toml {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// The file of services cannot be read.
    #[error("{path} cannot be read; check that it exists and may be read")]
    File {
        /// The file.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Its command cannot be run.
    #[error("service {service}: {failure}")]
    Command {
        /// The service.
        service: String,
        /// What is wrong with the command.
        failure: Arc<ProcessFailure>,
    },
    /// There is one of this name.
    #[error("service {service} exists already; choose another name")]
    Exists {
        /// The service.
        service: String,
    },
    /// There is none of this name.
    #[error(transparent)]
    Unknown(#[from] UnknownService),
    /// More processes were asked for than the service may have.
    #[error("service {service} may have at most {}, not {asked}; raise `max_processes`", count(*max, "process"))]
    TooMany {
        /// The service.
        service: String,
        /// What was asked for.
        asked: usize,
        /// Its maximum.
        max: usize,
    },
    /// The pool was closed.
    #[error("the process pool is closed; create a new one")]
    Closed,
    /// There is no tokio runtime to start processes in.
    #[error("a process pool needs a tokio runtime; call it from async code, or enter a runtime before")]
    NoRuntime,
}

impl ServiceError {
    /// Neither it nor its source repeats a line or a value of the text, which may be a secret.
    pub(crate) fn toml(text: &str, error: &toml::de::Error) -> Self {
        let message = error.message();
        // "invalid type: string "…", expected a map": what was found is left out
        let is_of_value = message.starts_with("invalid type: ") || message.starts_with("invalid value: ");
        let found = if is_of_value { message.rfind(", expected ").map_or(message.len(), |at| at + 2) } else { 0 };
        let why = if found < message.len() { &message[found..] } else { "a value is not valid" };
        Self::Toml { line: line_of(text, error.span()), why: why.to_owned() }
    }
}

/// No service has this name.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("there is no service {name}; {}", known_services(known))]
pub struct UnknownService {
    /// What was asked for.
    pub name: String,
    /// The services that there are.
    pub known: Vec<String>,
}

fn known_services(known: &[String]) -> String {
    if known.is_empty() { "none was added".to_owned() } else { format!("known: {}", known.join(", ")) }
}

/// Why there is no lease.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// There is no service of this name.
    #[error(transparent)]
    Unknown(#[from] UnknownService),
    /// The time ran out.
    #[error("no lease of service {service} within {}: {wait}", rounded(*after))]
    Timeout {
        /// The service.
        service: String,
        /// What was waited for when the time ran out.
        wait: LeaseWait,
        /// The time that was allowed.
        after: Duration,
    },
    /// Its processes failed too often in a row; the last failure.
    #[error(
        "service {service} has failed {}: {failure}; it is tried again in {}",
        crate::text::count(*failures, "time"),
        rounded(*retry_in)
    )]
    Failed {
        /// The service.
        service: String,
        /// How many failures there were in a row.
        failures: u32,
        /// When the next process is tried.
        retry_in: Duration,
        /// The last failure.
        #[source]
        failure: Arc<ProcessFailure>,
    },
    /// The pool was closed, dropped, or its runtime has ended.
    #[error("the process pool is closed; create a new one")]
    Closed,
}

/// What a lease was waiting for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeaseWait {
    /// A process that is being started.
    Start {
        /// Why the one before failed, if one did.
        last_failure: Option<String>,
    },
    /// The restart of a process after failures.
    Restart {
        /// Why the last one failed.
        last_failure: Option<String>,
    },
    /// A process that is healthy again.
    Health,
    /// A free place: all processes are leased.
    Free {
        /// How many processes are leased.
        processes: usize,
    },
}

impl std::fmt::Display for LeaseWait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (what, last_failure) = match self {
            Self::Start { last_failure } => {
                ("a process is still starting; raise the timeout of the lease if it needs longer", last_failure)
            }
            Self::Restart { last_failure } => ("the next process waits for its restart", last_failure),
            Self::Health => {
                return f.write_str("no process passes its health check; see the output of the service");
            }
            Self::Free { processes } => {
                let processes = count(*processes, "process");
                return write!(f, "all leases of {processes} are taken; raise `max_processes` or `leases_per_process`");
            }
        };
        f.write_str(what)?;
        last_failure.as_ref().map_or(Ok(()), |why| write!(f, "; last failure: {why}"))
    }
}

/// Why a process is not there, or no longer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProcessFailure {
    /// Its program is not there.
    #[error("{command} was not found{hint}")]
    NotFound {
        /// The command as configured.
        command: String,
        /// What to do about it.
        hint: String,
    },
    /// The system did not start it.
    #[error("{command} could not be started: {source}")]
    Spawn {
        /// The command as configured.
        command: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// No port is free.
    #[error("no port is free ({ports}): other programs use them; free one or configure more")]
    NoPort {
        /// The ports that were tried.
        ports: String,
    },
    /// Another program took its port.
    #[error("port {port} is in use by another program ({status}); its last output: {output}")]
    PortTaken {
        /// The port.
        port: u16,
        /// Its exit status.
        status: String,
        /// Its last lines of output.
        output: String,
    },
    /// It ended before it was healthy.
    #[error("it ended before it was healthy ({status}); its last output: {output}")]
    ExitedEarly {
        /// Its exit status, such as `exit status: 1`.
        status: String,
        /// Its exit code; none if a signal ended it.
        code: Option<i32>,
        /// Its last lines of output.
        output: String,
    },
    /// It ended while it was needed.
    #[error("it ended by itself ({status}); its last output: {output}")]
    Exited {
        /// Its exit status.
        status: String,
        /// Its exit code; none if a signal ended it.
        code: Option<i32>,
        /// Its last lines of output.
        output: String,
    },
    /// It did not pass its first health check in time.
    #[error("it was not healthy within {} on port {port}: {check}; {hint}; its last output: {output}", rounded(*after))]
    NeverHealthy {
        /// The port that it was to listen on.
        port: u16,
        /// The time that was allowed.
        after: Duration,
        /// What the last health check found.
        check: String,
        /// What to do about it.
        hint: String,
        /// Its last lines of output.
        output: String,
    },
    /// Its health checks failed.
    #[error("its health checks failed: {check}; its last output: {output}")]
    Unhealthy {
        /// What the last health check found.
        check: String,
        /// Its last lines of output.
        output: String,
    },
    /// Whoever leased it found it broken.
    #[error("it was reported as broken by a lease")]
    Reported,
    /// The task that looked after it ended unexpectedly.
    #[error("internal error: the task that supervises it has ended; please report this")]
    Supervision,
}

impl ProcessFailure {
    /// Whether the next try can only fail the same way.
    pub(crate) fn is_permanent(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}
