//! Files for this user alone.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use url::Url;

use crate::backend::LoginStoreError;

/// What the files of a portal are called, without their ending.
pub(crate) fn stem(base: &Url) -> String {
    let host = base.host_str().unwrap_or("unknown").replace(['[', ']', ':'], "_");
    let port = base.port().map(|port| format!("_{port}")).unwrap_or_default();
    format!("{host}{port}")
}

/// Writes a file in place of the one that was there; readable by this user alone from the first moment on. There is never
/// half a file. Blocks while it writes.
pub(crate) fn write(folder: &Path, file: &Path, content: &impl Serialize) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    // on Windows a folder takes its rights from its parent, which is the user's own
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    // tempfile makes its files readable by their owner alone
    let mut draft = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer(&mut draft, content)?;
    draft.flush()?;
    draft.as_file().sync_all()?;
    draft.persist(file).map_err(|refused| refused.error)?;
    Ok(())
}

/// Reads a file of at most `max_bytes`; none when there is none.
pub(crate) fn read(file: &Path, max_bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let size = match fs::metadata(file) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?.len(),
    };
    if size > max_bytes {
        return Err(io::Error::other(format!("{size} bytes are too long for one")));
    }
    fs::read(file).map(Some)
}

/// Removes a file. Tells whether there was one.
pub(crate) fn remove(file: &Path) -> io::Result<bool> {
    match fs::remove_file(file) {
        Ok(()) => Ok(true),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(why) => Err(why),
    }
}

/// The files in `folder` with this ending; none when there is no folder.
pub(crate) fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>, LoginStoreError> {
    let entries = match fs::read_dir(folder) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => {
            other.map_err(|why| LoginStoreError::Unusable(format!("{} cannot be read: {why}", folder.display())))?
        }
    };
    let paths = entries.flatten().map(|entry| entry.path());
    Ok(paths.filter(|path| path.extension().is_some_and(|found| found == ending)).collect())
}
