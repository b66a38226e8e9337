//! Every change that placing makes on the disk, a function each: what a crash can come before or after, and not in the
//! middle of.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use crate::download::verify::digest_of;

/// Makes a folder and those that it is in.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    step(|| fs::create_dir_all(folder))
}

/// Gives `from` the name `to`, unless something has that name already (false). The name is there with the whole file or
/// not at all.
///
/// In one step where the file system can refuse to replace. Where it can not (network shares, FUSE, exFAT), the name is
/// looked up first: nobody else writes into an order's folder while the output folder is locked. On another disk the
/// file is copied under a name of its own, compared, and then renamed.
pub(crate) fn rename_if_free(from: &Path, to: &Path) -> io::Result<bool> {
    match step(|| take_name(from, to)) {
        Err(why) if why.kind() == io::ErrorKind::CrossesDevices => copy_if_free(from, to),
        other => other,
    }
}

fn take_name(from: &Path, to: &Path) -> io::Result<bool> {
    match rename_without_replacing(from, to) {
        Ok(()) => Ok(true),
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(why) if is_unsupported(&why) => {
            if is_taken(to)? {
                return Ok(false);
            }
            fs::rename(from, to).map(|()| true)
        }
        Err(why) => Err(why),
    }
}

fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(test)]
    lacking::check(from, to)?;
    let mut path = TempPath::try_from_path(PathBuf::from(from))?;
    path.disable_cleanup(true); // never deletes what it could not rename: it may be a person's file
    path.persist_noclobber(to).map_err(|refused| refused.error)
}

/// Whether a file system says that it has no such operation. It may also call that forbidden: then a plain rename
/// tells.
fn is_unsupported(why: &io::Error) -> bool {
    matches!(
        why.kind(),
        io::ErrorKind::Unsupported
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::TooManyLinks
    )
}

fn is_taken(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(why) => Err(why),
    }
}

/// Brings `from` to another disk.
fn copy_if_free(from: &Path, to: &Path) -> io::Result<bool> {
    if is_taken(to)? {
        return Ok(false);
    }
    let folder = to.parent().unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    let part = builder.prefix(PART_START).suffix(PART_END).tempfile_in(folder)?;
    let permissions = fs::metadata(from)?.permissions();
    step(|| {
        io::copy(&mut fs::File::open(from)?, &mut part.as_file())?;
        part.as_file().set_permissions(permissions)?;
        part.as_file().sync_all()
    })?;
    let part = part.into_temp_path();
    if digest_of(&part)? != digest_of(from)? {
        return Err(io::Error::other("the copy on the other disk differs from the file"));
    }
    if !step(|| take_name(&part, to))? {
        return Ok(false);
    }
    sync_folder(folder)?;
    // interrupted here, the file is there twice: whoever continues finds the same bytes in their place
    remove_file(from)?;
    Ok(true)
}

/// How the names begin and end under which files are copied to another disk.
pub(crate) const PART_START: &str = ".coupa-batch-";
pub(crate) const PART_END: &str = ".part";

/// Removes from an order's folder what a copy has left there that was interrupted.
pub(crate) fn remove_parts(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(PART_START) && name.ends_with(PART_END) && entry.file_type()?.is_file() {
            remove_file(&entry.path())?;
        }
    }
    Ok(())
}

/// Gives `from` the name `to` in one step. A file of that name is replaced, a folder only if it is empty.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    step(|| fs::rename(from, to))
}

/// Removes a file.
pub(crate) fn remove_file(file: &Path) -> io::Result<()> {
    step(|| fs::remove_file(file))
}

/// Removes a folder, which must be empty.
pub(crate) fn remove_folder(folder: &Path) -> io::Result<()> {
    step(|| fs::remove_dir(folder))
}

/// The names in a folder are on the disk for good afterwards.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

/// Windows cannot open a folder to sync it; NTFS keeps its names in a log of its own.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(not(test))]
fn step<T>(change: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    change()
}

#[cfg(test)]
fn step<T>(change: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    fuse::burn()?;
    let changed = change()?;
    fuse::burn()?;
    Ok(changed)
}

/// Ends the work of one thread at a chosen moment, as a crash would: from then on nothing is changed any more.
#[cfg(test)]
pub(crate) mod fuse {
    use std::cell::Cell;
    use std::io;

    thread_local! {
        static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    }

    /// The crash comes before the first change, after it, before the second one, and so on, by number from 0.
    pub(crate) fn light(moments: u32) {
        LEFT.set(Some(moments));
    }

    /// No crash any more. Tells whether there was one.
    pub(crate) fn put_out() -> bool {
        LEFT.replace(None) == Some(0)
    }

    pub(crate) fn burn() -> io::Result<()> {
        match LEFT.get() {
            None => Ok(()),
            Some(0) => Err(io::Error::other("crashed on purpose")),
            Some(left) => {
                LEFT.set(Some(left - 1));
                Ok(())
            }
        }
    }
}

/// Takes operations from the file system of one thread, as some file systems lack them.
#[cfg(test)]
pub(crate) mod lacking {
    use std::cell::Cell;
    use std::io;
    use std::path::Path;

    /// What a file system can not do.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Lacking {
        Nothing,
        /// Neither hard links nor renames that never replace.
        NoReplace,
        /// The same, and it calls that forbidden.
        Forbidden,
        /// Folders of orders are on another disk than the staging folder.
        OneDisk,
    }

    impl Lacking {
        pub(crate) const ALL: [Self; 4] = [Self::Nothing, Self::NoReplace, Self::Forbidden, Self::OneDisk];
    }

    thread_local! {
        static LACKING: Cell<Lacking> = const { Cell::new(Lacking::Nothing) };
    }

    pub(crate) fn set(lacking: Lacking) {
        LACKING.set(lacking);
    }

    pub(crate) fn check(from: &Path, to: &Path) -> io::Result<()> {
        match LACKING.get() {
            Lacking::OneDisk if from.parent() != to.parent() => Err(io::ErrorKind::CrossesDevices.into()),
            Lacking::Nothing | Lacking::OneDisk => Ok(()),
            Lacking::NoReplace => Err(io::ErrorKind::Unsupported.into()),
            Lacking::Forbidden => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::lacking::Lacking;
    use super::*;

    #[test]
    fn a_rename_never_replaces_whatever_the_file_system_lacks() {
        for lacking in Lacking::ALL {
            lacking::set(lacking);
            never_replaces();
        }
        lacking::set(Lacking::Nothing);
    }

    #[test]
    fn a_file_comes_to_another_disk_whole() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in(OTHER_DISK));
        let Ok(there) = there else { return }; // the doubles above stand for it
        let from = here.path().join("from");
        fs::write(&from, vec![7; 300_000]).unwrap();
        let to = there.path().join("to");
        assert!(rename_if_free(&from, &to).unwrap());
        assert_eq!((fs::read(&to).unwrap(), from.exists()), (vec![7; 300_000], false));
        fs::write(&from, "other").unwrap();
        assert!(!rename_if_free(&from, &to).unwrap() && from.exists());
        assert_eq!(there.path().read_dir().unwrap().count(), 1, "nothing beside it");
    }

    /// A file system in memory, where there is one.
    const OTHER_DISK: &str = "/dev/shm";

    #[test]
    fn a_copy_that_was_broken_off_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".coupa-batch-x1.part", "a.part", ".coupa-batch-note.txt"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        remove_parts(folder.path()).unwrap();
        assert_eq!(folder.path().read_dir().unwrap().count(), 2);
    }

    fn never_replaces() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("in")).unwrap();
        let (from, to) = (folder.path().join("in/from"), folder.path().join("to"));
        fs::write(&from, "new").unwrap();
        fs::write(&to, "old").unwrap();
        assert!(!rename_if_free(&from, &to).unwrap());
        assert_eq!(fs::read_to_string(&to).unwrap(), "old");
        assert_eq!(fs::read_to_string(&from).unwrap(), "new");
        assert!(rename_if_free(&from, &folder.path().join("free")).unwrap());
        assert!(!from.exists());
    }
}
