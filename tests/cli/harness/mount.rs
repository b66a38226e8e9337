//! A disk that can be filled.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system of its own, gone when dropped.
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// None, with a line that says so, where this user may not mount anything.
    pub(crate) fn new(at: &Path, options: &str) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self(at.to_owned()));
        }
        println!("skipped: no file system can be mounted here");
        None
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes until nothing fits any more.
    pub(crate) fn fill(&self) {
        use std::io::Write;
        let mut file = fs::File::create(self.0.join("ballast")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    /// Makes files without content until there can be only one more file or folder.
    pub(crate) fn crowd(&self) {
        let folder = self.0.join("crowd");
        fs::create_dir(&folder).unwrap();
        assert!((0..1_000_000).any(|number| fs::File::create(folder.join(number.to_string())).is_err()));
        fs::remove_file(folder.join("0")).unwrap();
    }

    /// There is room again.
    pub(crate) fn free(&self) {
        let _ = fs::remove_file(self.0.join("ballast"));
        let _ = fs::remove_dir_all(self.0.join("crowd"));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
