//! The files of a portal's logins, for this user alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use url::Url;

use crate::backend::LoginStoreError;
use crate::fs::private;

/// What the files of a portal are called, without their ending.
pub(crate) fn stem(base: &Url) -> String {
    let host = base.host_str().unwrap_or("unknown").replace(['[', ']', ':'], "_");
    let port = base.port().map(|port| format!("_{port}")).unwrap_or_default();
    format!("{host}{port}")
}

/// Writes a file in place of the one that was there; readable by this user alone. There is never half a file. Blocks.
pub(crate) fn write(folder: &Path, file: &Path, content: &impl Serialize) -> io::Result<()> {
    private::replace_file(folder, file, |draft| Ok(serde_json::to_writer(draft, content)?))
}

/// Reads a file of at most `max_bytes`; `None` if it does not exist.
pub(crate) fn read(file: &Path, max_bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let size = match fs::metadata(file) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?.len(),
    };
    if size > max_bytes {
        return Err(io::Error::other(format!("the file is too large ({size} bytes)")));
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

/// The files in `folder` with this ending; none if there is no folder.
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
