//! The private folder that receives one attempt's downloads.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::DownloadError;
use crate::fs::private;

/// Where the program keeps its own things inside the output folder: on the same disk, so that a file gets its place by
/// a rename alone.
pub(crate) const OWN_FOLDER: &str = ".coupa-batch";
/// The folder in it that holds the attempts' staging folders.
pub(crate) const STAGINGS: &str = "landing";

/// A folder that nobody else can look into, gone when it is dropped.
#[derive(Debug)]
pub struct StagingDir {
    folder: TempDir,
}

impl StagingDir {
    /// Makes one under `out`, which is made as well if it is not there.
    ///
    /// # Errors
    /// [`DownloadError::Disk`] when the disk is full or may not be written.
    pub async fn open(out: &Path) -> Result<Self, DownloadError> {
        let out = out.to_owned();
        blocking(move || Self::make(&out)).await
    }

    fn make(out: &Path) -> Result<Self, DownloadError> {
        // the browser resolves a relative folder from where it was started, not from here
        let parent =
            std::path::absolute(out).map_err(|why| DownloadError::at(out, why))?.join(OWN_FOLDER).join(STAGINGS);
        fs::create_dir_all(&parent).map_err(|why| DownloadError::at(&parent, why))?;
        let folder = private::temp_folder(&parent, "attempt-").map_err(|why| DownloadError::at(&parent, why))?;
        Ok(Self { folder })
    }

    /// Its absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Tries whether something can still be written there: a browser cuts a download without a word when the disk is
    /// full.
    ///
    /// # Errors
    /// [`DownloadError::Disk`] when it cannot.
    pub async fn check_writable(&self) -> Result<(), DownloadError> {
        let file = self.path().join("writable");
        blocking(move || {
            // more than a block: a full disk takes the few bytes that fit into the folder's own entry
            fs::write(&file, [0; 16 * 1024])
                .and_then(|()| fs::File::open(&file)?.sync_all())
                .and_then(|()| fs::remove_file(&file))
                .map_err(|why| DownloadError::at(&file, why))
        })
        .await
    }
}

/// Where a file of the program's own is written before it gets its name; swept like everything there.
pub(crate) fn drafts(out: &Path) -> PathBuf {
    out.join(OWN_FOLDER).join(STAGINGS)
}

/// Runs `work` where blocking is allowed.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DownloadError> + Send + 'static,
) -> Result<T, DownloadError> {
    // an interruption is not the order's fault
    crate::fs::blocking::blocking("accessing files", work).await.unwrap_or(Err(DownloadError::Interrupted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_staging_folder_is_private_and_gone_when_dropped() {
        let out = tempfile::tempdir().unwrap();
        let staging = StagingDir::open(&out.path().join("made/on/demand")).await.unwrap();
        let path = staging.path().to_owned();
        fs::write(path.join("partial"), "x").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        }
        staging.check_writable().await.unwrap();
        drop(staging);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn an_output_folder_that_cannot_be_made_says_where_and_what_to_do() {
        let out = tempfile::tempdir().unwrap();
        let file = out.path().join("a file");
        fs::write(&file, "").unwrap();
        let error = StagingDir::open(&file).await.unwrap_err();
        assert_eq!(error.kind(), crate::model::FailureKind::DiskFull);
        assert!(error.to_string().contains("a file") && error.to_string().contains("--out"), "{error}");
    }
}
