//! What machine this is.

use serde::Serialize;
use sysinfo::System;

use super::memory::read_host;

/// What `doctor` says about the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Host {
    /// The operating system with its version.
    pub system: String,
    /// The processor's kind, such as `x86_64`.
    pub architecture: String,
    /// How many threads run at once.
    pub processor_count: usize,
    /// Memory in bytes, or the container's limit if that is less.
    pub total_bytes: u64,
    /// Memory that is free to be used.
    pub available_bytes: u64,
    /// Whether a container's limit is what counts.
    pub is_limited: bool,
}

/// Facts about this machine; never fails, what is unknown is 0 or "unknown".
#[must_use]
pub fn host() -> Host {
    let (total_bytes, available_bytes, installed) = System::new().map_or((0, 0, 0), |mut system| {
        let (total, available) = read_host(&mut system);
        (total, available, system.total_memory())
    });
    Host {
        system: System::long_os_version().unwrap_or_else(|_| std::env::consts::OS.to_owned()),
        architecture: std::env::consts::ARCH.to_owned(),
        processor_count: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        total_bytes,
        available_bytes,
        is_limited: total_bytes < installed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_about_the_host_are_there() {
        let host = host();
        assert!(host.processor_count > 0 && host.total_bytes > 0 && !host.system.is_empty());
    }
}
