//! TODOC

mod full_disk;

pub(crate) mod generate;

mod kills;

mod sqlite;
