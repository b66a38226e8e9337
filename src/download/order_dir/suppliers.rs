//! The folders of suppliers in an output folder. One may be a link that somebody has made, to a larger disk for
//! example: what is done in a supplier's folder is done where the link leads.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::download::DownloadError;

/// All of them, each once whatever links lead to it, in the order of their names; folders before links. Links that lead
/// nowhere are left out.
pub(crate) fn suppliers(out: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(out) {
        Ok(entries) => entries,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()), // nothing was placed
        Err(why) => return Err(why),
    };
    let (mut folders, mut links) = (Vec::new(), Vec::new());
    for entry in entries {
        let entry = entry?;
        // the program's own folder holds no order
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            folders.push(entry.path());
        } else if kind.is_symlink() && entry.path().is_dir() {
            links.push(entry.path());
        }
    }
    // the same one first, however often it is asked
    folders.sort();
    links.sort();
    let mut seen: BTreeSet<PathBuf> = BTreeSet::new();
    if !links.is_empty() {
        seen.extend(folders.iter().filter_map(|folder| fs::canonicalize(folder).ok()));
        let whole = fs::canonicalize(out)?;
        // a link to where the output folder itself is would show each order twice
        links.retain(|link| fs::canonicalize(link).is_ok_and(|to| !whole.starts_with(&to) && seen.insert(to)));
    }
    folders.extend(links);
    Ok(folders)
}

/// Makes sure that files can be placed in a supplier's folder, if there is one: before anything is fetched.
///
/// # Errors
/// [`DownloadError::SupplierFolder`] for a link that leads nowhere or to what cannot be written, and for what is not a
/// folder.
pub(crate) fn check(folder: &Path) -> Result<(), DownloadError> {
    let refuse = |why: String| Err(DownloadError::SupplierFolder { path: folder.to_owned(), why });
    let Ok(found) = fs::symlink_metadata(folder) else { return Ok(()) }; // it will be made
    if found.is_dir() {
        return Ok(());
    }
    if !found.is_symlink() {
        return refuse("it is not a folder".to_owned());
    }
    let to = fs::read_link(folder).unwrap_or_default();
    match fs::metadata(folder) {
        Err(why) => refuse(format!("it is a link to {}, which is not there ({why})", to.display())),
        Ok(there) if !there.is_dir() => refuse(format!("it is a link to {}, which is not a folder", to.display())),
        Ok(_) => match tempfile::tempfile_in(folder) {
            Ok(_) => Ok(()),
            Err(why) => refuse(format!("it is a link to {}, which cannot be written ({why})", to.display())),
        },
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_folder_is_seen_once_whatever_leads_to_it() {
        let (out, big) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let at = |name: &str| out.path().join(name);
        for folder in ["ACME", ".coupa-batch"] {
            fs::create_dir(at(folder)).unwrap();
        }
        for (link, to) in
            [("Big", big.path()), ("Bigger", big.path()), ("A", &at("ACME")), ("Loop", out.path()), ("Gone", &at("no"))]
        {
            symlink(to, at(link)).unwrap();
        }
        fs::write(at("report.csv"), "").unwrap();
        assert_eq!(suppliers(out.path()).unwrap(), [at("ACME"), at("Big")]);
    }

    #[test]
    fn what_no_file_can_be_placed_in_is_refused_with_the_reason() {
        let out = tempfile::tempdir().unwrap();
        let at = |name: &str| out.path().join(name);
        fs::write(at("file"), "").unwrap();
        symlink(at("nowhere"), at("gone")).unwrap();
        symlink(at("file"), at("to-file")).unwrap();
        symlink(out.path(), at("fine")).unwrap();
        let why = |name: &str| check(&at(name)).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(why("file").contains("not a folder"));
        assert!(why("gone").contains("a link to") && why("gone").contains("not there"), "{}", why("gone"));
        assert!(why("to-file").contains("which is not a folder"));
        assert_eq!((why("fine"), why("new")), (String::new(), String::new()));
    }
}
