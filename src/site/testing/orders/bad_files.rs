//! One bad file never costs its siblings: they are fetched first, kept and reported, whatever the bad one does.

use super::*;

const LOGIN_PAGE: &str = "<!DOCTYPE html><html><input name=\"user[login]\">";

/// A bad file in front of two good ones.
fn among_good_ones(bad: FakeReply) -> FakePortal {
    order(vec![link(1, "bad.pdf", bad), link(2, "a.txt", file("a.txt", "one")), button("b.txt", file("b.txt", "two"))])
}

/// A minute of a slow portal takes milliseconds here.
fn hasty() -> PoolConfig {
    let mut config = config();
    config.deadlines.attempt = Duration::from_secs(2);
    config
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_one_file_costs_the_order_this_one_alone() {
    for (bad, kind, reason) in [
        (
            file("bad.pdf", LOGIN_PAGE),
            FailureKind::AccessDenied,
            "login page each time, although the session is logged in",
        ),
        (FakeReply::Answered(401), FailureKind::AccessDenied, "although the session is logged in"),
        (FakeReply::Answered(500), FailureKind::DownloadCorrupt, "status 500"),
        (FakeReply::Answered(503), FailureKind::DownloadCorrupt, "it gave other pages and files meanwhile"),
        (FakeReply::Answered(403), FailureKind::AccessDenied, "status 403"),
        (FakeReply::Endless, FailureKind::TooLarge, "task_timeout"),
    ] {
        let portal = among_good_ones(bad.clone());
        let error = Stage::with(&hasty()).failure(&portal).await;
        let receipt = error.receipt.unwrap();
        assert_eq!((error.kind, names(&receipt)), (kind, vec!["a.txt", "b.txt"]), "{bad:?}");
        let missing: Vec<_> = receipt.missing.iter().map(|missing| missing.name.as_str()).collect();
        assert_eq!(missing, ["bad.pdf"], "{bad:?}");
        assert!(receipt.missing[0].failure.message.contains(reason), "{bad:?}: {}", receipt.missing[0].failure);
        assert_eq!(receipt.listed_count, 3, "{bad:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_file_gets_another_turn_after_the_others() {
    let portal = among_good_ones(FakeReply::Answered(502));
    Stage::new().failure(&portal).await;
    assert_eq!(portal.state().clicks, ["Save bad.pdf", "Save a.txt", "Script b.txt", "Save bad.pdf"]);
}

#[tokio::test(start_paused = true)]
async fn a_portal_that_gives_no_file_at_all_is_down_and_keeps_its_orders_open() {
    let stage = Stage::new();
    let alone = order(vec![link(1, "a.txt", FakeReply::Answered(500))]);
    assert_eq!(stage.failure(&alone).await.kind, FailureKind::ServerError, "its pages are answered");
    let all = order((1..=9).map(|id| link(id, &format!("{id}.txt"), FakeReply::Answered(500))).collect());
    all.state().check_fails = true;
    let error = stage.failure(&all).await;
    assert_eq!(error.kind, FailureKind::SiteDown);
    assert_eq!(error.receipt.unwrap().missing.len(), 9);
    assert_eq!(all.state().clicks.len(), 3, "it is left alone soon");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_refused_in_attempt_after_attempt_is_the_file_s_own_trouble() {
    let mut stage = Stage::new();
    stage.attempt.no = AttemptNo(3);
    let portal = order(vec![link(1, "a.txt", FakeReply::Answered(500))]);
    assert_eq!(stage.failure(&portal).await.kind, FailureKind::DownloadCorrupt);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_asks_for_fewer_requests_each_time_costs_its_siblings_nothing() {
    let stage = Stage::new();
    let portal = among_good_ones(FakeReply::Answered(429));
    let first = stage.failure(&portal).await;
    assert_eq!((first.kind, portal.state().clicks.len()), (FailureKind::Throttled, 1), "it is left alone at once");
    let second = stage.failure(&portal).await;
    assert_eq!(
        (second.kind, second.receipt.unwrap().files.len()),
        (FailureKind::Throttled, 2),
        "the others came first"
    );
    assert_eq!(stage.failure(&portal).await.kind, FailureKind::Throttled);
    let last = stage.failure(&portal).await;
    assert_eq!((last.kind, last.receipt.unwrap().files.len()), (FailureKind::DownloadCorrupt, 2));
}

#[tokio::test(start_paused = true)]
async fn a_file_without_an_end_leaves_the_others_most_of_the_time() {
    let portal = among_good_ones(FakeReply::Endless);
    let stage = Stage::with(&hasty());
    let mut session = portal.session();
    let begun = tokio::time::Instant::now();
    stage.site.collect(&mut session, &stage.attempt).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(2), "never by the deadline of the order: {:?}", begun.elapsed());
    assert_eq!(session.0.cancelled, ["d1", "d4"]);
}

#[tokio::test(start_paused = true)]
async fn the_files_of_the_requisition_come_before_a_bad_file_s_other_turn() {
    let mut config = hasty();
    config.site.requisition = RequisitionRule::Always;
    let requisition = Shown { offers: vec![link(9, "r.pdf", file("r.pdf", PDF))], ..Shown::default() };
    let portal = with_requisition(vec![link(1, "bad.pdf", FakeReply::Endless)], requisition);
    let error = Stage::with(&config).failure(&portal).await;
    assert_eq!(names(&error.receipt.unwrap()), ["r.pdf"]);
    let text = link(2, "bad.txt", file("bad.txt", LOGIN_PAGE));
    let requisition = Shown { offers: vec![link(9, "r.pdf", file("r.pdf", PDF))], ..Shown::default() };
    let portal = with_requisition(vec![text], requisition);
    Stage::with(&config).failure(&portal).await;
    assert_eq!(portal.state().clicks, ["Save bad.txt", "Save r.pdf", "Save bad.txt"]);
}
