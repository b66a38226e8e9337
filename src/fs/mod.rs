//! File system tools.

#![cfg_attr(
    not(feature = "cli"),
    allow(dead_code, unused_imports, reason = "part of it is for the command line alone")
)]

pub(crate) mod atomic;
pub(crate) mod blocking;
pub(crate) mod lock;
pub(crate) mod private;
pub(crate) mod tree;

/// Writes bytes as lower-case hexadecimal digits, as digests in file names and records.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
