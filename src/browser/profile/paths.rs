//! Base folder of the profiles, and one with a short path for temporary files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::browser::profile::owned_dir::TEMP;
use crate::fs::private;

/// Socket paths are limited to some 100 characters, and browsers append some 50 to their folder for temporary files.
const MAX_TEMP_LEN: usize = 55;

/// This user's folder in the system's temporary folder; the same in every run, so that a later run finds leftovers.
pub(crate) fn default_base() -> PathBuf {
    #[cfg(unix)]
    let name = format!("coupa-batch-{}", rustix::process::geteuid().as_raw());
    #[cfg(not(unix))]
    let name = "coupa-batch"; // the temporary folder belongs to the user there
    std::env::temp_dir().join(name)
}

/// Creates the folder, or checks that an existing one can be trusted.
pub(crate) fn ensure(base: &Path, is_shared_place: bool) -> io::Result<()> {
    match private::create_folder(base) {
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => check_existing(base, is_shared_place),
        other => other,
    }
}

/// In a shared temporary folder another user may have created the folder: no login must be put there.
fn check_existing(base: &Path, is_shared_place: bool) -> io::Result<()> {
    let about = if is_shared_place { fs::symlink_metadata(base)? } else { fs::metadata(base)? };
    let refuse =
        |why: &str| Err(io::Error::other(format!("{} {why}; set profile_dir to another folder", base.display())));
    if !about.is_dir() {
        return refuse("is not a folder");
    }
    #[cfg(unix)]
    if is_shared_place {
        use std::os::unix::fs::MetadataExt;
        if about.uid() != rustix::process::geteuid().as_raw() {
            return refuse("belongs to another user");
        }
        if about.mode() & 0o077 != 0 {
            private::restrict(base)?;
        }
    }
    Ok(())
}

/// Base of the folders for temporary files where the paths below `base` are too long for them. Otherwise browsers would
/// put them into the system's temporary folder, where no sweep finds them.
pub(crate) fn short_base(base: &Path) -> io::Result<Option<PathBuf>> {
    if is_short(base) {
        return Ok(None);
    }
    let Some(short) = short_bases().into_iter().find(|short| is_short(short)) else {
        return Err(io::Error::other(format!(
            "the path {} is too long for the sockets of browsers; set profile_dir to a shorter one",
            base.display()
        )));
    };
    ensure(&short, true)?;
    Ok(Some(short))
}

/// The folders that [`short_base`] may return.
pub(crate) fn short_bases() -> Vec<PathBuf> {
    let usual = default_base();
    #[cfg(unix)]
    let always = usual.file_name().map(|name| Path::new("/tmp").join(name)).filter(|always| *always != usual);
    #[cfg(not(unix))]
    let always = None;
    std::iter::once(usual).chain(always).collect()
}

/// Whether it is a folder of this user, and not a link.
pub(crate) fn is_own(place: &Path) -> bool {
    let Ok(about) = fs::symlink_metadata(place) else { return false };
    #[cfg(unix)]
    let is_own = std::os::unix::fs::MetadataExt::uid(&about) == rustix::process::geteuid().as_raw();
    #[cfg(not(unix))]
    let is_own = true;
    is_own && about.is_dir()
}

fn is_short(base: &Path) -> bool {
    // the longest name of a folder, with a worker number of three digits
    cfg!(windows) || base.join("w999-abcdef").join(TEMP).as_os_str().len() <= MAX_TEMP_LEN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_long_path_gets_a_short_folder_for_temporary_files() {
        assert!(short_base(Path::new("/var/tmp/coupa-batch-4294967295")).unwrap().is_none());
        // the usual folder for temporary files on macOS
        let long = Path::new("/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T/coupa-batch-501");
        let short = short_base(long).unwrap().unwrap();
        assert!(is_short(&short) && short.is_dir() && short_bases().contains(&short), "{}", short.display());
    }
}
