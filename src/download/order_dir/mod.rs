//! The folder of one order while it is in work, `<out>/<supplier>/<PO>__WORK`: files get their places in it. Nothing
//! that is in it is ever deleted.
pub(crate) mod finalize;
pub(crate) mod manifest;
pub(crate) mod naming;
pub(crate) mod place;
pub(crate) mod steps;
pub(crate) mod suppliers;

use std::path::{Path, PathBuf};

use super::{DownloadError, Verified};
use crate::download::order_dir::naming::safe_folder;
use crate::download::order_dir::place::{merge, place_in};
use crate::download::order_dir::steps::{make_folder, rename};
use crate::download::staging::blocking;
use crate::download::verify::is_whole;
use crate::model::{FileOrigin, FileRecord, ListingId, OrderStatus, PoNumber};

pub(crate) fn work_name(po: &PoNumber) -> String {
    format!("{po}__WORK")
}

pub(crate) fn final_name(po: &PoNumber, status: OrderStatus) -> String {
    format!("{po}_{status}")
}

/// An order's folder while it is in work. There is none on the disk before the first file gets its place.
#[derive(Clone, Debug)]
pub struct OrderDir {
    out: PathBuf,
    supplier: String,
    work: String,
}

impl OrderDir {
    /// The folder of `po` under `supplier` (`Unknown supplier` without one). What an earlier run left there under a
    /// final name is taken back into work, files and all.
    ///
    /// # Errors
    /// [`DownloadError::Disk`]; [`DownloadError::SupplierFolder`] when the supplier's folder is a link that leads
    /// nowhere.
    pub async fn open(out: &Path, supplier: Option<&str>, po: &PoNumber) -> Result<Self, DownloadError> {
        let folder = Self::new(out, supplier, po);
        let (this, po) = (folder.clone(), po.clone());
        blocking(move || this.take_back(&po)).await?;
        Ok(folder)
    }

    pub(crate) fn new(out: &Path, supplier: Option<&str>, po: &PoNumber) -> Self {
        Self { out: out.to_owned(), supplier: safe_folder(supplier.unwrap_or_default()), work: work_name(po) }
    }

    fn path(&self) -> PathBuf {
        self.out.join(&self.supplier).join(&self.work)
    }

    pub(crate) fn take_back(&self, po: &PoNumber) -> Result<(), DownloadError> {
        let work = self.path();
        suppliers::check(&self.out.join(&self.supplier))?;
        for status in OrderStatus::ALL {
            let earlier = work.with_file_name(final_name(po, status));
            if !earlier.is_dir() {
                continue;
            }
            let taken = if work.is_dir() { merge(&earlier, &work) } else { rename(&earlier, &work) };
            if let Err(why) = taken {
                // somebody may have one of its files open: the order can be fetched anyway
                tracing::warn!(folder = %earlier.display(), %why, "an earlier folder of this order stays as it is");
            }
        }
        Ok(())
    }

    /// Its path relative to the output folder, with `/`; empty when it is not on the disk.
    #[must_use]
    pub fn relative(&self) -> String {
        if self.path().is_dir() { format!("{}/{}", self.supplier, self.work) } else { String::new() }
    }

    /// Gives the verified file its place by one atomic rename, unless the same bytes lie there under its name already.
    /// Other bytes under its name stay, and it becomes `name (2).ext`.
    ///
    /// # Errors
    /// [`DownloadError::Disk`], [`DownloadError::Unstorable`].
    pub async fn place(
        &self,
        file: Verified,
        source: FileOrigin,
        listing: ListingId,
    ) -> Result<FileRecord, DownloadError> {
        let this = self.clone();
        blocking(move || this.place_now(file, source, listing)).await
    }

    pub(crate) fn place_now(
        &self,
        file: Verified,
        source: FileOrigin,
        listing: ListingId,
    ) -> Result<FileRecord, DownloadError> {
        let path = self.path();
        make_folder(&path).map_err(|why| DownloadError::at(&path, why))?;
        let placed = place_in(&path, &file)?;
        let Verified { staged: _, name, size, sha256, media_type, mismatch: _ } = file;
        let path = format!("{}/{}/{placed}", self.supplier, self.work);
        Ok(FileRecord { path, name, size, sha256, media_type, source, listings: vec![listing] })
    }

    /// The file of `earlier`, if it is in this folder as it was placed, with the path that it has now.
    pub async fn find(&self, earlier: &FileRecord) -> Option<FileRecord> {
        let (this, earlier) = (self.clone(), earlier.clone());
        // what cannot be read is fetched again
        blocking(move || Ok(this.find_now(earlier))).await.ok().flatten()
    }

    fn find_now(&self, earlier: FileRecord) -> Option<FileRecord> {
        let name = earlier.path.rsplit('/').next()?;
        let is_there = is_whole(&self.path().join(name), earlier.size, &earlier.sha256);
        let path = format!("{}/{}/{name}", self.supplier, self.work);
        is_there.then_some(FileRecord { path, ..earlier })
    }
}
