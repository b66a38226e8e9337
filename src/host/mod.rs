//! The host: its memory and processors, the memory of each browser's process tree, and the free space of a disk.

#![cfg_attr(
    not(feature = "cli"),
    allow(dead_code, unused_imports, reason = "part of it is for the command line alone")
)]

mod cgroup;
mod memory;

use std::path::{Path, PathBuf};

use serde::Serialize;
use sysinfo::{Disks, System};

use self::memory::read_host;

pub use memory::HostMemory;

/// The machine that the program runs on, as `doctor` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Host {
    /// Operating system and version.
    pub system: String,
    /// Processor architecture, such as `x86_64`.
    pub architecture: String,
    /// Number of threads that run at once.
    pub processor_count: usize,
    /// Memory in bytes; the container's limit if that is less.
    pub total_bytes: u64,
    /// Available memory in bytes.
    pub available_bytes: u64,
    /// Whether `total_bytes` is a container's limit.
    pub is_limited: bool,
}

/// Describes this machine. Never fails: unknown numbers are 0.
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

/// Bytes available on the disk that holds `path`, or would hold it. `None` if unknown.
///
/// May block while a network drive responds.
#[must_use]
pub fn disk_free(path: &Path) -> Option<u64> {
    let path = without_verbatim_prefix(existing(path)?);
    let disks = Disks::new_with_refreshed_list().ok()?;
    (&disks)
        .into_iter()
        .filter(|disk| path.starts_with(disk.mount_point()))
        .max_by_key(|disk| disk.mount_point().components().count())
        .map(sysinfo::Disk::available_space)
}

/// The nearest existing ancestor of `path`, without symbolic links.
fn existing(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    path.ancestors().find_map(|part| part.canonicalize().ok())
}

/// Removes the prefix of Windows' long paths, which no mount point has.
fn without_verbatim_prefix(path: PathBuf) -> PathBuf {
    match path.to_str().and_then(|text| text.strip_prefix(r"\\?\")) {
        Some(text) if cfg!(windows) => PathBuf::from(text),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_does_not_exist_yet_has_a_disk() {
        let here = std::env::temp_dir().join("not/yet/there");
        let nearest = existing(&here).map(without_verbatim_prefix);
        assert_eq!(nearest, existing(&std::env::temp_dir()).map(without_verbatim_prefix));
        assert!(disk_free(&here).is_none_or(|bytes| bytes > 0));
    }

    #[test]
    fn facts_about_the_host_are_there() {
        let host = host();
        assert!(host.processor_count > 0 && host.total_bytes > 0 && !host.system.is_empty());
    }
}
