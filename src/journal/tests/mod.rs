//! Tests of the journal on real files: kills, full disks, random entries.

mod full_disk;

pub(crate) mod generate;

mod kills;

mod sqlite;
