//! "No attachments" is said of pages that show it, and of no others.

use std::time::Duration;

use coupa_batch::PoNumber;
use coupa_batch::demo::{DemoPortal, FaultRule, ListChange, LoadingSign, PortalFault, RequestTarget};
use coupa_batch::model::{FileOrigin, OrderStatus};

use crate::harness::command::{QUICK_SETTLE, TestEnv, assert_all_there, largest, portal, statuses};
use crate::needs_browser;

/// The orders whose own pages list attachments.
fn with_files(portal: &DemoPortal) -> Vec<PoNumber> {
    let is_own = |po: &PoNumber| {
        let files = portal.expected(po).unwrap().files;
        !files.is_empty() && files.iter().all(|file| file.source == FileOrigin::Order)
    };
    portal.orders().into_iter().filter(is_own).collect()
}

#[track_caller]
fn order_of(report: &serde_json::Value, po: &PoNumber) -> serde_json::Value {
    let orders = report["orders"].as_array().unwrap();
    orders.iter().find(|order| order["po_number"] == po.to_string()).unwrap().clone()
}

/// From now on the order's page lists its attachments in another way.
fn relist(portal: &DemoPortal, po: &PoNumber, change: ListChange) {
    portal.faults().add(FaultRule::new(PortalFault::Relisted(change), RequestTarget::OrderPage).for_order(po));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_the_recipe_does_not_find_is_never_called_empty() {
    needs_browser!();
    let portal = portal(8).await;
    let env = TestEnv::new();
    let changes = [
        (ListChange::Redesigned, "it says \"Attachments ("),
        (ListChange::Moved, "it says \"Attachments ("),
        (ListChange::Gone, "it has no \"div.commentAttachments\""),
    ];
    let pos = with_files(&portal);
    for (po, (change, _)) in pos.iter().zip(&changes) {
        relist(&portal, po, *change);
    }
    let changed = pos[..changes.len()].iter().map(ToString::to_string);
    // files of the requisition would be fetched all the same
    let never = ("COUPA_BATCH_REQUISITION", "never");
    env.run(&portal, changed).args(["--retries", "0"]).env(never.0, never.1).end().await.assert(3, &[]);
    let report = env.report();
    for (po, (_, why)) in pos.iter().zip(changes) {
        let order = order_of(&report, po);
        let told = order["error"]["message"].as_str().unwrap();
        assert_eq!((&order["status"], &order["error"]["kind"]), (&"FAILED".into(), &"page_changed".into()), "{told}");
        assert!(told.contains(why), "{told}");
        let evidence = order["error"]["evidence"].as_str().unwrap();
        assert!(env.out().join(evidence).join("page.png").exists(), "{evidence}");
    }
    let base = portal.base_url();
    let gone = pos[2].to_string();
    let call = env.call(["recipe", "check", "--base-url", base.as_str(), "--po", &gone]);
    let ended = env.login(call, &portal).end().await;
    ended.assert(3, &[]);
    assert!(
        ended.stdout.contains("does not show that there is none") && ended.stdout.contains("0 attachments"),
        "{ended}"
    );

    // something in the area that no selector of the recipe knows
    portal.faults().clear();
    let drifted = "extends = \"coupa\"\n[attachments]\nlinks = [{ css = \".gone\", name = [\"text\"] }]\nbuttons = []\n\
                   wider_links = []\n";
    let recipe = env.write("drifted.toml", format!("{drifted}{QUICK_SETTLE}"));
    let call =
        env.run(&portal, [largest(&portal).to_string()]).args(["--force", "--retries", "0"]).env(never.0, never.1);
    call.arg("--recipe").arg(&recipe).end().await.assert(3, &["which could be one"]);
    assert_eq!(portal.counts().files_served, 0);
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_comes_late_is_waited_for_as_long_as_the_page_says_so() {
    needs_browser!();
    let portal = portal(8).await;
    let env = TestEnv::new();
    // a page is believed after a second and a half, unless it says that something is still to come
    let settle = "[settle]\nafter_load = \"300ms\"\nunchanged_for = \"200ms\"\nempty_for = \"1s\"\nat_most = \"8s\"\n";
    let recipe = env.write("patient.toml", format!("extends = \"coupa\"\n{settle}"));
    let pos = with_files(&portal);
    let late = [(900, LoadingSign::Silence), (3_500, LoadingSign::Busy), (3_500, LoadingSign::Calls)];
    for (po, (by, sign)) in pos.iter().zip(late) {
        relist(&portal, po, ListChange::Late(Duration::from_millis(by), sign));
    }
    // a sign that never goes away is no emptiness either
    let never = &pos[late.len()];
    relist(&portal, never, ListChange::Late(Duration::from_secs(600), LoadingSign::Busy));
    let call = env.run(&portal, pos[..=late.len()].iter().map(ToString::to_string)).arg("--recipe").arg(&recipe);
    call.args(["--workers", "2", "--retries", "0"]).end().await.assert(3, &["still to come"]);
    let report = env.report();
    for (po, (_, sign)) in pos.iter().zip(late) {
        let order = order_of(&report, po);
        let files = order["files"].as_array().unwrap();
        assert_eq!(order["status"], "COMPLETED", "{sign:?}: {order:#}");
        assert_eq!(files.len(), portal.expected(po).unwrap().files.len(), "{sign:?}: {order:#}");
        assert!(files.iter().all(|file| file["source"] == "order"), "{sign:?}: {order:#}");
    }
    assert_eq!(order_of(&report, never)["error"]["kind"], "step_timeout");
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_which_a_part_is_still_to_come_is_not_complete() {
    needs_browser!();
    let portal = portal(4).await;
    let env = TestEnv::new();
    // links and buttons: the buttons are there at once
    let po = portal.orders()[2].clone();
    let count = portal.expected(&po).unwrap().files.len();
    let files = || env.report()["orders"][0]["files"].as_array().unwrap().len();
    let slow = FaultRule::new(PortalFault::Slow(Duration::from_secs(4)), RequestTarget::List).for_order(&po);
    portal.faults().add(slow);
    portal.faults().add(FaultRule::new(PortalFault::LateList, RequestTarget::OrderPage).for_order(&po));
    env.run(&portal, [po.to_string()]).end().await.assert(0, &[]);
    assert_eq!(files(), count);

    portal.faults().clear();
    relist(&portal, &po, ListChange::Folded);
    env.run(&portal, [po.to_string()]).arg("--force").end().await.assert(0, &[]);
    assert_eq!(files(), count);

    portal.faults().clear();
    relist(&portal, &po, ListChange::Counted);
    let call = env.run(&portal, [po.to_string()]).arg("--force").env("COUPA_BATCH_RETRY_LIMIT", "0");
    call.end().await.assert(3, &[&format!("Attachments ({count})"), "1 more attachment"]);
    assert_eq!((&env.report()["orders"][0]["status"], files()), (&"PARTIAL".into(), count - 1));
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_show_that_they_have_nothing_still_end_without_attachments() {
    needs_browser!();
    let portal = portal(8).await;
    let env = TestEnv::new();
    let numbers: Vec<_> = portal.orders().iter().map(ToString::to_string).collect();
    let ended = env.run(&portal, &numbers).args(["--workers", "2"]).end().await;
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    assert_all_there(&env.out(), &portal);
    assert!(statuses(&env.report()).values().any(|status| status == OrderStatus::NoAttachments.as_str()));
    portal.stop().await;
}
