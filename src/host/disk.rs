//! The room on a disk.

use std::path::{Path, PathBuf};

use sysinfo::Disks;

/// Bytes that may still be written where `path` is or would be. `None` when that cannot be found out.
///
/// May block while a network drive is asked.
#[must_use]
pub fn disk_free(path: &Path) -> Option<u64> {
    let path = plain(existing(path)?);
    let disks = Disks::new_with_refreshed_list().ok()?;
    (&disks)
        .into_iter()
        .filter(|disk| path.starts_with(disk.mount_point()))
        .max_by_key(|disk| disk.mount_point().components().count())
        .map(sysinfo::Disk::available_space)
}

/// The nearest folder on the way to `path` that is there, without links in its name.
fn existing(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    path.ancestors().find_map(|part| part.canonicalize().ok())
}

/// Without the mark of Windows' long paths, which no mount point carries.
fn plain(path: PathBuf) -> PathBuf {
    match path.to_str().and_then(|text| text.strip_prefix(r"\\?\")) {
        Some(text) if cfg!(windows) => PathBuf::from(text),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_yet_there_has_its_disk() {
        let here = std::env::temp_dir().join("not/yet/there");
        assert_eq!(existing(&here).map(plain), existing(&std::env::temp_dir()).map(plain));
        assert!(disk_free(&here).is_none_or(|bytes| bytes > 0));
    }
}
