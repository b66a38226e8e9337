//! What must never happen: a secret in a log, a request to a private host, a file of somebody else removed.

mod every_phase;
mod every_wait;
mod network_policy;
mod notices;
mod secrets;
mod sweep;
