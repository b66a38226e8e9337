//! The folder of one order: `<out>/<supplier>/<PO>__WORK` while it is in work, `<PO>_<STATUS>` once its outcome is
//! known. Nothing that lies in it is ever deleted.

use std::fs;
use std::path::{Path, PathBuf};

use super::disk::{make_folder, remove_file, remove_folder, rename, sync_folder};
use super::landing::{blocking, drafts};
use super::manifest::Manifest;
use super::naming::safe_folder;
use super::place::{has_size, is_whole, merge, place_in};
use super::{DownloadError, Verified};
use crate::model::{
    Failure, FailureKind, FileOrigin, FileRecord, ListingId, MANIFEST_NAME, MissingFile, OrderStatus, Outcome,
    PoNumber, Receipt,
};

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
        let folder = Self::new(out, supplier, po);
        let (this, po) = (folder.clone(), po.clone());
        blocking(move || this.take_back(&po)).await?;
        Ok(folder)
    }

    fn new(out: &Path, supplier: Option<&str>, po: &PoNumber) -> Self {
        Self { out: out.to_owned(), supplier: safe_folder(supplier.unwrap_or_default()), work: work_name(po) }
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
            let taken = if work.is_dir() { merge(&earlier, &work) } else { rename(&earlier, &work) };
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
    pub async fn place(
        &self,
        file: Verified,
        source: FileOrigin,
        listing: ListingId,
    ) -> Result<FileRecord, DownloadError> {
        let this = self.clone();
        blocking(move || this.place_now(file, source, listing)).await
    }

    fn place_now(&self, file: Verified, source: FileOrigin, listing: ListingId) -> Result<FileRecord, DownloadError> {
        let path = self.path();
        make_folder(&path).map_err(|why| DownloadError::at(&path, why))?;
        let placed = place_in(&path, &file)?;
        let Verified { landed: _, name, size, sha256, media_type } = file;
        let path = format!("{}/{}/{placed}", self.supplier, self.work);
        Ok(FileRecord { path, name, size, sha256, media_type, source, listings: vec![listing] })
    }

    /// The file of `earlier`, if it lies in this folder as it was placed, with the path that it has now.
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

/// Gives the folder of `po` its manifest and the name of its outcome, and the outcome's paths with it. An empty folder
/// goes away; there is none for an order without files. Called again, also after it was broken off anywhere, it leads to
/// the same folder.
///
/// COMPLETED becomes PARTIAL when a file has gone from the folder since it was placed.
///
/// # Errors
/// [`DownloadError::Disk`].
pub async fn conclude(out: &Path, po: &PoNumber, outcome: Outcome) -> Result<Outcome, DownloadError> {
    let (out, po) = (out.to_owned(), po.clone());
    blocking(move || conclude_now(&out, &po, outcome)).await
}

fn conclude_now(out: &Path, po: &PoNumber, outcome: Outcome) -> Result<Outcome, DownloadError> {
    reopen(out, po, &outcome).map_err(|why| DownloadError::at(out, why))?;
    let home = gather(out, po, outcome.receipt())?;
    let Some(home) = home else {
        // nothing was placed, or all this was done before
        let last = final_name(po, outcome.status());
        return Ok(check_presence(out, with_paths_in(outcome, &last, None)));
    };
    let outcome = check_presence(out, with_paths_in(outcome, &work_name(po), Some(&home)));
    let last = final_name(po, outcome.status());
    let fail = |why| DownloadError::at(&home.path, why);
    if home.is_empty().map_err(fail)? {
        home.remove().map_err(fail)?;
        return Ok(outcome);
    }
    let target = home.path.with_file_name(&last);
    if target.is_dir() {
        merge(&target, &home.path).map_err(|why| DownloadError::at(&target, why))?;
    }
    let relative = format!("{}/{}", home.supplier, work_name(po));
    let manifest = Manifest::of(po, &outcome, &relative, &home.path);
    manifest.write(&home.path, &drafts(out)).map_err(fail)?;
    // the names of the files must be on the disk before the folder's says that all is well
    sync_folder(&home.path).map_err(fail)?;
    rename(&home.path, &target).map_err(fail)?;
    if let Some(supplier) = target.parent() {
        sync_folder(supplier).map_err(fail)?;
    }
    Ok(with_paths_in(outcome, &last, None))
}

/// An order that an earlier run ended otherwise, and of which this one never saw the page, still has its earlier folder.
fn reopen(out: &Path, po: &PoNumber, outcome: &Outcome) -> std::io::Result<()> {
    let Some((supplier, name)) = outcome.receipt().and_then(|receipt| receipt.folder.split_once('/')) else {
        return Ok(());
    };
    let ended_otherwise = |status: &OrderStatus| *status != outcome.status() && final_name(po, *status) == name;
    let (earlier, work) = (out.join(supplier).join(name), out.join(supplier).join(work_name(po)));
    if OrderStatus::ALL.iter().any(ended_otherwise) && earlier.is_dir() && !work.exists() {
        rename(&earlier, &work)?;
    }
    Ok(())
}

/// A folder in work.
struct Home {
    path: PathBuf,
    supplier: String,
}

impl Home {
    /// Whether nothing but a manifest is in it.
    fn is_empty(&self) -> std::io::Result<bool> {
        for entry in fs::read_dir(&self.path)? {
            if entry?.file_name() != MANIFEST_NAME {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn remove(&self) -> std::io::Result<()> {
        match remove_file(&self.path.join(MANIFEST_NAME)) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(why),
            _ => remove_folder(&self.path),
        }
    }
}

/// The one folder of `po` in work, if there is any. An attempt may have seen the order without its supplier, or a crash
/// has left one behind: what lies in the others moves to the one that the receipt names.
fn gather(out: &Path, po: &PoNumber, receipt: Option<&Receipt>) -> Result<Option<Home>, DownloadError> {
    let named = receipt.and_then(|receipt| receipt.folder.split_once('/')).map(|(supplier, _)| supplier);
    let mut homes = Vec::new();
    for folder in suppliers(out).map_err(|why| DownloadError::at(out, why))? {
        let path = folder.join(work_name(po));
        if path.is_dir() {
            let supplier = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            homes.push(Home { path, supplier });
        }
    }
    if homes.is_empty() {
        return Ok(None);
    }
    let place = homes.iter().position(|home| Some(home.supplier.as_str()) == named).unwrap_or_default();
    let home = homes.swap_remove(place);
    for other in homes {
        merge(&other.path, &home.path).map_err(|why| DownloadError::at(&other.path, why))?;
    }
    Ok(Some(home))
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
    folders.sort(); // the same one first, however often it is asked
    Ok(folders)
}

/// The same outcome with all paths in the folder called `name`: that of `home`, or of the supplier that each names. A
/// file that has got another name when two folders became one is found by its bytes.
fn with_paths_in(mut outcome: Outcome, name: &str, home: Option<&Home>) -> Outcome {
    if outcome.receipt().is_none() {
        return outcome;
    }
    let receipt = outcome.receipt_mut();
    let moved = |supplier: &str| {
        let supplier = home.map_or(supplier, |home| &home.supplier);
        format!("{supplier}/{name}")
    };
    if let Some((supplier, _)) = receipt.folder.split_once('/') {
        receipt.folder = moved(supplier);
    }
    for file in &mut receipt.files {
        let mut parts = file.path.splitn(3, '/');
        if let (Some(supplier), Some(_), Some(named)) = (parts.next(), parts.next(), parts.next()) {
            let found = home.and_then(|home| home.name_of(supplier, named, file));
            file.path = format!("{}/{}", moved(supplier), found.as_deref().unwrap_or(named));
        }
    }
    outcome
}

impl Home {
    /// Under which name `file`, which was placed under `supplier`, lies here if it does not under `named`.
    fn name_of(&self, supplier: &str, named: &str, file: &FileRecord) -> Option<String> {
        let path = self.path.join(named);
        // what has moved here from another folder may have met a file of its name
        let is_it = if supplier == self.supplier {
            has_size(&path, file.size)
        } else {
            is_whole(&path, file.size, &file.sha256)
        };
        if is_it {
            return None;
        }
        let mut entries = fs::read_dir(&self.path).ok()?.flatten();
        let found = entries.find(|entry| is_whole(&entry.path(), file.size, &file.sha256))?;
        Some(found.file_name().to_string_lossy().into_owned())
    }
}

/// What has gone from the folder since it was placed is missing: a virus scanner, or a person, may have taken it.
fn check_presence(out: &Path, mut outcome: Outcome) -> Outcome {
    if outcome.files().iter().all(|file| has_size(&out.join(&file.path), file.size)) {
        return outcome;
    }
    let receipt = outcome.receipt_mut();
    let (there, gone): (Vec<_>, Vec<_>) =
        std::mem::take(&mut receipt.files).into_iter().partition(|file| has_size(&out.join(&file.path), file.size));
    receipt.files = there;
    for file in gone {
        tracing::warn!(path = file.path, "a file has gone from its folder since it was placed");
        let message = format!("{} has gone since it was placed: see whether a virus scanner has taken it", file.path);
        let failure = Failure::new(FailureKind::DownloadCorrupt, message);
        let listing = file.listings.into_iter().next().unwrap_or_default();
        receipt.missing.push(MissingFile { name: file.name, listing, source: file.source, failure });
    }
    match outcome {
        Outcome::Completed(receipt) | Outcome::NoAttachments(receipt) => {
            let failure = Failure::new(FailureKind::DownloadCorrupt, "files have gone since they were placed");
            ended_partly(receipt, failure)
        }
        Outcome::Partial(receipt, failure) => ended_partly(receipt, failure),
        other @ (Outcome::NotFound(..) | Outcome::Failed(..) | Outcome::Skipped(..)) => other,
    }
}

fn ended_partly(receipt: Receipt, failure: Failure) -> Outcome {
    match receipt.files.as_slice() {
        [] => Outcome::Failed(failure, Some(receipt)),
        _ => Outcome::Partial(receipt, failure),
    }
}

#[cfg(test)]
mod tests {
    use super::super::disk::fuse;
    use super::*;

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
            Verified { landed, name: name.to_owned(), size: text.len() as u64, sha256, media_type: None }
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
            names.retain(|name| name != MANIFEST_NAME);
            names.sort();
            names
        }

        fn manifest(&self, path: &str) -> Manifest {
            Manifest::read(&self.path().join(path)).unwrap().unwrap()
        }

        async fn open(&self) -> OrderFolder {
            OrderFolder::open(self.path(), Some("ACME"), &po()).await.unwrap()
        }

        async fn place(&self, folder: &OrderFolder, name: &str, text: &str) -> FileRecord {
            folder.place(self.landed(name, text), FileOrigin::Order, ListingId::new(name)).await.unwrap()
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
    async fn a_final_folder_that_is_in_the_way_is_joined_and_keeps_what_people_put_there() {
        let out = Out::new();
        let folder = out.open().await;
        let file = out.place(&folder, "a.pdf", "one").await;
        out.write("ACME/PO7_COMPLETED/a.pdf", "a person's");
        let concluded = conclude(out.path(), &po(), completed(&folder, vec![file])).await.unwrap();
        assert_eq!(out.read(&concluded.files()[0].path), "one");
        assert_eq!(out.read("ACME/PO7_COMPLETED/a (2).pdf"), "a person's");
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

    #[tokio::test]
    async fn the_manifest_says_what_was_listed_and_what_is_there() {
        let out = Out::new();
        let folder = out.open().await;
        let mut file = out.place(&folder, "../a.pdf", "one").await;
        file.listings.push(ListingId::new("again, the same bytes"));
        let failure = || Failure::new(FailureKind::DownloadStalled, "stood still");
        let mut outcome = completed(&folder, vec![file]);
        let receipt = outcome.receipt_mut();
        (receipt.listed_count, receipt.repeated_count) = (4, 1);
        let (name, listing, source) = ("b.pdf".to_owned(), ListingId::new("b"), FileOrigin::Order);
        receipt.missing.push(MissingFile { name, listing, source, failure: failure() });
        let outcome = Outcome::Partial(receipt.clone(), failure());
        conclude(out.path(), &po(), outcome).await.unwrap();
        let manifest = out.manifest("ACME/PO7_PARTIAL");
        assert_eq!((manifest.listed_count, manifest.repeated_count), (4, 1));
        let file = &manifest.files[0];
        assert_eq!((file.file.as_str(), file.name.as_str(), file.attachment_count), ("a.pdf", "../a.pdf", 2));
        let schema = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/manifest.schema.json"));
        let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
        schema.validate(&serde_json::to_value(&manifest).unwrap()).map_err(|why| why.to_string()).unwrap();
        assert_eq!((manifest.missing[0].name.as_str(), manifest.missing[0].reason.as_str()), ("b.pdf", "stood still"));
    }

    #[tokio::test]
    async fn a_file_that_the_portal_has_replaced_stays_known_to_the_manifest() {
        let out = Out::new();
        for text in ["one", "two", "two"] {
            let folder = out.open().await;
            let file = out.place(&folder, "a.pdf", text).await;
            conclude(out.path(), &po(), completed(&folder, vec![file])).await.unwrap();
        }
        let manifest = out.manifest("ACME/PO7_COMPLETED");
        assert_eq!((manifest.files[0].file.as_str(), manifest.earlier[0].file.as_str()), ("a (2).pdf", "a.pdf"));
        assert_eq!((manifest.files.len(), manifest.earlier.len()), (1, 1));
    }

    #[tokio::test]
    async fn an_attachment_that_is_called_like_the_manifest_gets_another_name() {
        let out = Out::new();
        let folder = out.open().await;
        let file = out.place(&folder, "_Manifest.json", "{}").await;
        assert_eq!(file.path, "ACME/PO7__WORK/_Manifest (2).json");
    }

    #[tokio::test]
    async fn an_order_seen_with_and_without_its_supplier_has_one_folder() {
        let out = Out::new();
        let without = OrderFolder::open(out.path(), None, &po()).await.unwrap();
        let first = out.place(&without, "a.pdf", "one").await;
        let folder = out.open().await;
        let other = out.place(&folder, "a.pdf", "two").await; // as long as the other one
        let mut outcome = completed(&folder, vec![first, other]);
        outcome.receipt_mut().folder = folder.relative();
        let concluded = conclude(out.path(), &po(), outcome).await.unwrap();
        assert_eq!(concluded.status(), OrderStatus::Completed);
        let read: Vec<_> = concluded.files().iter().map(|file| out.read(&file.path)).collect();
        assert_eq!(read, ["one", "two"]);
        assert_eq!(out.names("ACME/PO7_COMPLETED"), ["a (2).pdf", "a.pdf"]);
        assert!(out.names("Unknown supplier").is_empty());
    }

    #[tokio::test]
    async fn completed_is_not_said_when_a_file_has_gone_meanwhile() {
        let out = Out::new();
        let folder = out.open().await;
        let (a, b) = (out.place(&folder, "a.pdf", "one").await, out.place(&folder, "b.pdf", "two").await);
        fs::remove_file(out.path().join(&b.path)).unwrap();
        let concluded = conclude(out.path(), &po(), completed(&folder, vec![a, b])).await.unwrap();
        assert_eq!(concluded.status(), OrderStatus::Partial);
        assert_eq!(concluded.receipt().unwrap().missing[0].name, "b.pdf");
        assert_eq!(out.names("ACME"), ["PO7_PARTIAL"]);
    }

    #[tokio::test]
    async fn an_order_that_ends_otherwise_than_before_without_its_page_keeps_its_files() {
        let out = Out::new();
        let folder = out.open().await;
        let file = out.place(&folder, "a.pdf", "one").await;
        let earlier = conclude(out.path(), &po(), completed(&folder, vec![file])).await.unwrap();
        let failure = Failure::new(FailureKind::StepTimeout, "slow");
        let outcome = Outcome::Partial(earlier.receipt().unwrap().clone(), failure);
        let concluded = conclude(out.path(), &po(), outcome).await.unwrap();
        assert_eq!((concluded.status(), out.names("ACME")), (OrderStatus::Partial, vec!["PO7_PARTIAL".to_owned()]));
        assert_eq!(out.read(&concluded.files()[0].path), "one");
    }

    /// Everything that one attempt does to the disk, on top of what an earlier run, and a person, left.
    fn fetch_anew(out: &Out) -> Result<Outcome, DownloadError> {
        let folder = OrderFolder::new(out.path(), Some("ACME"), &po());
        folder.take_back(&po())?;
        let place = |name: &str, text: &str| {
            let (source, listing) = (FileOrigin::Order, ListingId::new(format!("{name} {text}")));
            folder.place_now(out.landed(name, text), source, listing)
        };
        let files = vec![place("a.pdf", "one")?, place("a.pdf", "two")?, place("b.pdf", "three")?];
        let outcome = completed(&folder, files);
        conclude_now(out.path(), &po(), outcome)
    }

    #[test]
    fn a_crash_before_or_after_any_step_of_placing_changes_nothing_in_the_end() {
        let world = || {
            let out = Out::new();
            out.write("ACME/PO7_PARTIAL/a.pdf", "one");
            out.write("ACME/PO7_PARTIAL/notes.txt", "a person's");
            out.write("ACME/PO7_FAILED/notes.txt", "others");
            out.write("ACME/PO7_FAILED/sub/b.txt", "a person's too");
            out.write("Unknown supplier/PO7__WORK/b.pdf", "half of an earlier attempt");
            out
        };
        let all = |out: &Out| {
            let folder = "ACME/PO7_COMPLETED";
            let files: Vec<_> = out.names(folder).into_iter().filter(|name| name != "sub").collect();
            let texts: Vec<_> = files.iter().map(|name| out.read(&format!("{folder}/{name}"))).collect();
            (files, texts, out.names(&format!("{folder}/sub")), out.names("ACME"), out.names("Unknown supplier"))
        };
        let undisturbed = world();
        fetch_anew(&undisturbed).unwrap();
        let expected = all(&undisturbed);
        assert_eq!(expected.3, ["PO7_COMPLETED"]);
        let mut crashes = 0;
        for moment in 0.. {
            let out = world();
            fuse::light(moment);
            let ended = fetch_anew(&out);
            if !fuse::put_out() {
                ended.unwrap();
                break;
            }
            crashes += 1;
            let outcome = fetch_anew(&out).unwrap();
            assert_eq!(outcome.status(), OrderStatus::Completed, "after a crash at moment {moment}");
            for file in outcome.files() {
                let path = out.path().join(&file.path);
                assert!(is_whole(&path, file.size, &file.sha256), "{} after a crash at moment {moment}", file.path);
            }
            // two crashes may number two of a person's notes the other way round
            let mut found = all(&out);
            let mut wanted = expected.clone();
            found.1.sort();
            wanted.1.sort();
            assert_eq!(found, wanted, "after a crash at moment {moment}");
        }
        assert!(crashes > 20, "{crashes}");
    }
}
