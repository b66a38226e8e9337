//! How one verified file gets its place: by one atomic step, never over another file.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::naming::{safe_name, split_ending};
use crate::download::order_dir::steps::{remove_file, remove_folder, rename, rename_if_free};
use crate::download::verify::{digest_of, is_whole};
use crate::download::{DownloadError, Verified};
use crate::model::MANIFEST_NAME;

/// More files of one name than this in one order are a loop.
const MAX_SAME_NAME: usize = 1000;

/// The names in a folder, by how a system that ignores case sees them.
struct NamesInUse(BTreeMap<String, String>);

impl NamesInUse {
    fn read(folder: &Path) -> std::io::Result<Self> {
        let mut names = BTreeMap::new();
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            names.insert(folded(&name), name);
        }
        Ok(Self(names))
    }

    fn add(&mut self, name: String) {
        self.0.insert(folded(&name), name);
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(&folded(name)).map(String::as_str)
    }
}

fn folded(name: &str) -> String {
    // upper case first: it folds more letters (ß, ſ) than lower case alone
    name.to_uppercase().to_lowercase()
}

/// `name`, `name (2)`, `name (3)`…, the number before the ending.
fn numbered(name: &str) -> impl Iterator<Item = String> {
    let (stem, ending) = split_ending(name);
    (1..=MAX_SAME_NAME).map(move |number| match number {
        1 => name.to_owned(),
        _ => format!("{stem} ({number}){ending}"),
    })
}

/// Moves the staged file into `folder`, which exists, and returns the name it has there. When a file of that name holds
/// the same bytes already, that one stays and the new one is removed with its staging folder.
pub(crate) fn place_in(folder: &Path, file: &Verified) -> Result<String, DownloadError> {
    let fail = |why| DownloadError::at(folder, why);
    let taken = NamesInUse::read(folder).map_err(fail)?;
    for name in numbered(&safe_name(&file.name)) {
        if folded(&name) == MANIFEST_NAME {
            continue;
        }
        if let Some(there) = taken.get(&name) {
            if is_whole(&folder.join(there), file.size, &file.sha256) {
                return Ok(there.to_owned());
            }
            continue;
        }
        let to = folder.join(&name);
        if rename_if_free(&file.staged, &to).map_err(|why| DownloadError::at(&to, why))? {
            return Ok(name);
        }
    }
    let crowded = std::io::Error::new(std::io::ErrorKind::InvalidFilename, "a thousand files already have this name");
    Err(DownloadError::at(&folder.join(safe_name(&file.name)), crowded))
}

/// Moves everything in `from` to `to`, both existing, without replacing anything, and removes `from`. What is in `to`
/// keeps its name. A file that is there already, byte for byte, is not kept twice, and of two manifests the one in `to`
/// stays. After an interruption, calling it again continues.
pub(crate) fn merge(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut taken = NamesInUse::read(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == MANIFEST_NAME && taken.get(&name).is_some() {
            remove_file(&entry.path())?;
            continue;
        }
        for free in numbered(&name) {
            if let Some(there) = taken.get(&free) {
                if is_same_file(&entry.path(), &to.join(there)) {
                    remove_file(&entry.path())?;
                    break;
                }
                continue;
            }
            let target = to.join(&free);
            let is_moved = if entry.file_type()?.is_dir() {
                // a folder of somebody's: never replaces anything but an empty folder
                !target.exists() && rename(&entry.path(), &target).is_ok()
            } else {
                rename_if_free(&entry.path(), &target)?
            };
            if is_moved {
                taken.add(free);
                break;
            }
        }
    }
    remove_folder(from) // refuses when something could not be moved
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let size = |path| fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file).map(|found| found.len());
    matches!((size(one), size(other)), (Some(a), Some(b)) if a == b)
        && matches!((digest_of(one), digest_of(other)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_case_alone_do_not_meet_in_the_merged_folder() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        for folder in [&from, &to] {
            fs::create_dir(folder).unwrap();
        }
        fs::write(from.join("A.pdf"), "one").unwrap();
        fs::write(from.join("a.pdf"), "two").unwrap();
        let count = fs::read_dir(&from).unwrap().count(); // one where the disk ignores case
        merge(&from, &to).unwrap();
        let names: Vec<_> = fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        let mut folded: Vec<_> = names.iter().map(|name| folded(&name.to_string_lossy())).collect();
        folded.sort();
        folded.dedup();
        assert_eq!((folded.len(), names.len()), (count, count), "{names:?}");
    }
}
