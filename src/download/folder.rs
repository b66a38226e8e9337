//! The folder of one order: `<out>/<supplier>/<PO>__WORK` while it is in work, `<PO>_<STATUS>` once its outcome is
//! known. Nothing that lies in it is ever deleted.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::landing::blocking;
use super::naming::safe_folder;
use super::place::{merge, place_in};
use super::{DownloadError, Verified};
use crate::model::{FileOrigin, FileRecord, OrderStatus, Outcome, PoNumber};

fn work_name(po: &PoNumber) -> String {
    format!("{po}__WORK")
}

fn final_name(po: &PoNumber, status: OrderStatus) -> String {
    format!("{po}_{status}")
}

/// An order's folder while it is in work. There is none on the disk before the first file gets its place.
#[derive(Clone, Debug)]
pub struct OrderFolder {
    out: PathBuf,
    supplier: String,
    work: String,
}

impl OrderFolder {
    /// The folder of `po` under `supplier` (`Unknown supplier` without one). What an earlier run left there under a
    /// final name is taken back into work, files and all.
    ///
    /// # Errors
    /// [`DownloadError::Disk`].
    pub async fn open(out: &Path, supplier: Option<&str>, po: &PoNumber) -> Result<Self, DownloadError> {
        let folder =
            Self { out: out.to_owned(), supplier: safe_folder(supplier.unwrap_or_default()), work: work_name(po) };
        let (this, po) = (folder.clone(), po.clone());
        blocking(move || this.take_back(&po)).await?;
        Ok(folder)
    }

    fn path(&self) -> PathBuf {
        self.out.join(&self.supplier).join(&self.work)
    }

    fn take_back(&self, po: &PoNumber) -> Result<(), DownloadError> {
        let work = self.path();
        for status in OrderStatus::ALL {
            let earlier = work.with_file_name(final_name(po, status));
            if !earlier.is_dir() {
                continue;
            }
            let taken = if work.is_dir() { merge(&earlier, &work).map(drop) } else { fs::rename(&earlier, &work) };
            if let Err(why) = taken {
                // somebody may have one of its files open: the order can be fetched all the same
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
    pub async fn place(&self, file: Verified, source: FileOrigin) -> Result<FileRecord, DownloadError> {
        let (path, base) = (self.path(), format!("{}/{}", self.supplier, self.work));
        blocking(move || {
            fs::create_dir_all(&path).map_err(|why| DownloadError::at(&path, why))?;
            let name = place_in(&path, &file)?;
            let Verified { landed: _, name: given, size, sha256 } = file;
            Ok(FileRecord { path: format!("{base}/{name}"), name: given, size, sha256, source })
        })
        .await
    }
}

/// Gives the folder of `po` the name of its outcome, and the outcome's paths with it. An empty folder goes away; there
/// is none for an order without files. Called again, it changes nothing.
///
/// # Errors
/// [`DownloadError::Disk`].
pub async fn conclude(out: &Path, po: &PoNumber, outcome: Outcome) -> Result<Outcome, DownloadError> {
    let (out, work, last) = (out.to_owned(), work_name(po), final_name(po, outcome.status()));
    blocking(move || {
        // every supplier's: an attempt may have seen the order without its supplier, or a crash has left one behind
        let mut renamed = BTreeMap::new();
        for supplier in suppliers(&out).map_err(|why| DownloadError::at(&out, why))? {
            let from = supplier.join(&work);
            if from.is_dir() {
                let changed = finish(&from, &supplier.join(&last)).map_err(|why| DownloadError::at(&from, why))?;
                renamed.insert(supplier.file_name().unwrap_or_default().to_string_lossy().into_owned(), changed);
            }
        }
        Ok(with_final_paths(outcome, &work, &last, &renamed))
    })
    .await
}

fn suppliers(out: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(out) {
        Ok(entries) => entries,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()), // nothing was placed
        Err(why) => return Err(why),
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry?;
        // no link is followed out of the output folder, and the program's own folder holds no order
        if entry.file_type()?.is_dir() && !entry.file_name().to_string_lossy().starts_with('.') {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

/// Returns the names of files that had to change.
fn finish(work: &Path, last: &Path) -> std::io::Result<BTreeMap<String, String>> {
    if fs::read_dir(work)?.next().is_none() {
        fs::remove_dir(work)?;
        return Ok(BTreeMap::new());
    }
    // the names of the files must be on the disk before the folder's says that all is well
    sync_folder(work)?;
    let changed = if last.is_dir() {
        merge(work, last)?
    } else {
        fs::rename(work, last)?;
        BTreeMap::new()
    };
    if let Some(supplier) = last.parent() {
        sync_folder(supplier)?;
    }
    Ok(changed)
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

/// Windows cannot open a folder to sync it; NTFS keeps its names in a log of its own.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> std::io::Result<()> {
    Ok(())
}

fn with_final_paths(
    mut outcome: Outcome,
    work: &str,
    last: &str,
    renamed: &BTreeMap<String, BTreeMap<String, String>>,
) -> Outcome {
    if outcome.receipt().is_none() {
        return outcome;
    }
    let receipt = outcome.receipt_mut();
    if let Some((supplier, folder)) = receipt.folder.split_once('/')
        && folder == work
    {
        receipt.folder = format!("{supplier}/{last}");
    }
    for file in &mut receipt.files {
        let mut parts = file.path.splitn(3, '/');
        if let (Some(supplier), Some(folder), Some(name)) = (parts.next(), parts.next(), parts.next())
            && folder == work
        {
            let name = renamed.get(supplier).and_then(|changed| changed.get(name)).map_or(name, String::as_str);
            file.path = format!("{supplier}/{last}/{name}");
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Failure, FailureKind, Receipt};

    struct Out(tempfile::TempDir);

    impl Out {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> &Path {
            self.0.path()
        }

        fn landed(&self, name: &str, text: &str) -> Verified {
            let folder = self.path().join(".coupa-batch");
            fs::create_dir_all(&folder).unwrap();
            let landed = folder.join("id");
            fs::write(&landed, text).unwrap();
            let sha256 = super::super::verify::digest_of(&landed).unwrap();
            Verified { landed, name: name.to_owned(), size: text.len() as u64, sha256 }
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn read(&self, path: &str) -> String {
            fs::read_to_string(self.path().join(path)).unwrap_or_else(|why| format!("{path}: {why}"))
        }

        fn names(&self, path: &str) -> Vec<String> {
            let mut names: Vec<_> = fs::read_dir(self.path().join(path))
                .map(|entries| entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect())
                .unwrap_or_default();
            names.sort();
            names
        }

        async fn open(&self) -> OrderFolder {
            OrderFolder::open(self.path(), Some("ACME"), &po()).await.unwrap()
        }

        async fn place(&self, folder: &OrderFolder, name: &str, text: &str) -> FileRecord {
            folder.place(self.landed(name, text), FileOrigin::Order).await.unwrap()
        }
    }

    fn po() -> PoNumber {
        "PO7".parse().unwrap()
    }

    fn completed(folder: &OrderFolder, files: Vec<FileRecord>) -> Outcome {
        let folder = folder.relative();
        Outcome::Completed(Receipt { folder, listed_count: files.len(), files, ..Receipt::default() })
    }

    #[tokio::test]
    async fn a_file_is_placed_once_however_often_it_is_fetched() {
        let out = Out::new();
        let folder = out.open().await;
        let first = out.place(&folder, "../a:b.pdf", "one").await;
        let again = out.place(&folder, "../a:b.pdf", "one").await;
        assert_eq!(first.path, "ACME/PO7__WORK/a_b.pdf");
        assert_eq!(first.name, "../a:b.pdf");
        assert_eq!(first, again);
        assert_eq!(out.names("ACME/PO7__WORK"), ["a_b.pdf"]);
    }

    #[tokio::test]
    async fn other_bytes_under_the_same_name_get_a_number() {
        let out = Out::new();
        let folder = out.open().await;
        for (name, text) in [("a.pdf", "one"), ("A.PDF", "two"), ("a.pdf", "three"), ("a.pdf", "two")] {
            out.place(&folder, name, text).await;
        }
        assert_eq!(out.names("ACME/PO7__WORK"), ["A (2).PDF", "a (3).pdf", "a.pdf"]);
    }

    #[tokio::test]
    async fn the_outcome_names_the_folder_once() {
        let out = Out::new();
        let folder = out.open().await;
        let file = out.place(&folder, "a.pdf", "one").await;
        let outcome = completed(&folder, vec![file]);
        let concluded = conclude(out.path(), &po(), outcome.clone()).await.unwrap();
        assert_eq!(concluded.receipt().unwrap().folder, "ACME/PO7_COMPLETED");
        assert_eq!(out.read(&concluded.files()[0].path), "one");
        // the same again, as after a crash before the outcome was written down
        assert_eq!(conclude(out.path(), &po(), outcome).await.unwrap(), concluded);
        assert_eq!(conclude(out.path(), &po(), concluded.clone()).await.unwrap(), concluded);
        assert_eq!(out.names("ACME"), ["PO7_COMPLETED"]);
    }

    #[tokio::test]
    async fn an_order_without_files_leaves_no_folder() {
        let out = Out::new();
        let folder = out.open().await;
        assert_eq!(folder.relative(), "");
        conclude(out.path(), &po(), Outcome::NoAttachments(Receipt::default())).await.unwrap();
        assert!(out.names("").is_empty());
        fs::create_dir_all(out.path().join("ACME/PO7__WORK")).unwrap();
        let failure = Failure::new(FailureKind::OrderMissing, "no such order");
        conclude(out.path(), &po(), Outcome::NotFound(failure, None)).await.unwrap();
        assert!(out.names("ACME").is_empty());
    }

    #[tokio::test]
    async fn an_earlier_folder_is_taken_back_with_what_people_put_there() {
        let out = Out::new();
        out.write("ACME/PO7_PARTIAL/a.pdf", "one");
        out.write("ACME/PO7_PARTIAL/notes of a person.txt", "mine");
        out.write("ACME/PO7_FAILED/a.pdf", "other");
        out.write("ACME/PO7_FAILED/sub/b.txt", "mine too");
        out.write("ACME/PO77_COMPLETED/c.pdf", "another order");
        let folder = out.open().await;
        let file = out.place(&folder, "a.pdf", "one").await;
        conclude(out.path(), &po(), completed(&folder, vec![file])).await.unwrap();
        assert_eq!(out.names("ACME"), ["PO77_COMPLETED", "PO7_COMPLETED"]);
        assert_eq!(out.names("ACME/PO7_COMPLETED"), ["a (2).pdf", "a.pdf", "notes of a person.txt", "sub"]);
        assert_eq!(out.read("ACME/PO7_COMPLETED/a.pdf"), "one");
        assert_eq!(out.read("ACME/PO7_COMPLETED/a (2).pdf"), "other");
    }

    #[tokio::test]
    async fn a_final_folder_that_is_in_the_way_is_joined_and_the_paths_follow() {
        let out = Out::new();
        let folder = out.open().await;
        let file = out.place(&folder, "a.pdf", "one").await;
        out.write("ACME/PO7_COMPLETED/a.pdf", "a person's");
        let concluded = conclude(out.path(), &po(), completed(&folder, vec![file])).await.unwrap();
        assert_eq!(out.read(&concluded.files()[0].path), "one");
        assert_eq!(out.read("ACME/PO7_COMPLETED/a.pdf"), "a person's");
        assert_eq!(out.names("ACME"), ["PO7_COMPLETED"]);
    }

    #[tokio::test]
    async fn what_a_failed_order_brought_is_kept_under_its_status() {
        let out = Out::new();
        let folder = OrderFolder::open(out.path(), None, &po()).await.unwrap();
        out.place(&folder, "a.pdf", "one").await;
        let failure = Failure::new(FailureKind::DownloadStalled, "stalled");
        conclude(out.path(), &po(), Outcome::Failed(failure, None)).await.unwrap();
        assert_eq!(out.read("Unknown supplier/PO7_FAILED/a.pdf"), "one");
    }

    #[tokio::test]
    async fn a_supplier_cannot_lead_out_of_the_output_folder() {
        let out = Out::new();
        for supplier in ["../../etc", "/etc", "..", "C:\\x", ".coupa-batch"] {
            let folder = OrderFolder::open(out.path(), Some(supplier), &po()).await.unwrap();
            let file = out.place(&folder, "a.pdf", supplier).await;
            assert_eq!(out.read(&file.path), supplier);
            assert_eq!(file.path.split('/').count(), 3);
        }
    }
}
