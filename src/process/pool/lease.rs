//! The right to use one process of a service for a while.

use std::net::{Ipv4Addr, SocketAddr};

use super::shared::Permit;
use crate::process::error::ProcessFailure;

/// A lease of one process of a service. Dropping it gives the process back.
///
/// The process may end meanwhile, as any process may; then requests to it fail, and [`ProcessLease::is_alive`] tells.
#[derive(Debug)]
pub struct ProcessLease {
    permit: Permit,
}

impl ProcessLease {
    pub(super) fn new(permit: Permit) -> Self {
        Self { permit }
    }

    /// The name of the service.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.permit.shared.name
    }

    /// The number of the process within its service, counted from 1 and never used twice.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.permit.id.0
    }

    /// The port that the process listens on, on the loopback interface.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.permit.port
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.permit.port).into()
    }

    /// Base address of its HTTP server, such as `http://127.0.0.1:8000`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The process id of the head of its group.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.permit.child.as_ref().and_then(|child| child.pid())
    }

    /// Whether the process may still run.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.permit.child.as_ref().is_some_and(|child| child.is_alive())
    }

    /// Waits until the process has ended and returns its exit status, such as `exit status: 1`. For use beside one's own
    /// work, which it interrupts.
    pub async fn exited(&self) -> String {
        match &self.permit.child {
            Some(child) => child.exited().await.status,
            None => "unknown exit status".to_owned(),
        }
    }

    /// Gives the process back as broken: it is ended, whoever else has leases of it, and replaced as after a failure.
    pub fn discard(self) {
        let shared = &self.permit.shared;
        shared.act(|state, _| {
            // a process that has ended meanwhile keeps the reason of its own
            if state.slots.broken(self.permit.id) {
                state.last_failure = Some(ProcessFailure::Reported.into());
            }
        });
    }
}
