//! An executor that looks at this machine.

use crate::executor::{AdmissionLimits, ConcurrentExecutorBuilder};
use crate::host::HostMemory;

impl ConcurrentExecutorBuilder {
    /// Starts jobs only while this machine, or the container around the program, has room; default: always.
    pub fn admit_by_host(self, limits: AdmissionLimits) -> Self {
        self.admission(Box::new(HostMemory::new()), limits)
    }
}
