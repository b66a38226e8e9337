//! A file on its way: written, counted and digested in one pass.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::TempPath;
use tokio::fs::File;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use super::error::TransferError;
use crate::download::DownloadError;
use crate::download::staging::blocking;
use crate::download::verify::signature::HEAD;

/// A file in a staging folder. Dropping it removes the file.
pub(crate) struct StagedFile {
    file: File,
    path: TempPath,
    hasher: Sha256,
    head: Vec<u8>,
    size: u64,
    /// How large it may be, and the setting that says so.
    max: (u64, &'static str),
}

/// A file that is whole. It stays.
pub(crate) struct WholeFile {
    pub(crate) id: String,
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    pub(crate) sha256: String,
}

impl StagedFile {
    /// Makes an empty one in `folder`.
    pub(crate) async fn create(folder: &Path, max: (u64, &'static str)) -> Result<Self, TransferError> {
        let folder = folder.to_owned();
        let made = blocking(move || {
            let file = tempfile::Builder::new().prefix("http-").tempfile_in(&folder);
            file.map_err(|why| DownloadError::at(&folder, why))
        });
        let (file, path) = made.await.map_err(TransferError::Disk)?.into_parts();
        Ok(Self { file: File::from_std(file), path, hasher: Sha256::new(), head: Vec::new(), size: 0, max })
    }

    /// Bytes so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The first bytes.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Refuses `more` bytes that would make it too large.
    pub(crate) fn check_size(&self, more: u64) -> Result<(), TransferError> {
        let (limit, setting) = self.max;
        let is_too_large = self.size.saturating_add(more) > limit;
        if is_too_large { Err(TransferError::TooLarge { limit, setting }) } else { Ok(()) }
    }

    pub(crate) async fn append(&mut self, bytes: &[u8]) -> Result<(), TransferError> {
        self.check_size(bytes.len() as u64)?;
        let wanted = HEAD.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..wanted]);
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        let written = self.file.write_all(bytes).await;
        written.map_err(|why| self.disk(why))
    }

    /// Empties it.
    pub(crate) async fn restart(&mut self) -> Result<(), TransferError> {
        if self.size == 0 {
            return Ok(());
        }
        (self.hasher, self.size) = (Sha256::new(), 0);
        self.head.clear();
        let emptied = async {
            self.file.flush().await?;
            self.file.set_len(0).await?;
            self.file.seek(SeekFrom::Start(0)).await.map(drop)
        };
        emptied.await.map_err(|why| self.disk(why))
    }

    /// Closes it; it stays where it is.
    pub(crate) async fn finish(mut self) -> Result<WholeFile, TransferError> {
        let flushed = self.file.flush().await;
        flushed.map_err(|why| self.disk(why))?;
        let kept_at = self.path.to_path_buf();
        let path = self.path.keep().map_err(|why| TransferError::Disk(DownloadError::at(&kept_at, why.error)))?;
        let id = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let sha256 = self.hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(WholeFile { id, path, size: self.size, sha256 })
    }

    fn disk(&self, why: std::io::Error) -> TransferError {
        TransferError::Disk(DownloadError::at(&self.path, why))
    }
}
