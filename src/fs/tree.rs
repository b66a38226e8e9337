//! Copies, measures and removes folder trees. Symbolic links are never followed.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::lock::FileLock;
use super::private;

/// Delays between attempts to remove a folder: on Windows a file stays locked for a moment after its process has ended.
const RETRY_DELAYS: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_millis(400), Duration::from_millis(800)];

/// Entries of a browser profile that are not copied: caches, and marks that it is in use.
const NOT_COPIED: [&str; 12] = [
    "Cache",
    "Code Cache",
    "GPUCache",
    "ShaderCache",
    "GrShaderCache",
    "GraphiteDawnCache",
    "DawnGraphiteCache",
    "DawnWebGPUCache",
    "Crashpad",
    "BrowserMetrics",
    "lockfile",
    "DevToolsActivePort",
];

/// Copies a browser profile into the existing folder `to`, without caches, locks and links. Errors name the file.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from).map_err(|why| naming(from, &why))? {
        let entry = entry.map_err(|why| naming(from, &why))?;
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if NOT_COPIED.contains(&text.as_ref()) || text.starts_with("Singleton") {
            continue;
        }
        let kind = entry.file_type()?;
        let target = to.join(&name);
        if kind.is_dir() {
            private::create_folder(&target)?;
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &target).map_err(|why| naming(&entry.path(), &why))?;
        }
    }
    Ok(())
}

/// Adds the path to an error.
pub(crate) fn naming(path: &Path, why: &io::Error) -> io::Error {
    io::Error::new(why.kind(), format!("{}: {why}", path.display()))
}

/// Size of all files below `folder` in bytes; files that vanish meanwhile do not count.
pub(crate) fn size(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let about = fs::symlink_metadata(entry.path()).ok()?;
            Some(if about.is_dir() { size(&entry.path()) } else { about.len() })
        })
        .sum()
}

/// Removes `folder` with its content and checks that it is gone, retrying for up to 1.4 s. Blocks.
pub(crate) fn remove(folder: &Path) -> io::Result<()> {
    // removes links, never their targets
    retry(folder, || ignore_missing(fs::remove_dir_all(folder)))
}

/// As [`remove`], with the file `name` in it removed last: interrupted at any moment, what remains of the folder still has
/// this mark. `mark` is that file, whose lock is held until then.
pub(crate) fn remove_marked(folder: &Path, name: &str, mark: FileLock) -> io::Result<()> {
    let path = folder.join(name);
    let text = fs::read(&path).unwrap_or_default();
    let mut mark = Some(mark);
    retry(folder, || {
        empty(folder, name)?;
        mark = None; // Windows does not remove open files
        finish(folder, &path, &text)
    })
}

/// Removes the mark and the folder, which must hold nothing else.
fn finish(folder: &Path, mark: &Path, text: &[u8]) -> io::Result<()> {
    ignore_missing(fs::remove_file(mark))?;
    ignore_missing(fs::remove_dir(folder)).inspect_err(|_| {
        // another process has written into it meanwhile
        if let Err(why) = fs::write(mark, text) {
            tracing::debug!(%why, "the mark of {} could not be restored", folder.display());
        }
    })
}

/// Removes everything in `folder` except the file `name`. Goes on after an entry that cannot be removed.
fn empty(folder: &Path, name: &str) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let mut result = Ok(());
    for entry in entries {
        let entry = entry?;
        if entry.file_name() == name {
            continue;
        }
        let path = entry.path();
        let removed = if entry.file_type()?.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        result = result.and(ignore_missing(removed).map_err(|why| naming(&path, &why)));
    }
    result
}

/// Counts a missing file as removed.
fn ignore_missing(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Runs `remove` until `folder` is gone, or the delays are used up.
fn retry(folder: &Path, mut remove: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let mut delays = RETRY_DELAYS.iter();
    loop {
        let result = match (remove(), fs::symlink_metadata(folder)) {
            (Ok(()), Err(why)) if why.kind() == io::ErrorKind::NotFound => return Ok(()),
            (Ok(()), Err(why)) | (Err(why), _) => why,
            (Ok(()), Ok(_)) => io::Error::other("it was created again while it was removed"),
        };
        match delays.next() {
            Some(delay) => thread::sleep(*delay),
            None => return Err(result),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_leaves_caches_and_locks_behind() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("Default/Cache/inner")).unwrap();
        fs::write(from.join("Default/Cache/inner/x"), "cache").unwrap();
        fs::write(from.join("Default/Preferences"), "{}").unwrap();
        fs::write(from.join("SingletonLock"), "host-1").unwrap();
        private::create_folder(&to).unwrap();
        copy(&from, &to).unwrap();
        assert!(to.join("Default/Preferences").is_file());
        assert!(!to.join("Default/Cache").exists() && !to.join("SingletonLock").exists());
        assert_eq!(size(&to), 2);
    }

    #[test]
    fn the_mark_is_restored_when_another_process_writes_meanwhile() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("w1-abcdef");
        let mark = folder.join("owner");
        fs::create_dir_all(folder.join("profile/Default")).unwrap();
        fs::write(&mark, "pid = 7").unwrap();
        empty(&folder, "owner").unwrap();
        assert!(mark.is_file() && !folder.join("profile").exists());
        fs::write(folder.join("Cookies"), "").unwrap(); // by a browser that still runs
        finish(&folder, &mark, b"pid = 7").unwrap_err();
        assert_eq!(fs::read_to_string(&mark).unwrap(), "pid = 7");
        remove_marked(&folder, "owner", FileLock::of(fs::File::open(&mark).unwrap())).unwrap();
        assert!(!folder.exists());
    }

    #[cfg(unix)]
    #[test]
    fn links_are_neither_copied_nor_followed_when_removing() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (from, to, other) = (folder.path().join("from"), folder.path().join("to"), folder.path().join("other"));
        fs::create_dir(&from).unwrap();
        fs::create_dir(&other).unwrap();
        fs::write(other.join("precious"), "x").unwrap();
        symlink(&other, from.join("link")).unwrap();
        private::create_folder(&to).unwrap();
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o700);
        copy(&from, &to).unwrap();
        assert!(fs::symlink_metadata(to.join("link")).is_err());
        remove(&from).unwrap();
        assert!(other.join("precious").is_file() && !from.exists());
        remove(&from).unwrap();
    }
}
