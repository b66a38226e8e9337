//! A list of attachments is complete on evidence alone.

use serde_json::json;

use super::*;
use crate::backend::{FailedRequest, PendingRequest};
use crate::site::testing::fake_portal::FakeControl;

fn one_file() -> Shown {
    Shown { offers: vec![link(1, "a.txt", file("a.txt", "one"))], ..Shown::default() }
}

#[tokio::test]
async fn a_list_is_not_complete_while_a_request_is_pending_or_a_mark_says_that_more_is_to_come() {
    let mut config = config();
    config.deadlines.page = Duration::from_millis(100);
    let stage = Stage::with(&config);
    let asked = PendingRequest { key: "GET /list/7".into(), path: "/list/7".into(), age: 900 };
    let activity = PageActivity { pending: vec![asked], is_tracked: true, ..PageActivity::default() };
    let busy = json!({ "isComplete": true, "saysNone": false, "areas": [], "busy": "div.loading" });
    let loading = json!({ "isComplete": false, "saysNone": false, "areas": [] });
    let unsettled = PageActivity { is_tracked: true, ..PageActivity::default() };
    for (shown, why) in [
        (Shown { activity, ..one_file() }, "/list/7"),
        (Shown { signs: busy, ..one_file() }, "div.loading"),
        (Shown { activity: unsettled, signs: loading, ..one_file() }, "still loading"),
    ] {
        let error = stage.failure(&FakePortal::with(ORDER, shown)).await;
        assert_eq!(error.kind, FailureKind::StepTimeout, "{error}");
        assert!(error.message.contains("may be incomplete") && error.message.contains(why), "{error}");
        assert_eq!(names(&error.receipt.unwrap()), ["a.txt"], "what is listed is fetched all the same");
    }
}

#[tokio::test]
async fn what_a_page_counts_and_does_not_list_is_missing() {
    let stage = Stage::new();
    let signs =
        |unmet: serde_json::Value| json!({ "isComplete": true, "saysNone": false, "areas": [], "unmet": unmet });
    let count = json!([{ "text": "Attachments (7)", "number": 7, "listed": 1 }]);
    let error = stage.failure(&FakePortal::with(ORDER, Shown { signs: signs(count), ..one_file() })).await;
    assert_eq!(error.kind, FailureKind::PageChanged, "{error}");
    assert!(error.message.contains("Attachments (7)") && error.message.contains("6 more attachments"), "{error}");
    let receipt = error.receipt.unwrap();
    assert_eq!((names(&receipt), receipt.listed_count, receipt.is_complete()), (vec!["a.txt"], 7, false));
    stage.collect(&FakePortal::with(ORDER, Shown { signs: signs(json!([])), ..one_file() })).await.unwrap();
}

#[tokio::test]
async fn a_call_that_failed_may_have_brought_the_list_or_the_rest_of_it_if_it_was_about_the_order_or_attachments() {
    let stage = Stage::new();
    let ends = async |shown: Shown, path: &str, status: u16, is_of_page: bool, is_named: bool| {
        let failed = vec![FailedRequest { path: path.to_owned(), status, is_of_page, is_named }];
        let activity = PageActivity { failed, is_settled: true, is_tracked: true, ..PageActivity::default() };
        let ended = stage.collect(&FakePortal::with(ORDER, Shown { activity, ..shown })).await;
        ended.map(|_| ()).map_err(|error| error.kind)
    };
    for shown in [one_file(), Shown::default()] {
        for (path, status, is_of_page, is_named) in [
            ("/rest/7", 500, true, false),
            ("/rest/7", 0, true, false),
            ("/rest/7", 400, true, false),
            ("/rest/7", 409, true, false),
            ("/attachments/rest", 503, false, false),
            ("/attachments/rest", 403, false, false),
            ("/attachments/rest", 422, false, false),
            ("/graphql", 503, false, true),
            ("/graphql", 408, false, true),
            ("api.acme.test/attachments", 503, false, false),
        ] {
            let ended = ends(shown.clone(), path, status, is_of_page, is_named).await;
            assert_eq!(ended, Err(FailureKind::StepTimeout), "{path} {status}");
        }
        for (path, status, is_of_page, is_named) in [
            ("/news", 500, false, false),
            ("/news", 422, false, false),
            ("/approvals/7", 403, true, false),
            ("/rest/7", 404, true, false),
            ("/graphql", 410, false, true),
        ] {
            assert_eq!(ends(shown.clone(), path, status, is_of_page, is_named).await, Ok(()), "{path} {status}");
        }
    }
}

#[tokio::test]
async fn what_shows_more_of_a_list_is_clicked_as_long_as_it_does() {
    let stage = Stage::new();
    let control = |kind, text, name: &'static str, stays| {
        let reveals = vec![link(name.len() as u32, name, file(name, name))];
        FakeControl { kind, text, reveals, takes: 0, stays }
    };
    let controls = vec![
        control("open", "Cart items", "tab.txt", false),
        control("more", "Show 2 more", "more.txt", false),
        control("more", "Show more", "last", false),
    ];
    let portal = FakePortal::with(ORDER, Shown { controls, ..one_file() });
    let receipt = stage.collect(&portal).await.unwrap();
    assert_eq!(names(&receipt), ["a.txt", "tab.txt", "more.txt", "last"]);

    // one that stays and brings nothing leaves the question open, also where nothing is listed
    let stuck = || vec![FakeControl { kind: "more", text: "Show more", reveals: Vec::new(), takes: 0, stays: true }];
    let error = stage.failure(&FakePortal::with(ORDER, Shown { controls: stuck(), ..one_file() })).await;
    assert_eq!(error.kind, FailureKind::PageChanged, "{error}");
    assert!(error.message.contains("Show more"), "{error}");
    let error = stage.failure(&FakePortal::with(ORDER, Shown { controls: stuck(), ..Shown::default() })).await;
    assert_eq!(error.kind, FailureKind::PageChanged, "{error}");
    let opened = || vec![FakeControl { kind: "open", text: "Cart items", reveals: Vec::new(), takes: 0, stays: false }];
    let nothing = stage.collect(&FakePortal::with(ORDER, Shown { controls: opened(), ..Shown::default() })).await;
    assert_eq!(nothing.unwrap().listed_count, 0);
}

#[tokio::test]
async fn what_a_click_takes_off_the_list_is_missing_and_a_page_in_motion_is_clicked_as_well() {
    let stage = Stage::new();
    let replaces = FakeControl {
        kind: "open",
        text: "Line attachments",
        reveals: vec![link(2, "b.txt", file("b.txt", "two"))],
        takes: 1,
        stays: false,
    };
    let error = stage.failure(&FakePortal::with(ORDER, Shown { controls: vec![replaces], ..one_file() })).await;
    assert_eq!(error.kind, FailureKind::PageChanged, "{error}");
    assert!(error.message.contains("Line attachments") && error.message.contains("1 more attachment"), "{error}");
    assert_eq!(names(&error.receipt.unwrap()), ["b.txt"]);

    // nor does a name make another file the same one
    let named_alike = FakeControl {
        kind: "open",
        text: "Line attachments",
        reveals: vec![link(2, "a.txt", file("a.txt", "two"))],
        takes: 1,
        stays: false,
    };
    let error = stage.failure(&FakePortal::with(ORDER, Shown { controls: vec![named_alike], ..one_file() })).await;
    assert_eq!(error.kind, FailureKind::PageChanged, "{error}");
    // one whose address is cut no longer as soon as another one is shown is still there
    let uuid = |end: u32| {
        let href = Some(format!("{BASE}/files/3f1c2a9e-77b0-4d53-9a51-0123456789a{end}"));
        Offer { href, ..link(end, "scan.txt", file("scan.txt", if end == 1 { "one" } else { "two" })) }
    };
    let reveals = vec![uuid(2)];
    let beside = FakeControl { kind: "open", text: "Line attachments", reveals, takes: 0, stays: false };
    let shown = Shown { offers: vec![uuid(1)], controls: vec![beside], ..Shown::default() };
    assert_eq!(stage.collect(&FakePortal::with(ORDER, shown)).await.unwrap().files.len(), 2);

    let more = FakeControl {
        kind: "more",
        text: "Show 1 more",
        reveals: vec![link(2, "b.txt", file("b.txt", "two"))],
        takes: 0,
        stays: false,
    };
    let activity = PageActivity { is_settled: false, is_tracked: true, ..PageActivity::default() };
    let portal = FakePortal::with(ORDER, Shown { activity, controls: vec![more], ..one_file() });
    assert_eq!(names(&stage.collect(&portal).await.unwrap()), ["a.txt", "b.txt"]);
}

#[tokio::test]
async fn a_document_that_is_still_loading_has_not_shown_its_whole_list() {
    let mut config = config();
    config.deadlines.page = Duration::from_millis(100);
    let activity = PageActivity { is_settled: false, is_tracked: true, ..PageActivity::default() };
    let signs = json!({ "isComplete": false, "saysNone": false, "areas": [] });
    let portal = FakePortal::with(ORDER, Shown { activity, signs, ..one_file() });
    let error = Stage::with(&config).failure(&portal).await;
    assert_eq!(error.kind, FailureKind::StepTimeout, "{error}");
    assert_eq!(names(&error.receipt.unwrap()), ["a.txt"]);
}

#[tokio::test]
async fn a_request_for_the_list_is_never_taken_for_one_that_does_not_end() {
    let mut config = config();
    config.deadlines.page = Duration::from_millis(100);
    let stage = Stage::with(&config);
    let asked = |path: &str| PendingRequest { key: format!("GET {path}"), path: path.to_owned(), age: 20_000 };
    let with = |path: &str| {
        let activity = PageActivity {
            long_polls: vec![asked(path)],
            is_settled: true,
            is_tracked: true,
            ..PageActivity::default()
        };
        FakePortal::with(ORDER, Shown { activity, ..one_file() })
    };
    let error = stage.failure(&with("/api/attachments")).await;
    assert_eq!(error.kind, FailureKind::StepTimeout, "{error}");
    stage.collect(&with("/events")).await.unwrap();
}
