//! Where evidence is kept: a folder for each attempt, all of them together no larger than allowed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytesize::ByteSize;

use super::Capture;
use crate::download::safe_name;
use crate::fs::private;
use crate::model::RunId;

/// Below the output folder.
const FOLDER: &str = ".coupa-batch/evidence";

/// What is being written; a name that no run has.
const DRAFTS: &str = ".drafts";

/// Where the evidence of `run` is in the output folder `out`, if any was kept.
#[must_use]
pub fn evidence_folder(out: &Path, run: &RunId) -> PathBuf {
    out.join(FOLDER).join(safe_name(run.as_str()))
}

/// A disk gives room in blocks: a thousand small files take a thousand of them.
const BLOCK: u64 = 4096;

/// The evidence of one run, and what is left of earlier ones.
#[derive(Clone, Debug)]
pub(crate) struct EvidenceStore {
    all: PathBuf,
    run: String,
    limit: u64,
    /// One writer at a time counts, drops and writes. Empty until the first one has looked at what there is.
    kept: Arc<Mutex<Option<StoredEvidence>>>,
}

/// What is there, so that it is not counted again for each attempt.
#[derive(Debug, Default)]
struct StoredEvidence {
    by_age: BTreeMap<(SystemTime, PathBuf), u64>,
    total: u64,
}

impl EvidenceStore {
    /// In the output folder `out`, which nobody else writes to. Keeps at most `limit` of all runs together.
    pub(crate) fn new(out: &Path, run: &RunId, limit: ByteSize) -> Self {
        let all = out.join(FOLDER);
        // what a run that was killed was writing
        if let Err(why) = fs::remove_dir_all(all.join(DRAFTS))
            && why.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %all.display(), %why, "incomplete evidence of an earlier run remains");
        }
        Self { all, run: safe_name(run.as_str()), limit: limit.as_u64(), kept: Arc::default() }
    }

    pub(crate) fn is_off(&self) -> bool {
        self.limit == 0
    }

    /// Writes `seen` under `name` and says where, relative to the output folder; room is made for it first, so that all
    /// together are never larger than allowed. It is there as a whole or not at all: not, when it alone is too large or
    /// the older ones cannot be removed.
    pub(crate) fn keep(&self, name: &str, seen: &Capture) -> io::Result<Option<String>> {
        let mut record = serde_json::to_vec_pretty(&seen.record)?;
        record.push(b'\n');
        let files = [
            ("failure.json", Some(record.as_slice())),
            ("page.html", seen.source.as_ref().map(String::as_bytes)),
            ("page.png", seen.screenshot.as_deref()),
        ];
        let files = files.into_iter().filter_map(|(name, bytes)| bytes.map(|bytes| (name, bytes)));
        let size = BLOCK + files.clone().map(|(_, bytes)| on_disk(bytes.len() as u64)).sum::<u64>();

        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (drafts, run) = (self.all.join(DRAFTS), self.all.join(&self.run));
        private::ensure_folder(&drafts)?;
        private::ensure_folder(&run)?;
        let there = match kept.as_mut() {
            Some(there) => there,
            None => kept.insert(StoredEvidence::look(&self.all)?),
        };
        let place = run.join(name);
        there.forget(&place)?; // of an attempt that a crash has made come again
        if !there.make_room(self.limit.saturating_sub(size)) || size > self.limit {
            tracing::debug!(name, size, "no room for the evidence of a failed attempt");
            let _ = fs::remove_dir(&run); // refuses while another attempt of that run is kept
            return Ok(None);
        }
        let draft = private::temp_folder(&drafts, name)?;
        for (name, bytes) in files {
            private::create_file(&draft.path().join(name), bytes)?;
        }
        private::ensure_folder(&run)?; // it has gone with the last of its older attempts
        fs::rename(draft.path(), &place)?;
        let _ = draft.keep(); // it has gone to its place: nothing is left to remove
        there.add(SystemTime::now(), place, size);
        Ok(Some(format!("{FOLDER}/{}/{name}", self.run)))
    }
}

impl StoredEvidence {
    fn look(all: &Path) -> io::Result<Self> {
        let mut kept = Self::default();
        for run in folders(all)? {
            if run.file_name().is_some_and(|name| name != DRAFTS) {
                for attempt in folders(&run)? {
                    kept.add(newest(&attempt)?, attempt.clone(), size(&attempt)?);
                }
            }
        }
        Ok(kept)
    }

    fn add(&mut self, at: SystemTime, place: PathBuf, size: u64) {
        self.by_age.insert((at, place), size);
        self.total += size;
    }

    fn forget(&mut self, place: &Path) -> io::Result<()> {
        if place.exists() {
            fs::remove_dir_all(place)?;
        }
        if let Some(key) = self.by_age.keys().find(|(_, kept)| kept == place).cloned() {
            self.total -= self.by_age.remove(&key).unwrap_or_default();
        }
        Ok(())
    }

    /// Drops the oldest until all together are no larger than `limit`; tells whether they are. What cannot be removed,
    /// since somebody looks at it, stays and counts.
    fn make_room(&mut self, limit: u64) -> bool {
        let Self { by_age, total } = self;
        by_age.retain(|(_, attempt), size| {
            if *total <= limit {
                return true;
            }
            match fs::remove_dir_all(attempt) {
                Err(why) if why.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(folder = %attempt.display(), %why, "old evidence cannot be removed");
                    return true;
                }
                _ => *total -= *size,
            }
            if let Some(run) = attempt.parent() {
                let _ = fs::remove_dir(run); // refuses while another attempt of that run is kept
            }
            false
        });
        *total <= limit
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
    fs::read_dir(folder)?.try_fold(BLOCK, |sum, entry| Ok(sum + on_disk(entry?.metadata()?.len())))
}

fn on_disk(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK) * BLOCK
}

#[cfg(test)]
mod tests {
    use super::super::EvidenceRecord;
    use super::*;

    fn seen(bytes: usize) -> Capture {
        Capture { record: EvidenceRecord::default(), source: None, screenshot: Some(vec![0; bytes]) }
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

    /// One attempt with a picture of so many blocks takes them and two more: its folder and `failure.json`.
    fn blocks(count: u64) -> ByteSize {
        ByteSize(count * BLOCK)
    }

    fn picture(blocks: usize) -> Capture {
        seen(blocks * 4096)
    }

    #[test]
    fn the_oldest_goes_first_whatever_run_it_is_of() {
        let out = tempfile::tempdir().unwrap();
        let monday = EvidenceStore::new(out.path(), &RunId::new("monday"), blocks(10));
        for (name, seconds) in [("PO1-1", 300), ("PO2-1", 200)] {
            let place = monday.keep(name, &picture(3)).unwrap().unwrap();
            assert_eq!(place, format!(".coupa-batch/evidence/monday/{name}"));
            assert!(out.path().join(place).join("page.png").exists());
            age(out.path(), "monday", name, seconds);
        }
        let tuesday = EvidenceStore::new(out.path(), &RunId::new("tuesday"), blocks(10));
        tuesday.keep("PO1-1", &picture(3)).unwrap().unwrap();
        assert_eq!(names(out.path(), "monday"), ["PO2-1"]);
        assert_eq!(names(out.path(), "tuesday"), ["PO1-1"]);
        assert_eq!(tuesday.keep("PO4-1", &picture(9)).unwrap(), None, "larger than all together may be");
        tuesday.keep("PO3-1", &picture(8)).unwrap().unwrap();
        assert!(!evidence_folder(out.path(), &RunId::new("monday")).exists());
        assert_eq!(names(out.path(), "tuesday"), ["PO3-1"]);
        assert_eq!(monday.keep("PO5-1", &picture(1)).unwrap().unwrap(), ".coupa-batch/evidence/monday/PO5-1");
    }

    #[test]
    fn workers_that_write_at_once_never_exceed_the_limit() {
        let out = tempfile::tempdir().unwrap();
        let store = EvidenceStore::new(out.path(), &RunId::new("r"), blocks(21));
        let total = || {
            let kept = StoredEvidence::look(&out.path().join(FOLDER)).map_or(0, |kept| kept.total);
            let drafts = folders(&out.path().join(FOLDER).join(DRAFTS)).unwrap_or_default();
            kept + drafts.iter().map(|draft| size(draft).unwrap_or_default()).sum::<u64>()
        };
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let store = store.clone();
                scope.spawn(move || {
                    for number in 0..10 {
                        store.keep(&format!("PO{worker}-{number}"), &picture(3)).unwrap();
                    }
                });
            }
            for _ in 0..50 {
                let total = total();
                assert!(total <= 21 * BLOCK, "{total}");
            }
        });
        assert_eq!(names(out.path(), "r").len(), 4);
        let counted = store.kept.lock().unwrap().as_ref().map(|kept| kept.total);
        assert_eq!(counted, Some(total()), "what is counted is what is there");
    }

    #[test]
    fn what_somebody_else_removed_is_not_counted_on() {
        let out = tempfile::tempdir().unwrap();
        let store = EvidenceStore::new(out.path(), &RunId::new("r"), blocks(10));
        for name in ["PO1-1", "PO2-1"] {
            store.keep(name, &picture(3)).unwrap().unwrap();
        }
        fs::remove_dir_all(out.path().join(FOLDER)).unwrap();
        store.keep("PO3-1", &picture(3)).unwrap().unwrap();
        assert_eq!(names(out.path(), "r"), ["PO3-1"]);
    }

    #[test]
    fn an_attempt_that_comes_again_replaces_what_was_kept_of_it() {
        let out = tempfile::tempdir().unwrap();
        let store = EvidenceStore::new(out.path(), &RunId::new("r"), ByteSize::mb(1));
        let first = store.keep("PO1-1", &seen(10)).unwrap();
        assert_eq!(store.keep("PO1-1", &seen(20)).unwrap(), first);
        assert_eq!(fs::metadata(out.path().join(first.unwrap()).join("page.png")).unwrap().len(), 20);
    }

    #[test]
    fn what_a_killed_run_was_writing_goes_at_the_next_start() {
        let out = tempfile::tempdir().unwrap();
        let drafts = out.path().join(FOLDER).join(DRAFTS);
        fs::create_dir_all(drafts.join("PO1-1x")).unwrap();
        EvidenceStore::new(out.path(), &RunId::new("r"), ByteSize::mb(1));
        assert!(!drafts.exists());
    }

    #[cfg(unix)]
    #[test]
    fn evidence_is_for_this_user_alone() {
        use std::os::unix::fs::PermissionsExt;
        let out = tempfile::tempdir().unwrap();
        let store = EvidenceStore::new(out.path(), &RunId::new("r"), ByteSize::mb(1));
        let place = out.path().join(store.keep("PO1-1", &seen(10)).unwrap().unwrap());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&place), mode(place.parent().unwrap())), (0o700, 0o700));
        assert_eq!((mode(&place.join("failure.json")), mode(&place.join("page.png"))), (0o600, 0o600));
    }
}
