//! Where evidence is kept: a folder for each attempt, all of them together no larger than allowed.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytesize::ByteSize;

use super::Seen;
use crate::download::safe_name;
use crate::model::RunId;

/// Below the output folder.
const FOLDER: &str = ".coupa-batch/evidence";

/// What is being written; a name that no run has.
const DRAFTS: &str = ".drafts";

/// Where the evidence of `run` lies in the output folder `out`, if any was kept.
#[must_use]
pub fn evidence_folder(out: &Path, run: &RunId) -> PathBuf {
    out.join(FOLDER).join(safe_name(run.as_str()))
}

/// The evidence of one run, and what is left of earlier ones.
#[derive(Clone, Debug)]
pub(in crate::site) struct Store {
    all: PathBuf,
    run: String,
    limit: u64,
    /// One writer at a time counts and drops.
    turn: Arc<Mutex<()>>,
}

impl Store {
    /// In the output folder `out`, which nobody else writes to. Keeps at most `limit` of all runs together.
    pub(in crate::site) fn new(out: &Path, run: &RunId, limit: ByteSize) -> Self {
        let all = out.join(FOLDER);
        // what a run that was killed was writing
        if let Err(why) = fs::remove_dir_all(all.join(DRAFTS))
            && why.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %all.display(), %why, "half-written evidence of an earlier run stays");
        }
        Self { all, run: safe_name(run.as_str()), limit: limit.as_u64(), turn: Arc::default() }
    }

    pub(in crate::site) fn is_off(&self) -> bool {
        self.limit == 0
    }

    /// Writes `seen` under `name` and says where, relative to the output folder. It is there as a whole or not at all.
    pub(super) fn keep(&self, name: &str, seen: &Seen) -> io::Result<Option<String>> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (drafts, run) = (self.all.join(DRAFTS), self.all.join(&self.run));
        make_private(&drafts)?;
        make_private(&run)?;
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let draft = builder.prefix(name).tempdir_in(&drafts)?;
        let mut record = serde_json::to_vec_pretty(&seen.record)?;
        record.push(b'\n');
        write_private(&draft.path().join("failure.json"), &record)?;
        if let Some(source) = &seen.source {
            write_private(&draft.path().join("page.html"), source.as_bytes())?;
        }
        if let Some(picture) = &seen.screenshot {
            write_private(&draft.path().join("page.png"), picture)?;
        }
        let place = run.join(name);
        if place.exists() {
            fs::remove_dir_all(&place)?; // of an attempt that a crash has made come again
        }
        fs::rename(draft.path(), &place)?;
        let _ = draft.keep(); // it has gone to its place: nothing is left to remove
        self.drop_oldest()?;
        Ok(place.exists().then(|| format!("{FOLDER}/{}/{name}", self.run)))
    }

    /// Until all of them together are no larger than allowed.
    fn drop_oldest(&self) -> io::Result<()> {
        let mut kept = Vec::new();
        for run in folders(&self.all)? {
            if run.file_name().is_some_and(|name| name != DRAFTS) {
                for attempt in folders(&run)? {
                    kept.push((newest(&attempt)?, size(&attempt)?, attempt));
                }
            }
        }
        kept.sort();
        let mut total: u64 = kept.iter().map(|(_, size, _)| size).sum();
        for (_, size, attempt) in kept {
            if total <= self.limit {
                break;
            }
            fs::remove_dir_all(&attempt)?;
            total -= size;
            if let Some(run) = attempt.parent() {
                let _ = fs::remove_dir(run); // refuses while another attempt of that run is kept
            }
        }
        Ok(())
    }
}

fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn newest(folder: &Path) -> io::Result<SystemTime> {
    fs::metadata(folder.join("failure.json")).or_else(|_| fs::metadata(folder))?.modified()
}

fn size(folder: &Path) -> io::Result<u64> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.metadata()?.len())).sum()
}

/// For this user alone. On Windows a folder takes its rights from its parent, which is the user's own choice.
fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::Record;
    use super::*;

    fn seen(bytes: usize) -> Seen {
        Seen { record: Record::default(), source: None, screenshot: Some(vec![0; bytes]) }
    }

    fn names(out: &Path, run: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(evidence_folder(out, &RunId::new(run))) else { return Vec::new() };
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Makes the file system's clock tell two attempts apart.
    fn age(out: &Path, run: &str, name: &str, seconds: u64) {
        let file = evidence_folder(out, &RunId::new(run)).join(name).join("failure.json");
        let then = SystemTime::now() - std::time::Duration::from_secs(seconds);
        fs::File::options().write(true).open(file).unwrap().set_modified(then).unwrap();
    }

    #[test]
    fn the_oldest_goes_first_whatever_run_it_is_of() {
        let out = tempfile::tempdir().unwrap();
        let monday = Store::new(out.path(), &RunId::new("monday"), ByteSize::kb(25));
        for (name, seconds) in [("PO1-1", 300), ("PO2-1", 200)] {
            let place = monday.keep(name, &seen(10_000)).unwrap().unwrap();
            assert_eq!(place, format!(".coupa-batch/evidence/monday/{name}"));
            assert!(out.path().join(place).join("page.png").exists());
            age(out.path(), "monday", name, seconds);
        }
        let tuesday = Store::new(out.path(), &RunId::new("tuesday"), ByteSize::kb(25));
        tuesday.keep("PO1-1", &seen(10_000)).unwrap().unwrap();
        assert_eq!(names(out.path(), "monday"), ["PO2-1"]);
        assert_eq!(names(out.path(), "tuesday"), ["PO1-1"]);
        age(out.path(), "tuesday", "PO1-1", 100);
        tuesday.keep("PO3-1", &seen(20_000)).unwrap().unwrap();
        assert!(!evidence_folder(out.path(), &RunId::new("monday")).exists());
        assert_eq!(tuesday.keep("PO4-1", &seen(30_000)).unwrap(), None, "larger than all together may be");
    }

    #[test]
    fn workers_that_write_at_once_stay_within_the_limit() {
        let out = tempfile::tempdir().unwrap();
        let store = Store::new(out.path(), &RunId::new("r"), ByteSize::kb(50));
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let store = store.clone();
                scope.spawn(move || {
                    for number in 0..10 {
                        store.keep(&format!("PO{worker}-{number}"), &seen(9_000)).unwrap();
                    }
                });
            }
        });
        assert_eq!(names(out.path(), "r").len(), 5);
    }

    #[test]
    fn an_attempt_that_comes_again_replaces_what_was_kept_of_it() {
        let out = tempfile::tempdir().unwrap();
        let store = Store::new(out.path(), &RunId::new("r"), ByteSize::mb(1));
        let first = store.keep("PO1-1", &seen(10)).unwrap();
        assert_eq!(store.keep("PO1-1", &seen(20)).unwrap(), first);
        assert_eq!(fs::metadata(out.path().join(first.unwrap()).join("page.png")).unwrap().len(), 20);
    }

    #[test]
    fn what_a_killed_run_was_writing_goes_at_the_next_start() {
        let out = tempfile::tempdir().unwrap();
        let drafts = out.path().join(FOLDER).join(DRAFTS);
        fs::create_dir_all(drafts.join("PO1-1x")).unwrap();
        Store::new(out.path(), &RunId::new("r"), ByteSize::mb(1));
        assert!(!drafts.exists());
    }

    #[cfg(unix)]
    #[test]
    fn evidence_is_for_this_user_alone() {
        use std::os::unix::fs::PermissionsExt;
        let out = tempfile::tempdir().unwrap();
        let store = Store::new(out.path(), &RunId::new("r"), ByteSize::mb(1));
        let place = out.path().join(store.keep("PO1-1", &seen(10)).unwrap().unwrap());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&place), mode(place.parent().unwrap())), (0o700, 0o700));
        assert_eq!((mode(&place.join("failure.json")), mode(&place.join("page.png"))), (0o600, 0o600));
    }
}
