//! Which requisitions of an order are followed.

use serde_json::json;

use super::*;

/// An order whose page lists `own` and links to requisitions 70, 71, ...
fn bundled(own: Vec<Offer>, requisitions: Vec<Shown>) -> FakePortal {
    let paths: Vec<_> = (70..).take(requisitions.len()).map(|id| format!("/requisition_headers/{id}")).collect();
    let links = paths.iter().flat_map(|path| [format!("{BASE}{path}"), format!("{BASE}{path}#lines")]).collect();
    let portal = FakePortal::with(ORDER, Shown { offers: own, requisitions: links, ..Shown::default() });
    portal.state().pages.extend(paths.into_iter().zip(requisitions));
    portal
}

fn lists(id: u32, name: &'static str) -> Shown {
    Shown { offers: vec![link(id, name, file(name, name))], ..Shown::default() }
}

#[tokio::test]
async fn every_requisition_of_an_order_is_followed_once() {
    let stage = Stage::new();
    let portal = bundled(vec![], vec![Shown::default(), lists(1, "a.txt"), lists(2, "b.txt")]);
    assert_eq!(names(&stage.collect(&portal).await.unwrap()), ["a.txt", "b.txt"]);
    assert_eq!(portal.state().visits.len(), 4);
}

#[tokio::test]
async fn a_requisition_that_names_other_orders_alone_is_not_the_orders() {
    let stage = Stage::new();
    let other = Shown { orders: "PO n\u{ba} 5555", ..lists(1, "secret.txt") };
    let own = Shown { orders: "PO n\u{ba} 5555 PO n\u{ba} 7", ..lists(2, "quote.txt") };
    let portal = bundled(vec![], vec![other.clone(), own]);
    // but the order's own page says that it is the order's, so one of the two is wrong
    let error = stage.failure(&portal).await;
    assert!(error.message.contains("PO7") && error.message.contains("5555"), "{error}");
    assert_eq!((error.kind, names(&error.receipt.unwrap())), (FailureKind::PageChanged, vec!["quote.txt"]));
    let alone = stage.failure(&bundled(vec![], vec![other.clone()])).await;
    assert_eq!((alone.kind, alone.receipt.unwrap().files.len()), (FailureKind::PageChanged, 0));
    // one that is only mentioned may well be another order's
    let portal = bundled(vec![], vec![other]);
    if let Some(page) = portal.state().pages.get_mut(ORDER) {
        page.mentioned = std::mem::take(&mut page.requisitions);
    }
    let mentioned = stage.collect(&portal).await.unwrap();
    assert_eq!((mentioned.listed_count, mentioned.is_complete()), (0, true));
}

#[tokio::test]
async fn a_text_among_the_attachments_is_no_file_that_would_make_a_requisition_needless() {
    for rule in [RequisitionRule::WhenEmpty, RequisitionRule::WhenNoPdf] {
        let mut config = config();
        config.site.requisition = rule;
        let portal = bundled(vec![], vec![lists(1, "a.txt")]);
        portal.state().pages.get_mut(ORDER).unwrap().notes = [vec!["see drawing.pdf"], vec![]];
        let receipt = Stage::with(&config).collect(&portal).await.unwrap();
        assert_eq!((names(&receipt), receipt.left_out.len(), receipt.listed_count), (vec!["a.txt"], 1, 2), "{rule}");
    }
}

#[tokio::test]
async fn a_text_that_comes_with_a_later_look_is_named_too() {
    let portal = order(vec![link(1, "a.txt", file("a.txt", "a"))]);
    portal.state().pages.get_mut(ORDER).unwrap().notes = [vec!["first"], vec!["second"]];
    let receipt = Stage::new().collect(&portal).await.unwrap();
    let named: Vec<_> = receipt.left_out.iter().map(|other| other.name.as_str()).collect();
    assert_eq!((named, receipt.listed_count), (vec!["first", "second"], 3));
}

#[tokio::test]
async fn a_requisition_that_may_not_be_seen_does_not_cost_what_the_others_have() {
    let stage = Stage::new();
    let denied = || Shown { has_marker: false, notice: "Access denied", ..Shown::default() };
    let error = stage.failure(&bundled(vec![], vec![denied(), lists(1, "a.txt")])).await;
    assert_eq!((error.kind, names(&error.receipt.unwrap())), (FailureKind::RequisitionDenied, vec!["a.txt"]));
}

#[tokio::test]
async fn what_a_requisition_has_is_fetched_also_if_the_orders_own_page_proves_nothing() {
    let stage = Stage::new();
    let portal = bundled(vec![], vec![lists(1, "a.txt")]);
    let signs = json!({ "isComplete": true, "saysNone": false, "areas": [{ "count": 0, "shown": 0 }] });
    portal.state().pages.get_mut(ORDER).unwrap().signs = signs;
    let error = stage.failure(&portal).await;
    assert_eq!((error.kind, names(&error.receipt.unwrap())), (FailureKind::PageChanged, vec!["a.txt"]));
}

#[tokio::test]
async fn a_requisition_that_a_comment_mentions_is_the_orders_only_if_its_page_says_so() {
    let stage = Stage::new();
    let other = Shown { orders: "PO n\u{ba} 5555", ..lists(1, "secret.txt") };
    let unnamed = lists(2, "unnamed.txt");
    let named = Shown { orders: "PO n\u{ba} 7", ..lists(3, "named.txt") };
    let linking = Shown { orders_linked: vec![format!("{BASE}{ORDER}?tab=1#top")], ..lists(4, "linked.txt") };
    let denied = Shown { has_marker: false, notice: "Access denied", ..Shown::default() };
    let portal = bundled(vec![], vec![other, unnamed, named, linking, denied]);
    let links = std::mem::take(&mut portal.state().pages.get_mut(ORDER).unwrap().requisitions);
    portal.state().pages.get_mut(ORDER).unwrap().mentioned = links;
    assert_eq!(names(&stage.collect(&portal).await.unwrap()), ["named.txt", "linked.txt"]);
}

#[tokio::test]
async fn a_requisition_that_is_linked_only_after_a_click_is_followed() {
    let mut config = config();
    config.site.requisition = RequisitionRule::Always;
    let own = vec![link(9, "own.txt", file("own.txt", "own"))];
    let portal = bundled(own, vec![lists(1, "a.txt")]);
    if let Some(page) = portal.state().pages.get_mut(ORDER) {
        page.late_requisitions = std::mem::take(&mut page.requisitions);
    }
    assert_eq!(names(&Stage::with(&config).collect(&portal).await.unwrap()), ["own.txt", "a.txt"]);
}

#[tokio::test]
async fn files_of_one_name_on_several_pages_are_several_files() {
    let mut config = config();
    config.site.requisition = RequisitionRule::Always;
    let uuid = |end: u32, text| {
        let href = Some(format!("{BASE}/files/3f1c2a9e-77b0-4d53-9a51-0123456789a{end}"));
        Offer { href, ..link(end, "image001.png", file("image001.png", text)) }
    };
    let page = |offers| Shown { offers, ..Shown::default() };
    let press = |text| button("scan.txt", file("scan.txt", text));
    let portal = bundled(
        vec![uuid(1, "one")],
        vec![page(vec![uuid(2, "two"), press("three")]), page(vec![uuid(3, "four"), press("five")])],
    );
    let receipt = Stage::with(&config).collect(&portal).await.unwrap();
    assert_eq!((receipt.files.len(), receipt.listed_count, receipt.repeated_count), (5, 5, 0));
}
