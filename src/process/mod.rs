//! Child processes: started in their own group, their output captured, their health checked, ended with all they started.
//!
//! [`ProcessPool`] runs named services, such as a server that a program needs beside it. [The
//! guide](https://docs.rs/crate/coupa-batch/latest/source/docs/process-pool.md) has an example.

pub(crate) mod child;
pub(crate) mod error;
pub(crate) mod health;
pub(crate) mod os;
pub(crate) mod output;
pub(crate) mod pool;
pub(crate) mod ports;
pub(crate) mod service;
pub(crate) mod slots;
pub(crate) mod status;

pub use error::{LeaseError, LeaseWait, ProcessFailure, ServiceError, UnknownService};
pub use os::group::StopSignal;
pub use pool::ProcessPool;
pub use pool::lease::ProcessLease;
pub use ports::Ports;
pub use service::{HealthCheck, HealthProbe, RestartPolicy, ServiceConfig, StopPolicy};
pub use status::{CircuitState, InstanceState, InstanceStatus, ProcessPoolReport, ProcessPoolStatus, ServiceStatus};
