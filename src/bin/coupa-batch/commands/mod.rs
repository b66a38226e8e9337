//! One file per subcommand; each gives the reason why the program ends.

pub(crate) mod config;
