//! "No attachments" is said of pages that show it, and of no others.

use std::time::Duration;

use coupa_batch::PoNumber;
use coupa_batch::demo::{DemoPortal, FaultRule, ListChange, LoadingSign, PortalFault, RequestTarget};
use coupa_batch::model::{FileOrigin, OrderStatus};

use crate::harness::command::{Desk, assert_all_there, largest, portal, statuses};
use crate::needs_browser;

/// From now on the order's page lists its attachments in another way.
fn relist(portal: &DemoPortal, po: &PoNumber, change: ListChange) {
    portal.faults().clear();
    portal.faults().add(FaultRule::new(PortalFault::Relisted(change), RequestTarget::OrderPage).for_order(po));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_the_recipe_does_not_find_is_never_called_empty() {
    needs_browser!();
    let portal = portal(4).await;
    let desk = Desk::new();
    let po = largest(&portal);
    // files of the requisition would be fetched all the same
    let run = || desk.run(&portal, [po.to_string()]).arg("--force").env("COUPA_BATCH_REQUISITION", "never");
    for (change, why) in [
        (ListChange::Redesigned, "it says \"Attachments ("),
        (ListChange::Moved, "it says \"Attachments ("),
        (ListChange::Gone, "it has no \"div.commentAttachments\""),
    ] {
        relist(&portal, &po, change);
        let ended = run().end().await;
        ended.assert(3, &[]);
        let order = &desk.report()["orders"][0];
        let told = order["error"]["message"].as_str().unwrap();
        assert_eq!((&order["status"], &order["error"]["kind"]), (&"FAILED".into(), &"page_changed".into()), "{told}");
        assert!(told.contains(why), "{told}");
        let evidence = order["error"]["evidence"].as_str().unwrap();
        assert!(desk.out().join(evidence).join("page.png").exists(), "{evidence}");
    }
    let base = portal.base_url();
    let call = desk.call(["recipe", "check", "--base-url", base.as_str(), "--po", &po.to_string()]);
    let ended = desk.login(call, &portal).end().await;
    ended.assert(3, &[]);
    assert!(
        ended.stdout.contains("does not show that there is none") && ended.stdout.contains("0 attachments"),
        "{ended}"
    );

    // something in the area that no selector of the recipe knows
    portal.faults().clear();
    let recipe = desk.write(
        "drifted.toml",
        "extends = \"coupa\"\n[attachments]\nlinks = [{ css = \".gone\", name = [\"text\"] }]\nbuttons = []\nwider_links = []\n",
    );
    let ended = run().arg("--recipe").arg(&recipe).end().await;
    ended.assert(3, &["which could be one"]);
    assert_eq!(portal.counts().files_served, 0);
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_comes_late_is_waited_for_as_long_as_the_page_says_so() {
    needs_browser!();
    let portal = portal(4).await;
    let desk = Desk::new();
    let po = largest(&portal);
    for (by, sign) in [(2_500, LoadingSign::Silence), (6_000, LoadingSign::Busy), (6_000, LoadingSign::Calls)] {
        relist(&portal, &po, ListChange::Late(Duration::from_millis(by), sign));
        let ended = desk.run(&portal, [po.to_string()]).arg("--force").end().await;
        ended.assert(0, &[]);
        let report = desk.report();
        let files = report["orders"][0]["files"].as_array().unwrap();
        assert_eq!(files.len(), portal.expected(&po).unwrap().files.len(), "{sign:?}: {report:#}");
        let own = files.iter().all(|file| file["source"] == "order");
        assert!(own || portal.expected(&po).unwrap().files.iter().any(|file| file.source == FileOrigin::Requisition));
    }
    // a sign that never goes away is no emptiness either
    relist(&portal, &po, ListChange::Late(Duration::from_secs(600), LoadingSign::Busy));
    let call = desk.run(&portal, [po.to_string()]).arg("--force").env("COUPA_BATCH_RETRY_LIMIT", "0");
    call.end().await.assert(3, &["still to come"]);
    assert_eq!(desk.report()["orders"][0]["error"]["kind"], "step_timeout");
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_which_a_part_is_still_to_come_is_not_complete() {
    needs_browser!();
    let portal = portal(4).await;
    let desk = Desk::new();
    // links and buttons: the buttons are there at once
    let po = portal.orders()[2].clone();
    let count = portal.expected(&po).unwrap().files.len();
    let files = || desk.report()["orders"][0]["files"].as_array().unwrap().len();
    let slow = FaultRule::new(PortalFault::Slow(Duration::from_secs(4)), RequestTarget::List).for_order(&po);
    portal.faults().add(slow);
    portal.faults().add(FaultRule::new(PortalFault::LateList, RequestTarget::OrderPage).for_order(&po));
    desk.run(&portal, [po.to_string()]).end().await.assert(0, &[]);
    assert_eq!(files(), count);

    relist(&portal, &po, ListChange::Folded);
    desk.run(&portal, [po.to_string()]).arg("--force").end().await.assert(0, &[]);
    assert_eq!(files(), count);

    relist(&portal, &po, ListChange::Counted);
    let call = desk.run(&portal, [po.to_string()]).arg("--force").env("COUPA_BATCH_RETRY_LIMIT", "0");
    call.end().await.assert(3, &[&format!("Attachments ({count})"), "1 more attachment"]);
    assert_eq!((&desk.report()["orders"][0]["status"], files()), (&"PARTIAL".into(), count - 1));
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_show_that_they_have_nothing_still_end_without_attachments() {
    needs_browser!();
    let portal = portal(8).await;
    let desk = Desk::new();
    let numbers: Vec<_> = portal.orders().iter().map(ToString::to_string).collect();
    let ended = desk.run(&portal, &numbers).args(["--workers", "2"]).end().await;
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    assert_all_there(&desk.out(), &portal);
    assert!(statuses(&desk.report()).values().any(|status| status == OrderStatus::NoAttachments.as_str()));
    portal.stop().await;
}
