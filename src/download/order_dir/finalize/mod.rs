//! The end of an order's folder: its manifest, and the name `<PO>_<STATUS>` that says how it ended.
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use super::manifest::Manifest;
use super::place::merge;
use crate::download::DownloadError;
use crate::download::order_dir::steps::{remove_file, remove_folder, remove_parts, rename, sync_folder};
use crate::download::order_dir::suppliers::suppliers;
use crate::download::order_dir::{final_name, work_name};
use crate::download::staging::{blocking, drafts};
use crate::download::verify::{has_size, is_whole};
use crate::model::{
    Failure, FailureKind, FileRecord, MANIFEST_NAME, MissingFile, OrderStatus, Outcome, PoNumber, Receipt,
};

/// Gives the folder of `po` its manifest and the name of its outcome, and the outcome's paths with it. An empty folder
/// goes away; there is none for an order without files. Called again, also after an interruption at any point, it leads
/// to the same folder.
///
/// COMPLETED becomes PARTIAL when a file has gone from the folder since it was placed.
///
/// # Errors
/// [`DownloadError::Disk`].
pub async fn finalize(out: &Path, po: &PoNumber, outcome: Outcome) -> Result<Outcome, DownloadError> {
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
    remove_parts(&home.path).map_err(fail)?;
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

/// An order that an earlier run ended otherwise, and of which this one never saw the page, still has its earlier
/// folder.
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
struct FinalDir {
    path: PathBuf,
    supplier: String,
}

impl FinalDir {
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

/// The one folder of `po` in work, if there is any. An attempt may have seen the order without its supplier, or a crash
/// has left one behind: what is in the others moves to the one that the receipt names.
fn gather(out: &Path, po: &PoNumber, receipt: Option<&Receipt>) -> Result<Option<FinalDir>, DownloadError> {
    let named = receipt.and_then(|receipt| receipt.folder.split_once('/')).map(|(supplier, _)| supplier);
    let mut homes = Vec::new();
    for folder in suppliers(out).map_err(|why| DownloadError::at(out, why))? {
        let path = folder.join(work_name(po));
        if path.is_dir() {
            let supplier = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            homes.push(FinalDir { path, supplier });
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

/// The same outcome with all paths in the folder called `name`: that of `home`, or of the supplier that each names. A
/// file that has got another name when two folders became one is found by its bytes.
fn with_paths_in(mut outcome: Outcome, name: &str, home: Option<&FinalDir>) -> Outcome {
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
