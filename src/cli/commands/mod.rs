//! One file per subcommand; each returns the exit reason.

pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod login;
pub(crate) mod recipe;
pub(crate) mod run;
pub(crate) mod status;
pub(crate) mod sweep;
pub(crate) mod tune;
pub(crate) mod verify;
