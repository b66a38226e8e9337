//! The life of an order's folder, from its first file to its last name: what is placed is told by what it ends as.

use std::collections::HashMap;

use super::*;
use crate::download::order_dir::OrderDir;
use crate::download::order_dir::steps::fuse;
use crate::download::order_dir::steps::lacking::{self, Lacking};
use crate::download::{Audit, Verified, audit, verify};
use crate::model::{FileOrigin, ListingId};

struct Out(tempfile::TempDir);

impl Out {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn staged(&self, name: &str, text: &str) -> Verified {
        let folder = self.path().join(".coupa-batch");
        fs::create_dir_all(&folder).unwrap();
        let staged = folder.join("id");
        fs::write(&staged, text).unwrap();
        let sha256 = verify::digest_of(&staged).unwrap();
        Verified { staged, name: name.to_owned(), size: text.len() as u64, sha256, media_type: None, mismatch: None }
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

    async fn open(&self) -> OrderDir {
        OrderDir::open(self.path(), Some("ACME"), &po()).await.unwrap()
    }

    async fn place(&self, folder: &OrderDir, name: &str, text: &str) -> FileRecord {
        folder.place(self.staged(name, text), FileOrigin::Order, ListingId::new(name)).await.unwrap()
    }
}

fn po() -> PoNumber {
    "PO7".parse().unwrap()
}

fn completed(folder: &OrderDir, files: Vec<FileRecord>) -> Outcome {
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
    let concluded = finalize(out.path(), &po(), outcome.clone()).await.unwrap();
    assert_eq!(concluded.receipt().unwrap().folder, "ACME/PO7_COMPLETED");
    assert_eq!(out.read(&concluded.files()[0].path), "one");
    // the same again, as after a crash before the outcome was written down
    assert_eq!(finalize(out.path(), &po(), outcome).await.unwrap(), concluded);
    assert_eq!(finalize(out.path(), &po(), concluded.clone()).await.unwrap(), concluded);
    assert_eq!(out.names("ACME"), ["PO7_COMPLETED"]);
}

#[tokio::test]
async fn an_order_without_files_leaves_no_folder() {
    let out = Out::new();
    let folder = out.open().await;
    assert_eq!(folder.relative(), "");
    finalize(out.path(), &po(), Outcome::NoAttachments(Receipt::default())).await.unwrap();
    assert!(out.names("").is_empty());
    fs::create_dir_all(out.path().join("ACME/PO7__WORK")).unwrap();
    let failure = Failure::new(FailureKind::OrderMissing, "no such order");
    finalize(out.path(), &po(), Outcome::NotFound(failure, None)).await.unwrap();
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
    finalize(out.path(), &po(), completed(&folder, vec![file])).await.unwrap();
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
    let concluded = finalize(out.path(), &po(), completed(&folder, vec![file])).await.unwrap();
    assert_eq!(out.read(&concluded.files()[0].path), "one");
    assert_eq!(out.read("ACME/PO7_COMPLETED/a (2).pdf"), "a person's");
    assert_eq!(out.names("ACME"), ["PO7_COMPLETED"]);
}

#[tokio::test]
async fn what_a_failed_order_brought_is_kept_under_its_status() {
    let out = Out::new();
    let folder = OrderDir::open(out.path(), None, &po()).await.unwrap();
    out.place(&folder, "a.pdf", "one").await;
    let failure = Failure::new(FailureKind::DownloadStalled, "stalled");
    finalize(out.path(), &po(), Outcome::Failed(failure, None)).await.unwrap();
    assert_eq!(out.read("Unknown supplier/PO7_FAILED/a.pdf"), "one");
}

#[tokio::test]
async fn a_supplier_cannot_lead_out_of_the_output_folder() {
    let out = Out::new();
    for supplier in ["../../etc", "/etc", "..", "C:\\x", ".coupa-batch"] {
        let folder = OrderDir::open(out.path(), Some(supplier), &po()).await.unwrap();
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
    finalize(out.path(), &po(), outcome).await.unwrap();
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
        finalize(out.path(), &po(), completed(&folder, vec![file])).await.unwrap();
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
    let without = OrderDir::open(out.path(), None, &po()).await.unwrap();
    let first = out.place(&without, "a.pdf", "one").await;
    let folder = out.open().await;
    let other = out.place(&folder, "a.pdf", "two").await; // as long as the other one
    let mut outcome = completed(&folder, vec![first, other]);
    outcome.receipt_mut().folder = folder.relative();
    let concluded = finalize(out.path(), &po(), outcome).await.unwrap();
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
    let concluded = finalize(out.path(), &po(), completed(&folder, vec![a, b])).await.unwrap();
    assert_eq!(concluded.status(), OrderStatus::Partial);
    assert_eq!(concluded.receipt().unwrap().missing[0].name, "b.pdf");
    assert_eq!(out.names("ACME"), ["PO7_PARTIAL"]);
}

#[tokio::test]
async fn an_order_that_ends_otherwise_than_before_without_its_page_keeps_its_files() {
    let out = Out::new();
    let folder = out.open().await;
    let file = out.place(&folder, "a.pdf", "one").await;
    let earlier = finalize(out.path(), &po(), completed(&folder, vec![file])).await.unwrap();
    let failure = Failure::new(FailureKind::StepTimeout, "slow");
    let outcome = Outcome::Partial(earlier.receipt().unwrap().clone(), failure);
    let concluded = finalize(out.path(), &po(), outcome).await.unwrap();
    assert_eq!((concluded.status(), out.names("ACME")), (OrderStatus::Partial, vec!["PO7_PARTIAL".to_owned()]));
    assert_eq!(out.read(&concluded.files()[0].path), "one");
}

/// Everything that one attempt does to the disk, on top of what an earlier run, and a person, left.
fn fetch_anew(out: &Out) -> Result<Outcome, DownloadError> {
    let folder = OrderDir::new(out.path(), Some("ACME"), &po());
    folder.take_back(&po())?;
    let place = |name: &str, text: &str| {
        let (source, listing) = (FileOrigin::Order, ListingId::new(format!("{name} {text}")));
        folder.place_now(out.staged(name, text), source, listing)
    };
    let files = vec![place("a.pdf", "one")?, place("a.pdf", "two")?, place("b.pdf", "three")?];
    let outcome = completed(&folder, files);
    conclude_now(out.path(), &po(), outcome)
}

#[test]
fn a_crash_before_or_after_any_step_of_placing_changes_nothing_in_the_end() {
    for lacking in Lacking::ALL {
        lacking::set(lacking);
        crash_at_each_step(lacking);
    }
    lacking::set(Lacking::Nothing);
}

#[cfg(unix)]
#[tokio::test]
async fn a_supplier_folder_that_is_a_link_holds_its_orders_where_the_link_leads() {
    // a file system in memory stands for another disk, where there is one
    for elsewhere in [tempfile::tempdir(), tempfile::tempdir_in("/dev/shm")].into_iter().flatten() {
        let out = Out::new();
        std::os::unix::fs::symlink(elsewhere.path(), out.path().join("ACME")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), out.path().join("Another name")).unwrap();
        out.write("Unknown supplier/PO7__WORK/b.pdf", "of an earlier attempt");
        let folder = out.open().await;
        let files = vec![out.place(&folder, "a.pdf", "one").await, out.place(&folder, "b.pdf", "two").await];
        let outcome = finalize(out.path(), &po(), completed(&folder, files)).await.unwrap();
        assert_eq!((outcome.status(), outcome.files().len()), (OrderStatus::Completed, 2));
        let placed = elsewhere.path().join("PO7_COMPLETED");
        assert_eq!(fs::read_to_string(placed.join("a.pdf")).unwrap(), "one");
        assert_eq!(elsewhere.path().read_dir().unwrap().count(), 1, "nothing else");
        let audited = audit(out.path(), &HashMap::new()).unwrap();
        assert_eq!((audited.order_count, audited.intact_count), (1, 2), "{audited:?}");
        assert_eq!(audit_paths(&audited), [out.path().join("ACME/PO7_COMPLETED/b (2).pdf")], "as without a link");
        // and again
        let folder = out.open().await;
        assert_eq!(folder.relative(), "ACME/PO7__WORK");
    }
}

fn audit_paths(audited: &Audit) -> Vec<PathBuf> {
    audited.findings.iter().map(|problem| problem.path().to_owned()).collect()
}

fn crash_at_each_step(lacking: Lacking) {
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
        assert_eq!(outcome.status(), OrderStatus::Completed, "after a crash at moment {moment}, {lacking:?}");
        for file in outcome.files() {
            let path = out.path().join(&file.path);
            assert!(is_whole(&path, file.size, &file.sha256), "{} after a crash at moment {moment}", file.path);
        }
        // two crashes may number two of a person's notes the other way round
        let mut found = all(&out);
        let mut wanted = expected.clone();
        found.1.sort();
        wanted.1.sort();
        assert_eq!(found, wanted, "after a crash at moment {moment}, {lacking:?}");
    }
    assert!(crashes > 20, "{crashes}, {lacking:?}");
}
