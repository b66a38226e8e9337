//! Answers that are meant to do harm, or do it without meaning to.

use coupa_batch::demo::{DemoPortal, FaultRule, PortalFault, RequestTarget};
use coupa_batch::model::PoNumber;

use crate::harness::command::{Ended, TestEnv, largest, portal, report_in};
use crate::needs_browser;

/// An order with files, of which the first one's answer goes wrong, each time.
async fn fetch(fault: PortalFault, settings: &[(&str, &str)]) -> (TestEnv, DemoPortal, PoNumber, Ended) {
    let portal = portal(4).await;
    let env = TestEnv::new();
    let po = largest(&portal);
    portal.faults().add(FaultRule::new(fault, RequestTarget::File).for_order(&po));
    let mut call = env.run(&portal, [po.to_string()]);
    for (name, value) in settings {
        call = call.env(name, value);
    }
    let ended = call.end().await;
    (env, portal, po, ended)
}

/// What the report says of its first order's first missing file.
fn first_missing(env: &TestEnv) -> serde_json::Value {
    report_in(&env.out())["orders"][0]["missing"][0]["error"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_is_led_to_another_host_is_stopped() {
    needs_browser!();
    // no test reaches a host of the world: that of this machine is let through for once
    let (env, portal, _, ended) = fetch(PortalFault::Elsewhere, &[("COUPA_BATCH_PRIVATE_HOSTS", "localhost")]).await;
    ended.assert(3, &[]);
    let missing = first_missing(&env);
    assert_eq!(missing["kind"], "blocked_host", "{missing}");
    assert!(missing["message"].as_str().unwrap().contains("localhost"), "{missing}");
    assert!(missing["message"].as_str().unwrap().contains("allowed_hosts"), "{missing}");
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_an_end_is_stopped_at_the_largest_size_and_not_tried_again() {
    needs_browser!();
    let (env, portal, _, ended) = fetch(PortalFault::Endless, &[("COUPA_BATCH_FILE_MAX_SIZE", "2MB")]).await;
    ended.assert(3, &[]);
    let missing = first_missing(&env);
    assert_eq!(missing["kind"], "too_large", "{missing}");
    assert!(missing["message"].as_str().unwrap().contains("file_max_size"), "{missing}");
    assert_eq!(env.report()["orders"][0]["attempts"], 1);
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_compressed_on_its_way_arrives_as_it_is_and_a_bomb_is_stopped() {
    needs_browser!();
    let (env, portal, po, ended) = fetch(PortalFault::Compressed, &[]).await;
    ended.assert(0, &[]);
    let report = env.report();
    let mut found: Vec<_> =
        report["orders"][0]["files"].as_array().unwrap().iter().map(|file| &file["sha256"]).collect();
    let expected = portal.expected(&po).unwrap();
    let mut wanted: Vec<_> = expected.files.iter().map(|file| serde_json::json!(file.sha256)).collect();
    found.sort_by_key(ToString::to_string);
    wanted.sort_by_key(ToString::to_string);
    assert_eq!(found, wanted.iter().collect::<Vec<_>>());
    portal.stop().await;

    let (env, portal, _, ended) = fetch(PortalFault::Bomb, &[("COUPA_BATCH_FILE_MAX_SIZE", "4MB")]).await;
    ended.assert(3, &[]);
    assert_eq!(first_missing(&env)["kind"], "too_large");
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_files_are_too_many_bytes_together_keeps_those_that_fit() {
    needs_browser!();
    let portal = portal(4).await;
    let env = TestEnv::new();
    let sizes = |po: &PoNumber| portal.expected(po).unwrap().files.iter().map(|file| file.size).collect::<Vec<_>>();
    let po = portal.orders().into_iter().max_by_key(|po| sizes(po).len()).unwrap();
    let limit = sizes(&po).iter().sum::<u64>() - 1;
    let call = env.run(&portal, [po.to_string()]).env("COUPA_BATCH_ORDER_MAX_SIZE", format!("{limit}B"));
    call.end().await.assert(3, &[]);
    let order = env.report()["orders"][0].clone();
    assert_eq!(order["status"], "PARTIAL", "{order:#}");
    assert!(order["missing"][0]["error"]["message"].as_str().unwrap().contains("order_max_size"), "{order:#}");
    env.run(&portal, [po.to_string()]).end().await.assert(0, &[]);
    assert_eq!(env.report()["orders"][0]["status"], "COMPLETED");
    portal.stop().await;
}
