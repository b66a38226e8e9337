//! Whether an output folder still holds what its manifests say.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::DownloadError;
use super::verify::digest_of;
use crate::download::order_dir::manifest::{Manifest, ManifestFile};
use crate::download::order_dir::suppliers::suppliers;
use crate::download::verify;
use crate::model::{MANIFEST_NAME, OrderStatus, PoNumber};

/// Deeper folders are not ours: orders lie two below the output folder.
const MAX_DEPTH: usize = 8;

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Orders that have a folder with a manifest.
    pub order_count: usize,
    /// Files that were read and are as they were.
    pub intact_count: usize,
    /// Their bytes.
    pub intact_bytes: u64,
    /// Attachments that the portal listed and that never came, by the manifests: not an error of the folder.
    pub never_came_count: usize,
    /// What is not as it was.
    pub findings: Vec<AuditProblem>,
}

/// Something that is not as the manifests say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditProblem {
    /// A file is gone.
    Missing {
        /// Of which order.
        po: PoNumber,
        /// Where it should be.
        path: PathBuf,
    },
    /// A file has other bytes than it had.
    Changed {
        /// Of which order.
        po: PoNumber,
        /// The file.
        path: PathBuf,
        /// What is different.
        how: String,
    },
    /// A file that no manifest knows is in an order's folder.
    Extra {
        /// Of which order.
        po: PoNumber,
        /// The file or folder.
        path: PathBuf,
    },
    /// The folder of an order is gone as a whole.
    Gone {
        /// Which order.
        po: PoNumber,
        /// Where it was.
        path: PathBuf,
    },
    /// The folder of an order that was never finished.
    Unfinished {
        /// The folder.
        path: PathBuf,
    },
    /// The folder of an order has no manifest, or one that cannot be read.
    NoManifest {
        /// The folder.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

impl AuditProblem {
    /// The one word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "missing",
            Self::Changed { .. } => "changed",
            Self::Extra { .. } => "extra",
            Self::Gone { .. } => "gone",
            Self::Unfinished { .. } => "unfinished",
            Self::NoManifest { .. } => "no-manifest",
        }
    }

    /// Which order it is about, where that is known.
    #[must_use]
    pub fn po(&self) -> Option<&PoNumber> {
        match self {
            Self::Missing { po, .. } | Self::Changed { po, .. } | Self::Extra { po, .. } | Self::Gone { po, .. } => {
                Some(po)
            }
            Self::Unfinished { .. } | Self::NoManifest { .. } => None,
        }
    }

    /// The file or folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Missing { path, .. }
            | Self::Changed { path, .. }
            | Self::Extra { path, .. }
            | Self::Gone { path, .. }
            | Self::Unfinished { path }
            | Self::NoManifest { path, .. } => path,
        }
    }

    /// What more there is to say.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Self::Changed { how, .. } => how,
            Self::NoManifest { why, .. } => why,
            Self::Gone { .. } => "the whole folder of the order",
            Self::Unfinished { .. } => "a run was stopped there: resume it",
            Self::Missing { .. } | Self::Extra { .. } => "",
        }
    }
}

impl fmt::Display for AuditProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.word(), self.path().display())?;
        match self.detail() {
            "" => Ok(()),
            detail => write!(f, " ({detail})"),
        }
    }
}

/// Compares `folder`, an output folder or the folder of one order, with the manifests in it, reading every file.
/// `expected` are orders whose folders are known from elsewhere, such as the journal, with their folders relative to
/// `folder`. Ignores what is outside the folders of orders. Follows only links to suppliers' folders.
///
/// Blocks while it reads.
///
/// # Errors
/// [`DownloadError::Disk`] when a folder or file cannot be read.
pub fn audit(folder: &Path, expected: &HashMap<PoNumber, String>) -> Result<Audit, DownloadError> {
    let mut audit = Audit::default();
    let mut seen = SeenOrders::default();
    look_into(folder, 0, &mut audit, &mut seen)?;
    for (po, relative) in expected {
        if !seen.0.contains(po) {
            audit.findings.push(AuditProblem::Gone { po: po.clone(), path: folder.join(relative) });
        }
    }
    audit.findings.sort_by(|one, other| one.path().cmp(other.path()));
    Ok(audit)
}

fn look_into(folder: &Path, depth: usize, audit: &mut Audit, seen: &mut SeenOrders) -> Result<(), DownloadError> {
    if is_file(&folder.join(MANIFEST_NAME)) {
        return check_order(folder, audit, seen);
    }
    let entries = entries(folder).map_err(|why| DownloadError::at(folder, why))?;
    if let Some((po, state)) = order_in(folder) {
        seen.insert(po);
        let holds_something = !entries.is_empty();
        match state {
            OrderDirState::InWork => audit.findings.push(AuditProblem::Unfinished { path: folder.to_owned() }),
            OrderDirState::Ended if holds_something => {
                let why = "it was made by an earlier version, or its manifest was removed: fetch the order again with --force";
                audit.findings.push(AuditProblem::NoManifest { path: folder.to_owned(), why: why.to_owned() });
            }
            OrderDirState::Ended => {}
        }
        return Ok(());
    }
    let linked = if depth == 0 { suppliers(folder).map_err(|why| DownloadError::at(folder, why))? } else { Vec::new() };
    for (path, is_folder) in entries {
        let is_folder = is_folder || linked.contains(&path);
        let is_own = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if is_folder && !is_own && depth < MAX_DEPTH {
            look_into(&path, depth + 1, audit, seen)?;
        }
    }
    Ok(())
}

/// Orders whose folders were seen. The name of a folder does not show whether the prefix of its order counts.
#[derive(Default)]
struct SeenOrders(HashSet<PoNumber>);

impl SeenOrders {
    fn insert(&mut self, po: PoNumber) {
        self.0.insert(po.clone().distinct());
        self.0.insert(po);
    }
}

enum OrderDirState {
    InWork,
    Ended,
}

/// The order whose folder this is, by its name.
fn order_in(folder: &Path) -> Option<(PoNumber, OrderDirState)> {
    let name = folder.file_name()?.to_string_lossy();
    let (po, rest) = name.split_once('_')?;
    let state = if rest == "_WORK" {
        OrderDirState::InWork
    } else {
        OrderStatus::ALL.iter().any(|status| status.as_str() == rest).then_some(OrderDirState::Ended)?
    };
    Some((PoNumber::try_from(po.to_owned()).ok()?, state))
}

fn check_order(folder: &Path, audit: &mut Audit, seen: &mut SeenOrders) -> Result<(), DownloadError> {
    let in_work = order_in(folder).filter(|(_, state)| matches!(state, OrderDirState::InWork));
    if let Some((po, _)) = in_work {
        seen.insert(po);
        audit.findings.push(AuditProblem::Unfinished { path: folder.to_owned() });
        return Ok(());
    }
    let manifest = match Manifest::read(folder) {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return Ok(()), // gone since it was seen
        Err(why) if why.kind() == io::ErrorKind::InvalidData => {
            if let Some((po, _)) = order_in(folder) {
                seen.insert(po);
            }
            audit.findings.push(AuditProblem::NoManifest { path: folder.to_owned(), why: why.to_string() });
            return Ok(());
        }
        Err(why) => return Err(DownloadError::at(&folder.join(MANIFEST_NAME), why)),
    };
    let po = &manifest.po_number;
    seen.insert(po.clone());
    audit.order_count += 1;
    audit.never_came_count += manifest.missing.len();
    let mut known = BTreeSet::from([MANIFEST_NAME]);
    for file in manifest.all_files() {
        known.insert(&file.file);
        let path = folder.join(&file.file);
        match difference(&path, file).map_err(|why| DownloadError::at(&path, why))? {
            None => {
                audit.intact_count += 1;
                audit.intact_bytes += file.size;
            }
            Some(FileDifference::Gone) => audit.findings.push(AuditProblem::Missing { po: po.clone(), path }),
            Some(FileDifference::Other(how)) => {
                audit.findings.push(AuditProblem::Changed { po: po.clone(), path, how })
            }
        }
    }
    for (path, _) in entries(folder).map_err(|why| DownloadError::at(folder, why))? {
        if path.file_name().is_some_and(|name| !known.contains(name.to_string_lossy().as_ref())) {
            audit.findings.push(AuditProblem::Extra { po: po.clone(), path });
        }
    }
    Ok(())
}

enum FileDifference {
    Gone,
    Other(String),
}

fn difference(path: &Path, file: &ManifestFile) -> io::Result<Option<FileDifference>> {
    let found = match fs::symlink_metadata(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Some(FileDifference::Gone)),
        other => other?,
    };
    Ok(if !found.is_file() {
        Some(FileDifference::Other("it is no longer a file".to_owned()))
    } else if !verify::has_size(path, file.size) {
        Some(FileDifference::Other(format!("{} bytes instead of {}", found.len(), file.size)))
    } else if digest_of(path)? != file.sha256 {
        Some(FileDifference::Other("same size, different content".to_owned()))
    } else {
        None
    })
}

fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}

/// What is in a folder, and whether each is a folder itself; in the order of their names.
fn entries(folder: &Path) -> io::Result<Vec<(PathBuf, bool)>> {
    let mut found = fs::read_dir(folder)?
        .map(|entry| entry.and_then(|entry| Ok((entry.path(), entry.file_type()?.is_dir()))))
        .collect::<io::Result<Vec<_>>>()?;
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::download::finalize;
    use crate::model::{FileRecord, ListingId, Outcome, Receipt};

    /// PO7 of ACME, completed, with two files.
    async fn world() -> tempfile::TempDir {
        let out = tempfile::tempdir().unwrap();
        let work = out.path().join("ACME/PO7__WORK");
        fs::create_dir_all(&work).unwrap();
        let file = |name: &str, text: &str| {
            fs::write(work.join(name), text).unwrap();
            FileRecord {
                path: format!("ACME/PO7__WORK/{name}"),
                name: name.to_owned(),
                size: text.len() as u64,
                sha256: digest_of(&work.join(name)).unwrap(),
                listings: vec![ListingId::new(name)],
                ..FileRecord::default()
            }
        };
        let files = vec![file("a.txt", "one"), file("b.txt", "two")];
        let receipt = Receipt { listed_count: 2, folder: "ACME/PO7__WORK".to_owned(), files, ..Receipt::default() };
        finalize(out.path(), &po(), Outcome::Completed(receipt)).await.unwrap();
        out
    }

    fn po() -> PoNumber {
        "PO7".parse().unwrap()
    }

    fn words(audit: &Audit) -> Vec<(&'static str, String)> {
        let name = |finding: &AuditProblem| finding.path().file_name().unwrap().to_string_lossy().into_owned();
        audit.findings.iter().map(|finding| (finding.word(), name(finding))).collect()
    }

    #[tokio::test]
    async fn a_folder_as_it_was_left_is_well_wherever_it_lies() {
        let out = world().await;
        fs::write(out.path().join("report.csv"), "not an order's").unwrap();
        let all = audit(out.path(), &HashMap::from([(po(), "ACME/PO7_COMPLETED".to_owned())])).unwrap();
        assert_eq!((all.order_count, all.intact_count, all.intact_bytes), (1, 2, 6));
        assert_eq!(words(&all), []);
        fs::rename(out.path().join("ACME"), out.path().join("moved")).unwrap();
        for folder in ["moved", "moved/PO7_COMPLETED"] {
            assert_eq!(audit(&out.path().join(folder), &HashMap::new()).unwrap(), all, "{folder}");
        }
    }

    #[tokio::test]
    async fn an_order_whose_prefix_counts_is_known_by_the_name_of_its_folder() {
        let out = world().await;
        let expected =
            |po: &str| HashMap::from([(PoNumber::try_from(po.to_owned()).unwrap().distinct(), "ACME/x".to_owned())]);
        assert_eq!(words(&audit(out.path(), &expected("PO7")).unwrap()), []);
        assert_eq!(words(&audit(out.path(), &expected("PM7")).unwrap()).len(), 1);
    }

    #[tokio::test]
    async fn what_is_missing_changed_or_extra_is_told() {
        let out = world().await;
        let folder = out.path().join("ACME/PO7_COMPLETED");
        fs::remove_file(folder.join("a.txt")).unwrap();
        fs::write(folder.join("b.txt"), "owt").unwrap();
        fs::write(folder.join("c.txt"), "a person's").unwrap();
        let found = audit(out.path(), &HashMap::new()).unwrap();
        let expected = [("missing", "a.txt"), ("changed", "b.txt"), ("extra", "c.txt")];
        assert_eq!(words(&found), expected.map(|(word, name)| (word, name.to_owned())));
        assert_eq!(found.intact_count, 0);
        fs::write(folder.join("b.txt"), "longer").unwrap();
        let found = audit(out.path(), &HashMap::new()).unwrap();
        assert!(found.findings[1].to_string().contains("6 bytes instead of 3"), "{}", found.findings[1]);
    }

    #[tokio::test]
    async fn a_folder_that_is_gone_unfinished_or_without_a_manifest_is_told() {
        let out = world().await;
        for (folder, file) in [("ACME/PO8_PARTIAL", "x.pdf"), ("ACME/PO9__WORK", "y.pdf"), ("ACME/other", "z.pdf")] {
            fs::create_dir_all(out.path().join(folder)).unwrap();
            fs::write(out.path().join(folder).join(file), "").unwrap();
        }
        let expected = HashMap::from([("PO6".parse().unwrap(), "ACME/PO6_COMPLETED".to_owned())]);
        let found = audit(out.path(), &expected).unwrap();
        let told = [("gone", "PO6_COMPLETED"), ("no-manifest", "PO8_PARTIAL"), ("unfinished", "PO9__WORK")];
        assert_eq!(words(&found), told.map(|(word, name)| (word, name.to_owned())));
    }

    #[tokio::test]
    async fn a_manifest_that_leads_elsewhere_is_not_followed() {
        let out = world().await;
        let path = out.path().join("ACME/PO7_COMPLETED").join(MANIFEST_NAME);
        for name in ["../../report.csv", "/etc/passwd", ".."] {
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, text.replacen("\"a.txt\"", &format!("{name:?}"), 1)).unwrap();
            let found = audit(out.path(), &HashMap::new()).unwrap();
            assert_eq!(words(&found), [("no-manifest", "PO7_COMPLETED".to_owned())], "{name}");
            fs::write(&path, text).unwrap();
        }
    }
}
