//! Copying, measuring and removing a folder that a browser has lived in. No symbolic link is ever followed.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Waits before each further try at removing: on Windows a file stays locked for a moment after its process has ended.
const RETRIES: [Duration; 3] = [Duration::from_millis(200), Duration::from_millis(400), Duration::from_millis(800)];

/// What a copy of a profile leaves out: what a browser fills anew, and what says that it is in use.
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

/// Creates a folder that only its owner may enter.
pub(crate) fn create_private(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    return {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new().mode(0o700).create(folder)
    };
    #[cfg(not(unix))]
    fs::create_dir(folder) // the folder around it is the user's own there, and its rights are inherited
}

/// Copies `from` into the existing folder `to`, without caches, locks and links. An error names what could not be read.
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
            create_private(&target)?;
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &target).map_err(|why| naming(&entry.path(), &why))?;
        }
    }
    Ok(())
}

/// The error with the path that it is about.
pub(crate) fn naming(path: &Path, why: &io::Error) -> io::Error {
    io::Error::new(why.kind(), format!("{}: {why}", path.display()))
}

/// The bytes of all files below `folder`; what vanishes meanwhile counts nothing.
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

/// Removes `folder` with all that is in it, tries again a few times, and checks. Blocks for up to 1.4 s.
pub(crate) fn remove(folder: &Path) -> io::Result<()> {
    // removes links themselves, never what they point to
    patiently(folder, || there_or_not(fs::remove_dir_all(folder)))
}

/// The same, and the file `name` in it goes last, when nothing else is left: broken off at any moment, what remains of
/// the folder is marked by it. `mark` is that file; its lock is held until then.
pub(crate) fn remove_marked(folder: &Path, name: &str, mark: File) -> io::Result<()> {
    let path = folder.join(name);
    let text = fs::read(&path).unwrap_or_default();
    let mut mark = Some(mark);
    patiently(folder, || {
        empty(folder, name)?;
        mark = None; // Windows removes no open file
        finish(folder, &path, &text)
    })
}

/// Removes the mark, and the folder that holds nothing else.
fn finish(folder: &Path, mark: &Path, text: &[u8]) -> io::Result<()> {
    there_or_not(fs::remove_file(mark))?;
    there_or_not(fs::remove_dir(folder)).inspect_err(|_| {
        // somebody has written into it meanwhile
        if let Err(why) = fs::write(mark, text) {
            tracing::debug!(%why, "the mark of {} cannot be written again", folder.display());
        }
    })
}

/// Removes what is in `folder` but the file `name`. What cannot be removed does not keep the rest.
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
        result = result.and(there_or_not(removed).map_err(|why| naming(&path, &why)));
    }
    result
}

/// What is not there need not be removed.
fn there_or_not(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn patiently(folder: &Path, mut remove: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let mut retries = RETRIES.iter();
    loop {
        let result = match (remove(), fs::symlink_metadata(folder)) {
            (Ok(()), Err(why)) if why.kind() == io::ErrorKind::NotFound => return Ok(()),
            (Ok(()), Err(why)) | (Err(why), _) => why,
            (Ok(()), Ok(_)) => io::Error::other("it is there again after having been removed"),
        };
        match retries.next() {
            Some(wait) => thread::sleep(*wait),
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
        create_private(&to).unwrap();
        copy(&from, &to).unwrap();
        assert!(to.join("Default/Preferences").is_file());
        assert!(!to.join("Default/Cache").exists() && !to.join("SingletonLock").exists());
        assert_eq!(size(&to), 2);
    }

    #[test]
    fn the_mark_comes_back_when_somebody_writes_meanwhile() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("w1-abcdef");
        let mark = folder.join("owner");
        fs::create_dir_all(folder.join("profile/Default")).unwrap();
        fs::write(&mark, "pid = 7").unwrap();
        empty(&folder, "owner").unwrap();
        assert!(mark.is_file() && !folder.join("profile").exists());
        fs::write(folder.join("Cookies"), "").unwrap(); // by a browser that is not yet gone
        finish(&folder, &mark, b"pid = 7").unwrap_err();
        assert_eq!(fs::read_to_string(&mark).unwrap(), "pid = 7");
        remove_marked(&folder, "owner", File::open(&mark).unwrap()).unwrap();
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
        create_private(&to).unwrap();
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o700);
        copy(&from, &to).unwrap();
        assert!(fs::symlink_metadata(to.join("link")).is_err());
        remove(&from).unwrap();
        assert!(other.join("precious").is_file() && !from.exists());
        remove(&from).unwrap();
    }
}
