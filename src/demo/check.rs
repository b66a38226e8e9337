//! Compares the files of a run with those of the portal.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::portal::{DemoPortal, Expected};
use crate::fs::hex;
use crate::model::{MANIFEST_NAME, OrderStatus, Outcome, PoNumber};

/// A difference between a run and the portal.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// The run has no outcome for an order.
    #[error("{po}: no outcome")]
    NoOutcome {
        /// The order.
        po: PoNumber,
    },
    /// The run has an outcome for something that the portal does not have.
    #[error("{po}: an outcome for an order that was not requested")]
    Unknown {
        /// The order.
        po: PoNumber,
    },
    /// The run has more than one outcome for an order.
    #[error("{po}: more than one outcome")]
    Twice {
        /// The order.
        po: PoNumber,
    },
    /// The order has another status.
    #[error("{po}: ended as {found} instead of {expected}{}", .why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default())]
    Status {
        /// The order.
        po: PoNumber,
        /// How it should have ended.
        expected: OrderStatus,
        /// How it ended.
        found: OrderStatus,
        /// The run's message about it.
        why: Option<String>,
    },
    /// Another supplier than the page shows.
    #[error("{po}: supplier {found:?} instead of {expected:?}")]
    Supplier {
        /// The order.
        po: PoNumber,
        /// The supplier on the page.
        expected: Option<String>,
        /// The supplier in the run.
        found: Option<String>,
    },
    /// Files were expected and there is no folder of that order and status.
    #[error("{po}: no folder {po}_{status} under the output folder")]
    NoFolder {
        /// The order.
        po: PoNumber,
        /// The status that its name should end in.
        status: OrderStatus,
    },
    /// An unexpected folder of the order: a second one, or an unfinished one.
    #[error("{po}: an unexpected folder: {}", .folder.display())]
    ExtraFolder {
        /// The order.
        po: PoNumber,
        /// The folder.
        folder: PathBuf,
    },
    /// A file is missing or has other bytes.
    #[error("{po}: {name:?} ({size} bytes, {sha256}) is not in its folder")]
    MissingFile {
        /// The order.
        po: PoNumber,
        /// The file, as the portal names it.
        name: String,
        /// Its size.
        size: u64,
        /// Its SHA-256.
        sha256: String,
    },
    /// A file that the portal does not list, or lists less often.
    #[error("{po}: an unexpected file: {}", .path.display())]
    ExtraFile {
        /// The order.
        po: PoNumber,
        /// The file.
        path: PathBuf,
    },
    /// A file or folder cannot be read.
    #[error("{} cannot be read: {why}", .path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// The differences between `portal` and a run of all its orders in `out`. Empty if every status is as expected, every expected
/// file is in its order's folder with the right bytes (read from the disk), and no order's folder contains anything else.
#[must_use]
pub fn check(portal: &DemoPortal, out: &Path, orders: &[(PoNumber, Outcome)]) -> Vec<Mismatch> {
    let mut found = Vec::new();
    let mut outcomes: HashMap<&PoNumber, &(PoNumber, Outcome)> = HashMap::new();
    for pair in orders {
        if outcomes.insert(&pair.0, pair).is_some() {
            found.push(Mismatch::Twice { po: pair.0.clone() });
        }
    }
    let mut folders = BTreeMap::new();
    if let Err(why) = order_folders(out, &mut folders)
        && why.1.kind() != io::ErrorKind::NotFound
    {
        found.push(Mismatch::Unreadable { path: why.0, why: why.1.to_string() });
    }
    for po in portal.orders() {
        let Some(expected) = portal.expected(&po) else { continue };
        match outcomes.remove(&po) {
            // as the caller spells it, since the folders are named so
            Some((po, outcome)) => {
                compare_outcome(po, &expected, outcome, &mut found);
                compare_files(po, &expected, folders.remove(po.digits()).unwrap_or_default(), &mut found);
            }
            None => found.push(Mismatch::NoOutcome { po }),
        }
    }
    found.extend(outcomes.into_keys().map(|po| Mismatch::Unknown { po: po.clone() }));
    found
}

fn compare_outcome(po: &PoNumber, expected: &Expected, outcome: &Outcome, found: &mut Vec<Mismatch>) {
    if outcome.status() != expected.status {
        found.push(Mismatch::Status {
            po: po.clone(),
            expected: expected.status,
            found: outcome.status(),
            why: outcome.failure().map(ToString::to_string),
        });
    }
    if let Some(receipt) = outcome.receipt()
        && receipt.supplier != expected.supplier
    {
        found.push(Mismatch::Supplier {
            po: po.clone(),
            expected: expected.supplier.clone(),
            found: receipt.supplier.clone(),
        });
    }
}

fn compare_files(po: &PoNumber, expected: &Expected, folders: Vec<PathBuf>, found: &mut Vec<Mismatch>) {
    let name = format!("{po}_{}", expected.status);
    let (mut right, wrong): (Vec<_>, Vec<_>) =
        folders.into_iter().partition(|folder| folder.file_name().is_some_and(|found| *found == *name));
    let extra = right.split_off(right.len().min(1)).into_iter().chain(wrong);
    found.extend(extra.map(|folder| Mismatch::ExtraFolder { po: po.clone(), folder }));
    let Some(folder) = right.pop() else {
        if !expected.files.is_empty() {
            found.push(Mismatch::NoFolder { po: po.clone(), status: expected.status });
        }
        return;
    };
    let mut there = match digests(&folder) {
        Ok(there) => there,
        Err((path, why)) => {
            found.push(Mismatch::Unreadable { path, why: why.to_string() });
            return;
        }
    };
    for file in &expected.files {
        match there.iter().position(|(_, sha256)| *sha256 == file.sha256) {
            Some(at) => {
                there.swap_remove(at);
            }
            None => found.push(Mismatch::MissingFile {
                po: po.clone(),
                name: file.name.clone(),
                size: file.size,
                sha256: file.sha256.clone(),
            }),
        }
    }
    found.extend(there.into_iter().map(|(path, _)| Mismatch::ExtraFile { po: po.clone(), path }));
}

type IoFailure = (PathBuf, io::Error);

/// Every folder below `at` that is named after an order, by the order's digits. Names that begin with a dot are skipped.
fn order_folders(at: &Path, into: &mut BTreeMap<String, Vec<PathBuf>>) -> Result<(), IoFailure> {
    for entry in entries(at)? {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        match name.split_once('_').and_then(|(number, _)| number.parse::<PoNumber>().ok()) {
            Some(po) => into.entry(po.digits().to_owned()).or_default().push(entry.path()),
            None => order_folders(&entry.path(), into)?,
        }
    }
    Ok(())
}

/// Every file below `folder` except the manifest, with its SHA-256.
fn digests(folder: &Path) -> Result<Vec<(PathBuf, String)>, IoFailure> {
    let mut all = Vec::new();
    for entry in entries(folder)? {
        let path = entry.path();
        if entry.file_name() == MANIFEST_NAME {
            continue;
        }
        if path.is_dir() {
            all.extend(digests(&path)?);
        } else {
            let bytes = fs::read(&path).map_err(|why| (path.clone(), why))?;
            all.push((path, hex(&Sha256::digest(&bytes))));
        }
    }
    Ok(all)
}

fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>, IoFailure> {
    fs::read_dir(folder).and_then(Iterator::collect).map_err(|why| (folder.to_owned(), why))
}
