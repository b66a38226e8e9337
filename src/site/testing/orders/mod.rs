//! Whole walks and logins, told on the double: what a portal shows, and what an attempt makes of it.

mod bad_files;
mod emptiness;
mod evidence;
mod logins;
mod numbers;
mod requisitions;
mod time;
mod ways;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backend::{Attempt, AttemptError, InterimReceipt, PageActivity, Site};
use crate::config::{Credentials, PoolConfig, RequisitionRule, Settings, resolve};
use crate::download::OutputLock;
use crate::model::{AttemptNo, FailureKind, FileOrigin, Outcome, PoTask, Receipt, RunId, TaskId, WorkerId};
use crate::site::PortalSite;
use crate::site::testing::fake_portal::{BASE, FakePortal, FakeReply, Offer, Shown, Waits, button, file, link};

const PDF: &str = "%PDF-1.7 one";
const ORDER: &str = "/order_headers/7";

struct Stage {
    out: tempfile::TempDir,
    site: PortalSite,
    attempt: Attempt,
}

fn config() -> PoolConfig {
    let credentials = Credentials { username: "me".into(), password: "right".into() };
    let settings = Settings { base_url: Some(BASE.parse().unwrap()), ..Settings::default() };
    let mut config = resolve(settings, Some(credentials)).unwrap();
    // long enough for a file that is there already, short enough to wait for one that never comes
    config.deadlines.download = Duration::from_millis(150);
    config
}

impl Stage {
    fn new() -> Self {
        Self::with(&config())
    }

    fn with(config: &PoolConfig) -> Self {
        let out = tempfile::tempdir().unwrap();
        let claim = Arc::new(OutputLock::take(out.path()).unwrap());
        let site = PortalSite::new(&config.site, claim, config.deadlines, &RunId::new("r")).unwrap();
        let attempt = Attempt {
            have: Vec::new(),
            task: TaskId(1),
            order: PoTask::new("PO7".parse().unwrap()),
            no: AttemptNo(1),
            worker: WorkerId(1),
            cancel: CancellationToken::new(),
            begun: Instant::now(),
            interim: InterimReceipt::default(),
        };
        Self { out, site, attempt }
    }

    async fn collect(&self, portal: &FakePortal) -> Result<Receipt, AttemptError> {
        let mut session = portal.session();
        let attempt = Attempt { begun: Instant::now(), ..self.attempt.clone() };
        let receipt = self.site.collect(&mut session, &attempt).await;
        let staging = self.out.path().join(".coupa-batch/landing");
        assert_eq!(staging.read_dir().map_or(0, Iterator::count), 0, "a staging folder was left behind");
        receipt
    }

    async fn failure(&self, portal: &FakePortal) -> AttemptError {
        self.collect(portal).await.unwrap_err()
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(Path::new(self.out.path()).join(path)).unwrap()
    }
}

fn order(offers: Vec<Offer>) -> FakePortal {
    FakePortal::with(ORDER, Shown { offers, ..Shown::default() })
}

/// A page that never stops changing.
fn restless() -> Shown {
    let activity = PageActivity { is_tracked: true, ..PageActivity::default() };
    Shown { activity, ..Shown::default() }
}

fn names(receipt: &Receipt) -> Vec<&str> {
    receipt.files.iter().map(|file| file.name.as_str()).collect()
}

#[tokio::test]
async fn links_and_buttons_become_files_in_the_folder_of_the_order() {
    let stage = Stage::new();
    let portal = order(vec![link(1, "a.pdf", file("a.pdf", PDF)), button("b.txt", file("b.txt", "two"))]);
    let receipt = stage.collect(&portal).await.unwrap();
    assert_eq!((receipt.supplier.as_deref(), receipt.listed_count), (Some("ACME"), 2));
    assert_eq!(receipt.url, format!("{BASE}{ORDER}"));
    assert_eq!(receipt.folder, "ACME/PO7__WORK");
    assert_eq!(stage.read("ACME/PO7__WORK/a.pdf"), PDF);
    assert_eq!(portal.state().clicks, ["Save a.pdf", "Script b.txt"]);
    let concluded = stage.site.finalize(&stage.attempt.order, Outcome::Completed(receipt)).await.unwrap();
    assert_eq!(stage.read(&concluded.files()[1].path), "two");
    assert_eq!(concluded.receipt().unwrap().folder, "ACME/PO7_COMPLETED");
}

#[tokio::test]
async fn two_files_of_one_name_are_both_kept_and_one_file_listed_twice_is_fetched_once() {
    let stage = Stage::new();
    let portal = order(vec![
        link(1, "a.txt", file("a.txt", "one")),
        link(2, "a.txt", file("a.txt", "two")),
        link(1, "a.txt", file("a.txt", "one")),
        button("b.txt", file("b.txt", "three")),
        button("b.txt", file("b.txt", "four")),
    ]);
    let receipt = stage.collect(&portal).await.unwrap();
    assert_eq!(receipt.listed_count, 5);
    assert_eq!(receipt.files.len(), 4);
    assert_eq!(stage.read("ACME/PO7__WORK/a (2).txt"), "two");
    assert_eq!(stage.read("ACME/PO7__WORK/b (2).txt"), "four");
}

#[tokio::test]
async fn what_appears_later_is_fetched_too() {
    let stage = Stage::new();
    let late = Offer { appears_after: 1, ..button("late.txt", file("late.txt", "late")) };
    let receipt = stage.collect(&order(vec![link(1, "a.txt", file("a.txt", "one")), late])).await.unwrap();
    assert_eq!(names(&receipt), ["a.txt", "late.txt"]);
}

#[tokio::test]
async fn a_second_attempt_places_nothing_twice() {
    let stage = Stage::new();
    let portal = order(vec![link(1, "a.txt", file("a.txt", "one"))]);
    let first = stage.collect(&portal).await.unwrap();
    stage.site.finalize(&stage.attempt.order, Outcome::Completed(first.clone())).await.unwrap();
    assert_eq!(stage.collect(&portal).await.unwrap(), first);
    assert_eq!(stage.out.path().join("ACME/PO7__WORK").read_dir().unwrap().count(), 2, "the file and the manifest");
    assert_eq!(stage.out.path().join("ACME").read_dir().unwrap().count(), 1);
}

#[tokio::test]
async fn the_next_attempt_fetches_only_what_lacks() {
    let mut stage = Stage::new();
    let offers = |second| {
        vec![link(1, "a.txt", file("a.txt", "one")), link(2, "b.txt", second), button("c.txt", file("c.txt", "three"))]
    };
    let error = stage.failure(&order(offers(FakeReply::Cut))).await;
    let earlier = error.receipt.unwrap();
    assert_eq!((earlier.listed_count, earlier.arrived_count(), earlier.missing.len()), (3, 2, 1));
    stage.attempt.have = earlier.files;
    let portal = order(offers(file("b.txt", "two")));
    let receipt = stage.collect(&portal).await.unwrap();
    assert_eq!(portal.state().clicks, ["Save b.txt"]);
    assert_eq!(names(&receipt), ["a.txt", "b.txt", "c.txt"]);
    assert!(receipt.is_complete());

    std::fs::write(stage.out.path().join("ACME/PO7__WORK/c.txt"), "eerht").unwrap();
    stage.attempt.have = receipt.files;
    let portal = order(offers(file("b.txt", "two")));
    stage.collect(&portal).await.unwrap();
    assert_eq!(portal.state().clicks, ["Script c.txt"], "what is not as it was placed is fetched again");
}

#[tokio::test]
async fn a_receipt_accounts_for_every_attachment_even_when_the_attempt_breaks_off() {
    let stage = Stage::new();
    let offers = vec![
        link(1, "a.txt", file("a.txt", "one")),
        link(1, "a.txt", file("a.txt", "one")),
        button("a.txt", file("a.txt", "one")),
        link(2, "b.pdf", FakeReply::Answered(429)),
        button("c.txt", file("c.txt", "three")),
    ];
    let portal = order(offers);
    portal.state().password = Some("right");
    let mut session = portal.session();
    stage.site.log_in(WorkerId(1), &mut session).await.unwrap();
    let error = stage.site.collect(&mut session, &stage.attempt).await.unwrap_err();
    let receipt = error.receipt.unwrap();
    assert_eq!((error.kind, receipt.listed_count, receipt.repeated_count), (FailureKind::Throttled, 5, 1));
    assert_eq!((receipt.files.len(), receipt.arrived_count()), (1, 1));
    assert_eq!(receipt.missing.len(), 3);
}

#[tokio::test]
async fn no_attachments_is_said_only_by_an_order_page_at_rest() {
    let stage = Stage::new();
    assert_eq!(stage.collect(&order(vec![])).await.unwrap().listed_count, 0);
    assert_eq!(stage.failure(&FakePortal::with(ORDER, restless())).await.kind, FailureKind::StepTimeout);
    let unknown = FakePortal::with(ORDER, Shown { has_marker: false, ..Shown::default() });
    assert_eq!(stage.failure(&unknown).await.kind, FailureKind::PageChanged);
    let login = order(vec![]);
    login.state().password = Some("right");
    assert_eq!(stage.failure(&login).await.kind, FailureKind::LoginRequired);
    assert!(!stage.out.path().join("ACME").exists());
}

#[tokio::test]
async fn a_page_that_lists_something_and_still_changes_is_looked_at_again() {
    let stage = Stage::new();
    let shown = Shown {
        offers: vec![link(1, "a.txt", file("a.txt", "one"))],
        stragglers: vec![link(2, "b.txt", file("b.txt", "two"))],
        ..restless()
    };
    let receipt = stage.collect(&FakePortal::with(ORDER, shown)).await.unwrap();
    assert_eq!(names(&receipt), ["a.txt", "b.txt"]);
    assert!(receipt.is_complete());
}

#[tokio::test]
async fn refusals_and_troubles_of_the_portal_are_told_apart() {
    let stage = Stage::new();
    for (notice, status, kind) in [
        ("Oops! We couldn\u{2019}t find what you wanted", 200, FailureKind::OrderMissing),
        ("Desculpe, não encontramos o que você procurava", 200, FailureKind::OrderMissing),
        ("You are not authorized", 200, FailureKind::AccessDenied),
        ("", 429, FailureKind::Throttled),
        ("", 502, FailureKind::ServerError),
    ] {
        let portal = FakePortal::with(ORDER, Shown { has_marker: false, notice, status, ..Shown::default() });
        let error = stage.failure(&portal).await;
        let seen = error.receipt.unwrap();
        assert_eq!((error.kind, seen.files.len(), seen.listed_count), (kind, 0, 0), "{notice}");
        assert_eq!(seen.url, format!("{BASE}{ORDER}"), "{notice}");
    }
}

#[tokio::test]
async fn an_order_that_no_attempt_came_back_from_has_an_address_all_the_same() {
    let stage = Stage::new();
    let failure = || crate::model::Failure::new(FailureKind::Crashed, "the worker ended without a word");
    for outcome in [Outcome::Failed(failure(), None), Outcome::Skipped(failure(), None)] {
        let concluded = stage.site.finalize(&stage.attempt.order, outcome).await.unwrap();
        assert_eq!(concluded.receipt().unwrap().url, format!("{BASE}{ORDER}"));
    }
}

#[tokio::test]
async fn one_bad_attachment_does_not_cost_the_others() {
    let stage = Stage::new();
    for (bad, kind) in [
        (FakeReply::Cut, FailureKind::DownloadCorrupt),
        (FakeReply::Silence, FailureKind::DownloadStalled),
        (FakeReply::Standstill, FailureKind::DownloadStalled),
        (FakeReply::Short, FailureKind::DownloadCorrupt),
        (file("bad.pdf", "<html>Internal error"), FailureKind::DownloadCorrupt),
    ] {
        let portal = order(vec![link(1, "bad.pdf", bad), link(2, "good.txt", file("good.txt", "good"))]);
        let error = stage.failure(&portal).await;
        let receipt = error.receipt.unwrap();
        assert_eq!((error.kind, names(&receipt)), (kind, vec!["good.txt"]));
        assert_eq!(receipt.missing[0].name, "bad.pdf");
        assert!(error.message.starts_with("1 of 2 attachments"), "{}", error.message);
    }
}

#[tokio::test]
async fn after_a_click_without_a_download_the_page_is_left() {
    let stage = Stage::new();
    let portal = order(vec![link(1, "a.txt", FakeReply::Silence), link(2, "b.txt", file("b.txt", "b"))]);
    stage.failure(&portal).await;
    assert_eq!(portal.state().visits.len(), 2);
}

#[tokio::test]
async fn a_click_that_shows_the_login_page_is_a_login_that_ended() {
    let stage = Stage::new();
    let portal = order(vec![button("a.txt", FakeReply::LoginShown), button("b.txt", file("b.txt", "b"))]);
    let error = stage.failure(&portal).await;
    assert_eq!(error.kind, FailureKind::LoginRequired);
    assert_eq!(portal.state().clicks.len(), 1);
}

#[tokio::test]
async fn a_download_that_stands_still_is_stopped() {
    let stage = Stage::new();
    let portal = order(vec![link(1, "a.txt", FakeReply::Standstill)]);
    let mut session = portal.session();
    stage.site.collect(&mut session, &stage.attempt).await.unwrap_err();
    assert_eq!(session.0.cancelled, ["d1"]);
}

#[tokio::test]
async fn a_login_that_ends_midway_ends_the_attempt_with_what_is_there() {
    let stage = Stage::new();
    let portal = order(vec![
        link(1, "a.txt", file("a.txt", "one")),
        link(2, "b.txt", FakeReply::LoginSent),
        link(3, "c.txt", file("c.txt", "three")),
    ]);
    let error = stage.failure(&portal).await;
    assert_eq!(error.kind, FailureKind::LoginRequired);
    let receipt = error.receipt.unwrap();
    assert_eq!(names(&receipt), ["a.txt"]);
    assert_eq!(receipt.missing.len(), 2);
    assert_eq!(portal.state().clicks.len(), 2);
}

#[tokio::test]
async fn links_that_lead_out_of_the_portal_are_not_followed() {
    let stage = Stage::new();
    for href in ["https://evil.test/attachment_file/1", "file:///attachment_file/1"] {
        let away = Offer { href: Some(href.into()), ..link(1, "a.pdf", file("a.pdf", PDF)) };
        let portal = order(vec![away, link(2, "b.txt", file("b.txt", "b"))]);
        let error = stage.failure(&portal).await;
        assert_eq!(portal.state().clicks, ["Save b.txt"]);
        assert_eq!(names(&error.receipt.unwrap()), ["b.txt"]);
    }
}

#[tokio::test]
async fn wider_links_are_a_fallback() {
    let stage = Stage::new();
    let wider = || Offer { is_wider: true, ..link(2, "wider.txt", file("wider.txt", "w")) };
    let both = order(vec![link(1, "a.txt", file("a.txt", "a")), wider()]);
    assert_eq!(names(&stage.collect(&both).await.unwrap()), ["a.txt"]);
    assert_eq!(names(&stage.collect(&order(vec![wider()])).await.unwrap()), ["wider.txt"]);
}

fn with_requisition(offers: Vec<Offer>, requisition: Shown) -> FakePortal {
    let requisitions = vec![format!("{BASE}/requisition_headers/70")];
    let portal = FakePortal::with(ORDER, Shown { offers, requisitions, ..Shown::default() });
    portal.state().pages.insert("/requisition_headers/70".into(), requisition);
    portal
}

#[tokio::test]
async fn the_requisition_is_looked_at_when_the_rule_says_so() {
    let text = || link(1, "a.txt", file("a.txt", "a"));
    let pdf = || link(2, "p.pdf", file("p.pdf", PDF));
    let own = || Shown { offers: vec![link(9, "r.pdf", file("r.pdf", PDF))], ..Shown::default() };
    for (rule, offers, wanted) in [
        (RequisitionRule::WhenEmpty, vec![], &["r.pdf"][..]),
        (RequisitionRule::WhenEmpty, vec![text()], &["a.txt"]),
        (RequisitionRule::Never, vec![], &[]),
        (RequisitionRule::WhenNoPdf, vec![text()], &["a.txt", "r.pdf"]),
        (RequisitionRule::WhenNoPdf, vec![pdf()], &["p.pdf"]),
        (RequisitionRule::Always, vec![pdf()], &["p.pdf", "r.pdf"]),
    ] {
        let mut config = config();
        config.site.requisition = rule;
        let stage = Stage::with(&config);
        let receipt = stage.collect(&with_requisition(offers, own())).await.unwrap();
        assert_eq!(names(&receipt), wanted, "{rule}");
        let from_requisition = receipt.files.iter().filter(|file| file.source == FileOrigin::Requisition).count();
        assert_eq!(from_requisition, usize::from(wanted.contains(&"r.pdf")));
    }
}

#[tokio::test]
async fn a_requisition_that_may_not_be_seen_leaves_an_order_unfinished_whether_it_has_files_or_not() {
    let denied = || Shown { has_marker: false, notice: "Access denied", ..Shown::default() };
    let mut config = config();
    config.site.requisition = RequisitionRule::Always;
    let stage = Stage::with(&config);
    let error = stage.failure(&with_requisition(vec![], denied())).await;
    assert_eq!(error.kind, FailureKind::RequisitionDenied);
    let text = link(1, "a.txt", file("a.txt", "a"));
    let error = stage.failure(&with_requisition(vec![text], denied())).await;
    assert_eq!((error.kind, names(&error.receipt.unwrap())), (FailureKind::RequisitionDenied, vec!["a.txt"]));
}

#[tokio::test]
async fn an_aborted_attempt_stops_between_commands() {
    let stage = Stage::new();
    stage.attempt.cancel.cancel();
    let portal = order(vec![link(1, "a.txt", file("a.txt", "a"))]);
    assert_eq!(stage.failure(&portal).await.kind, FailureKind::Interrupted);
    assert!(portal.state().visits.is_empty());
}

#[tokio::test]
async fn of_a_failed_attempt_is_kept_what_was_seen_without_what_lets_in() {
    let stage = Stage::new();
    let portal = FakePortal::with(ORDER, Shown { has_marker: false, ..Shown::default() });
    let mut session = portal.session();
    let error = stage.site.collect(&mut session, &stage.attempt).await.unwrap_err();
    let place = stage.site.capture_evidence(&mut session, &stage.attempt, &error).await.unwrap();
    assert_eq!(place, ".coupa-batch/evidence/r/PO7-1");
    assert_eq!(std::fs::read(stage.out.path().join(&place).join("page.png")).unwrap(), b"\x89PNG");
    let record = stage.read(&format!("{place}/failure.json"));
    assert!(record.contains("page_changed") && record.contains(&format!("{BASE}{ORDER}")), "{record}");
    assert!(!record.contains("t0ken-of-a-link"), "{record}");
}
