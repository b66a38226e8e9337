//! Whatever takes too long: an attempt ends before it is ended, and says what it has brought and what it has not.

use super::*;
use crate::backend::PendingRequest;
use crate::site::testing::fake_portal::FakeControl;

/// Attempts that may take this long, at pages that may take as long.
fn within(attempt: Duration) -> PoolConfig {
    let mut config = config();
    (config.deadlines.attempt, config.deadlines.page) = (attempt, attempt);
    config
}

/// An order whose page is never done with `activity`.
fn never_done(offers: Vec<Offer>, waits: Waits, activity: PageActivity) -> FakePortal {
    FakePortal::with(ORDER, Shown { offers, waits, activity, ..Shown::default() })
}

fn three() -> Vec<Offer> {
    ["a.txt", "b.txt", "c.txt"].into_iter().zip(1..).map(|(name, id)| link(id, name, file(name, name))).collect()
}

/// The error of an attempt at `portal`, which must come before `attempt` has passed.
async fn failure_within(attempt: Duration, portal: &FakePortal) -> AttemptError {
    let begun = Instant::now();
    let error = Stage::with(&within(attempt)).failure(portal).await;
    assert!(begun.elapsed() < attempt, "{:?}: {error}", begun.elapsed());
    error
}

#[tokio::test(start_paused = true)]
async fn a_request_that_never_ends_costs_an_order_neither_its_files_nor_its_time() {
    let request = PendingRequest { key: "p".into(), path: "/order_headers/7/presence".into(), age: 90_000 };
    let activity = PageActivity { is_tracked: true, pending: vec![request], ..PageActivity::default() };
    for attempt in [20, 60, 300].map(Duration::from_secs) {
        let error = failure_within(attempt, &never_done(three(), Waits::ToTheEnd, activity.clone())).await;
        let receipt = error.receipt.as_deref().unwrap();
        assert_eq!((error.kind, names(receipt)), (FailureKind::StepTimeout, vec!["a.txt", "b.txt", "c.txt"]));
        assert!(error.message.contains("/order_headers/7/presence"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_does_not_say_what_it_is_doing_proves_nothing() {
    let activity = Shown::default().activity;
    let error = failure_within(Duration::from_secs(300), &never_done(three(), Waits::InVain, activity.clone())).await;
    let receipt = error.receipt.as_deref().unwrap();
    assert_eq!((error.kind, receipt.files.len()), (FailureKind::StepTimeout, 3), "never COMPLETED");
    assert!(error.message.contains("too busy to tell"), "{error}");
    let empty = failure_within(Duration::from_secs(300), &never_done(Vec::new(), Waits::InVain, activity)).await;
    assert_eq!(empty.kind, FailureKind::StepTimeout, "never NO_ATTACHMENTS");
}

#[tokio::test(start_paused = true)]
async fn a_page_that_the_attempt_had_no_time_for_does_not_count_as_read() {
    let changing = restless().activity;
    let error = failure_within(Duration::from_secs(20), &never_done(three(), Waits::ToTheEnd, changing)).await;
    assert_eq!((error.kind, error.receipt.as_ref().unwrap().files.len()), (FailureKind::StepTimeout, 3));
    assert!(error.message.contains("task_timeout"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_takes_click_after_click_leaves_time_for_its_files() {
    let control = |id: u32| {
        let name = format!("{id}.txt");
        let reveals = vec![link(100 + id, &name, file("more", "more"))];
        FakeControl { kind: "more", text: "Show more", reveals, takes: 0, stays: false }
    };
    let controls = (1..=50).map(control).collect();
    let shown = Shown { offers: three(), controls, waits: Waits::ToTheEnd, ..restless() };
    let error = failure_within(Duration::from_secs(120), &FakePortal::with(ORDER, shown)).await;
    let receipt = error.receipt.as_deref().unwrap();
    assert_eq!(error.kind, FailureKind::StepTimeout);
    assert!(receipt.files.len() > 3 && receipt.missing.is_empty(), "{:?}", names(receipt));
    assert!(error.message.contains("task_timeout"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_after_its_first_file_tells_what_is_there_and_what_is_not() {
    let portal = || {
        let mut offers = three();
        offers[1].answer = FakeReply::Hang;
        order(offers)
    };
    let what = |receipt: &Receipt| {
        let missing: Vec<_> = receipt.missing.iter().map(|missing| missing.name.clone()).collect();
        assert_eq!((receipt.listed_count, receipt.folder.as_str()), (3, "ACME/PO7__WORK"));
        assert_eq!((names(receipt), missing), (vec!["a.txt"], vec!["b.txt".to_owned(), "c.txt".to_owned()]));
    };
    let error = failure_within(Duration::from_secs(60), &portal()).await;
    assert_eq!(error.kind, FailureKind::StepTimeout);
    what(error.receipt.as_deref().unwrap());
    // ended from outside, it has told all the same
    let stage = Stage::with(&within(Duration::from_secs(60)));
    let mut session = portal().session();
    let collected = stage.site.collect(&mut session, &stage.attempt);
    tokio::time::timeout(Duration::from_secs(5), collected).await.unwrap_err();
    what(&stage.attempt.interim.get().unwrap());
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_files_take_longer_than_its_time_keeps_those_that_came() {
    let mut config = within(Duration::from_secs(13));
    config.site.requests_per_second = Some(0.2);
    let error = Stage::with(&config).failure(&order(three())).await;
    assert_eq!(error.kind, FailureKind::StepTimeout);
    let receipt = error.receipt.unwrap();
    assert_eq!((receipt.listed_count, receipt.files.len(), receipt.missing.len()), (3, 2, 1));
}
