//! Files and folders for this user alone, from their first moment on. On Windows they take their access list from their
//! parent, which is the user's own choice.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use tempfile::{NamedTempFile, TempDir};

/// Creates a folder that is not there yet.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    builder().create(path)
}

/// Creates a folder and its parents unless they are there.
pub(crate) fn ensure_folder(path: &Path) -> io::Result<()> {
    builder().recursive(true).create(path)
}

fn builder() -> DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "rights are taken from the parent there"))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Creates a folder in `parent`, named `prefix` and six letters. It is removed when it is dropped.
pub(crate) fn temp_folder(parent: &Path, prefix: &str) -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir_in(parent)
}

/// Options that create a file for this user alone. How it is opened is up to the caller.
pub(crate) fn open_options() -> OpenOptions {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "rights are taken from the parent there"))]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Creates a file that is not there yet.
pub(crate) fn create_file(path: &Path, content: &[u8]) -> io::Result<()> {
    open_options().write(true).create_new(true).open(path)?.write_all(content)
}

/// Has `write` fill a file that takes the place of the one that was there, in a folder that is created if it is missing.
/// There is never half a file. Blocks until it is on the disk.
pub(crate) fn replace_file(
    folder: &Path,
    path: &Path,
    write: impl FnOnce(&mut NamedTempFile) -> io::Result<()>,
) -> io::Result<()> {
    ensure_folder(folder)?;
    let mut draft = NamedTempFile::new_in(folder)?; // readable by its owner alone
    write(&mut draft)?;
    draft.flush()?;
    draft.as_file().sync_all()?;
    draft.persist(path).map_err(|refused| refused.error)?;
    Ok(())
}

/// Makes a file or folder of this user one that nobody else can read, and that can be entered or started.
pub(crate) fn restrict(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    #[cfg(not(unix))]
    let _ = fs::metadata(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_what_is_created() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let deep = place.path().join("a").join("b");
        ensure_folder(&deep).unwrap();
        create_folder(&deep.join("c")).unwrap();
        let temporary = temp_folder(&deep, "t-").unwrap();
        for folder in [deep.parent().unwrap(), &deep, &deep.join("c"), temporary.path()] {
            assert_eq!(mode(folder), 0o700, "{}", folder.display());
        }
        create_file(&deep.join("new"), b"1").unwrap();
        replace_file(&deep, &deep.join("whole"), |file| file.write_all(b"2")).unwrap();
        drop(open_options().create(true).append(true).open(deep.join("log")).unwrap());
        for file in ["new", "whole", "log"] {
            assert_eq!(mode(&deep.join(file)), 0o600, "{file}");
        }
        fs::set_permissions(&deep, fs::Permissions::from_mode(0o755)).unwrap();
        restrict(&deep).unwrap();
        assert_eq!(mode(&deep), 0o700);
    }

    #[test]
    fn what_is_there_is_neither_taken_nor_halved() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        replace_file(place.path(), &file, |file| file.write_all(b"first")).unwrap();
        assert_eq!(create_file(&file, b"x").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(create_folder(place.path()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        replace_file(place.path(), &file, |file| file.write_all(b"second")).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"second");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }
}
