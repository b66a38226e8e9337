//! Where folders of ours are made: the base folder of the profiles, and one with a short path for temporary files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::browser::profile::owned_dir::TEMP;
use crate::fs::tree;

/// Socket names of browsers are limited to some 100 characters, and they put some 50 after their folder for temporary
/// files.
const MAX_TEMP_LEN: usize = 55;

/// A folder of our own below the system's for temporary files, the same in every run, so that a later run finds what
/// an earlier one left.
pub(crate) fn default_base() -> PathBuf {
    #[cfg(unix)]
    let name = format!("coupa-batch-{}", rustix::process::geteuid().as_raw());
    #[cfg(not(unix))]
    let name = "coupa-batch"; // the folder for temporary files is the user's own there
    std::env::temp_dir().join(name)
}

/// Makes the folder unless it is there, and then sees whether it can be trusted.
pub(crate) fn ready(base: &Path, is_shared_place: bool) -> io::Result<()> {
    match tree::create_private(base) {
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => check_existing(base, is_shared_place),
        other => other,
    }
}

/// Anyone can make a folder of our name in a shared temporary folder: a login must not be put into one of theirs.
fn check_existing(base: &Path, is_shared_place: bool) -> io::Result<()> {
    let about = if is_shared_place { fs::symlink_metadata(base)? } else { fs::metadata(base)? };
    let refuse =
        |why: &str| Err(io::Error::other(format!("{} {why}; give another folder as profile_dir", base.display())));
    if !about.is_dir() {
        return refuse("is not a folder");
    }
    #[cfg(unix)]
    if is_shared_place {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        if about.uid() != rustix::process::geteuid().as_raw() {
            return refuse("belongs to another user");
        }
        if about.mode() & 0o077 != 0 {
            fs::set_permissions(base, fs::Permissions::from_mode(0o700))?;
        }
    }
    Ok(())
}

/// Where folders for temporary files are made if the paths below `base` are too long for them. Without one, browsers would
/// put these into the system's folder, where nobody knows whose they are.
pub(crate) fn short_base(base: &Path) -> io::Result<Option<PathBuf>> {
    if is_short(base) {
        return Ok(None);
    }
    let Some(short) = short_bases().into_iter().find(|short| is_short(short)) else {
        return Err(io::Error::other(format!(
            "the path {} is too long for the sockets of browsers: give a shorter one as profile_dir",
            base.display()
        )));
    };
    ready(&short, true)?;
    Ok(Some(short))
}

/// The places that [`short_base`] may choose.
pub(crate) fn short_bases() -> Vec<PathBuf> {
    let usual = default_base();
    #[cfg(unix)]
    let always = usual.file_name().map(|name| Path::new("/tmp").join(name)).filter(|always| *always != usual);
    #[cfg(not(unix))]
    let always = None;
    std::iter::once(usual).chain(always).collect()
}

/// Whether it is a folder of this user's, and not a link to one.
pub(crate) fn is_own(place: &Path) -> bool {
    let Ok(about) = fs::symlink_metadata(place) else { return false };
    #[cfg(unix)]
    let is_own = std::os::unix::fs::MetadataExt::uid(&about) == rustix::process::geteuid().as_raw();
    #[cfg(not(unix))]
    let is_own = true;
    is_own && about.is_dir()
}

fn is_short(base: &Path) -> bool {
    // the longest name that is given, with a number of three digits
    cfg!(windows) || base.join("w999-abcdef").join(TEMP).as_os_str().len() <= MAX_TEMP_LEN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_long_path_gets_a_short_place_for_temporary_files() {
        assert!(short_base(Path::new("/var/tmp/coupa-batch-4294967295")).unwrap().is_none());
        // the usual folder for temporary files on macOS
        let long = Path::new("/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T/coupa-batch-501");
        let short = short_base(long).unwrap().unwrap();
        assert!(is_short(&short) && short.is_dir() && short_bases().contains(&short), "{}", short.display());
    }
}
