//! What the tests of the command line share: calls of the program, a webhook that takes notices, a small disk.

pub(crate) mod command;
pub(crate) mod mount;
pub(crate) mod signals;
pub(crate) mod webhook;
