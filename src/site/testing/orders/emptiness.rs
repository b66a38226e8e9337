//! What it takes to be believed to have no attachments.

use serde_json::{Value, json};

use super::*;
use crate::backend::{FailedRequest, PendingRequest};

#[tokio::test]
async fn an_order_is_without_attachments_only_if_its_page_shows_so() {
    let empty = json!([{ "count": 3, "shown": 3 }]);
    let stage = Stage::new();
    let ends = async |signs: Value| {
        let portal = FakePortal::with(ORDER, Shown { signs, ..Shown::default() });
        stage.collect(&portal).await.map(|receipt| assert!(receipt.files.is_empty())).map_err(|error| error.kind)
    };
    let facts = |key: &str, value: Value| {
        let mut facts = json!({ "isComplete": true, "saysNone": false, "areas": empty });
        facts[key] = value;
        facts
    };
    for fine in [facts("saysNone", true.into()), facts("fetchedBefore", 60_000.into())] {
        assert_eq!(ends(fine).await, Ok(()));
    }
    for doubtful in [
        facts("areas", json!([{ "count": 0, "shown": 0 }])),
        facts("areas", json!([{ "count": 2, "shown": 0 }])),
        facts("areas", json!([{ "count": 3, "shown": 1 }])),
        facts("placesHold", "a \"Invoice.pdf\"".into()),
        facts("holds", "button \"Invoice.pdf\"".into()),
        facts("unmet", json!([{ "text": "Attachments (2)", "number": 2, "listed": 0 }])),
    ] {
        assert_eq!(ends(doubtful.clone()).await, Err(FailureKind::PageChanged), "{doubtful}");
    }
    // what says that there are none needs no area beside it, and does not outweigh a count
    let mut facts = json!({ "isComplete": true, "saysNone": true, "areas": [{ "count": 0, "shown": 0 }] });
    assert_eq!(ends(facts.clone()).await, Ok(()));
    // nor what is in a separate place
    facts["placesHold"] = "a \"Invoice.pdf\"".into();
    assert_eq!(ends(facts.clone()).await, Err(FailureKind::PageChanged));
    facts["placesHold"] = Value::Null;
    facts["unmet"] = json!([{ "text": "2 files", "number": 2, "listed": 0 }]);
    assert_eq!(ends(facts).await, Err(FailureKind::PageChanged));

    assert_eq!(stage.failure(&FakePortal::with(ORDER, restless())).await.kind, FailureKind::StepTimeout);
    stage.collect(&order(vec![link(1, "a.txt", file("a.txt", "a"))])).await.unwrap();
}

#[tokio::test]
async fn a_page_that_says_that_something_is_still_to_come_is_not_believed_to_have_nothing() {
    let mut config = config();
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("quick.toml");
    let text = "extends = \"coupa\"\n[settle]\nafter_load = \"1ms\"\nunchanged_for = \"1ms\"\nempty_for = \"20ms\"\nat_most = \"40ms\"";
    std::fs::write(&recipe, text).unwrap();
    config.site.recipe = recipe.to_str().unwrap().to_owned();
    config.deadlines.page = Duration::from_millis(80);
    let stage = Stage::with(&config);
    let signs = json!({ "isComplete": true, "saysNone": false, "areas": [{ "count": 1, "shown": 1 }] });
    let with = |key: &str, value: Value| {
        let mut signs = signs.clone();
        signs[key] = value;
        Shown { signs, ..Shown::default() }
    };
    let asked = PendingRequest { key: "GET /list".into(), path: "/list".into(), age: 900 };
    let asks = PageActivity { pending: vec![asked], is_tracked: true, ..PageActivity::default() };
    let gone = FailedRequest { path: "/list".into(), status: 0, is_of_page: false, is_named: false };
    let lost = PageActivity { failed: vec![gone], is_settled: true, is_tracked: true, ..PageActivity::default() };
    // where its requests cannot be counted, the last one that was answered must do
    let uncounted = PageActivity { is_settled: true, ..PageActivity::default() };
    for (shown, why) in [
        (with("isComplete", json!(false)), "still loading"),
        (with("busy", json!("div.loading")), "div.loading"),
        (Shown { activity: uncounted, ..with("fetchedBefore", json!(3)) }, "still fetching"),
        (Shown { activity: asks, ..Shown::default() }, "/list"),
        (Shown { activity: lost, ..Shown::default() }, "/list"),
    ] {
        let error = stage.failure(&FakePortal::with(ORDER, shown)).await;
        assert_eq!(error.kind, FailureKind::StepTimeout, "{why}: {error}");
        assert!(error.message.contains(why), "{why}: {error}");
    }
    // what another host of the site is asked for matters if it was about the list
    for (path, is_in_the_way) in [("stats.acme.test/collect", false), ("api.acme.test/attachments", true)] {
        let gone = FailedRequest { path: path.into(), status: 0, is_of_page: false, is_named: false };
        let activity =
            PageActivity { failed: vec![gone], is_settled: true, is_tracked: true, ..PageActivity::default() };
        let ended = stage.collect(&FakePortal::with(ORDER, Shown { activity, ..Shown::default() })).await;
        assert_eq!(ended.is_err(), is_in_the_way, "{path}");
    }
    // what comes while it is waited for is fetched
    let stragglers = vec![link(1, "a.txt", file("a.txt", "a"))];
    let receipt = stage.collect(&FakePortal::with(ORDER, Shown { stragglers, ..Shown::default() })).await.unwrap();
    assert_eq!(names(&receipt), ["a.txt"]);
}

#[tokio::test]
async fn what_stays_open_on_one_page_alone_may_be_what_brings_its_list() {
    let mut config = config();
    config.deadlines.page = Duration::from_millis(100);
    let mut stage = Stage::with(&config);
    let open = PendingRequest { key: "GET /events".into(), path: "/events".into(), age: 20_000 };
    let activity =
        PageActivity { long_polls: vec![open], is_settled: true, is_tracked: true, ..PageActivity::default() };
    let shown = Shown { activity, ..Shown::default() };
    // all the patience of a page once, and then none: it stays open whatever is waited for
    for kind in [FailureKind::StepTimeout, FailureKind::PageChanged, FailureKind::PageChanged] {
        let error = stage.failure(&FakePortal::with(ORDER, shown.clone())).await;
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains("/events") && error.message.contains("settle.long_polls"), "{error}");
    }
    // the same on another order's page brings no list of that one, and then none of this one
    for number in [8, 7] {
        stage.attempt.order = PoTask::new(format!("PO{number}").parse().unwrap());
        stage.collect(&FakePortal::with(&format!("/order_headers/{number}"), shown.clone())).await.unwrap();
    }
}

#[tokio::test]
async fn a_request_of_the_order_itself_that_is_never_answered_is_waited_for_twice_and_then_named() {
    let mut config = config();
    config.deadlines.page = Duration::from_millis(100);
    let stage = Stage::with(&config);
    let open = PendingRequest { key: "GET /orders/7/presence".into(), path: "/orders/7/presence".into(), age: 20_000 };
    for offers in [vec![], vec![link(1, "a.txt", file("a.txt", "one"))]] {
        let is_listed = !offers.is_empty();
        let activity = PageActivity { pending: vec![open.clone()], is_tracked: true, ..PageActivity::default() };
        let portal = FakePortal::with(ORDER, Shown { offers, activity, ..Shown::default() });
        let kinds = if is_listed {
            [FailureKind::PageChanged; 3]
        } else {
            [FailureKind::StepTimeout, FailureKind::StepTimeout, FailureKind::PageChanged]
        };
        for kind in kinds {
            let error = stage.failure(&portal).await;
            assert_eq!(error.kind, kind, "{error}");
            assert!(
                error.message.contains("/orders/7/presence") && error.message.contains("settle.long_polls"),
                "{error}"
            );
        }
    }
}
