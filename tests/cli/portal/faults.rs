//! Portals where much goes wrong: logins that end, errors, resets, truncated bodies, throttling.

use std::collections::BTreeMap;
use std::time::Duration;

use coupa_batch::demo::{FaultRule, LoginAnswer, PortalFault, RequestTarget, RetryAfter};

use crate::harness::command::{TestEnv, assert_all_there, portal};
use crate::needs_browser;

#[tokio::test(flavor = "multi_thread")]
async fn every_file_of_a_batch_comes_through_all_faults_at_once_and_each_ended_login_is_made_once() {
    needs_browser!();
    let full: Option<usize> = std::env::var("FAULT_ORDERS").ok().map(|text| text.parse().unwrap());
    let orders = full.unwrap_or(10);
    println!("FAULT_ORDERS={orders}");
    let portal = portal(orders).await;
    let env = TestEnv::new();
    // in a shorter run each comes sooner, so that it comes at all, and only a few times
    let pos = portal.orders();
    let file_count: usize = pos.iter().map(|po| portal.expected(po).unwrap().files.len()).sum();
    let pages = |every: u32| every.min(pos.len() as u32 / 2);
    let files = |every: u32| every.min(file_count as u32 / 2);
    let faults = [
        (PortalFault::LoginEnded(LoginAnswer::Redirect), RequestTarget::OrderPage, pages(25)),
        (PortalFault::Status(503), RequestTarget::OrderPage, pages(20)),
        (PortalFault::Throttled(RetryAfter::Seconds(1)), RequestTarget::OrderPage, pages(30)),
        (PortalFault::LoginEnded(LoginAnswer::Page), RequestTarget::File, files(25)),
        (PortalFault::Status(500), RequestTarget::File, files(20)),
        (PortalFault::Throttled(RetryAfter::Seconds(2)), RequestTarget::File, files(37)),
        (PortalFault::Truncated, RequestTarget::File, files(17)),
        (PortalFault::ResetMidway, RequestTarget::File, files(19)),
        (PortalFault::Reset, RequestTarget::File, files(23)),
        (PortalFault::WrongType, RequestTarget::File, files(29)),
        (PortalFault::LoginInstead, RequestTarget::File, files(41)),
    ];
    for (fault, part, every) in &faults {
        let rule = FaultRule::new(fault.clone(), *part).every(*every);
        let times = if matches!(fault, PortalFault::LoginEnded(_)) { 2 } else { 1 };
        portal.faults().add(if full.is_none() { rule.times(times) } else { rule });
    }
    let call = env.run(&portal, pos.iter().map(ToString::to_string)).arg("--workers").arg("4");
    let run = call.env("COUPA_BATCH_PATIENCE", "5m").env("COUPA_BATCH_DOWNLOAD_TIMEOUT", "5s").start();
    let ended = run.end_within(Duration::from_secs(120 + 5 * orders as u64)).await;
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    assert_all_there(&env.out(), &portal);
    let counts = portal.counts();
    println!("{counts:?}");
    for (fault, part, every) in &faults {
        let struck = portal.struck(fault);
        println!("{fault:?} every {every} of {part:?}: {struck}");
        assert!(struck > 0, "{fault:?} never struck: {counts:?}");
    }
    assert!(counts.logins_ended >= 1, "{counts:?}");
    assert!(counts.logins_accepted <= counts.logins_ended + 1, "each ended login is made once: {counts:?}");
    assert_eq!(counts.logins_refused, 0, "{counts:?}");
    let failures = failures(&env);
    println!("{failures:?}");
    assert!(failures.keys().any(|(kind, _)| kind == "login_required"), "{failures:?}");
    for ((kind, is_counted), count) in &failures {
        let is_the_sites = ["login_required", "throttled", "site_down"].contains(&kind.as_str());
        assert!(!(is_the_sites && *is_counted), "{count} orders spent a try on {kind}: {failures:?}");
    }
    env.call(["verify"]).end().await.assert(0, &[]);
    env.assert_nothing_left().await;
    portal.stop().await;
}

/// How many attempts failed, by kind and by whether that used up a try, from the journal.
fn failures(env: &TestEnv) -> BTreeMap<(String, bool), usize> {
    let journal = rusqlite::Connection::open(env.out().join(".coupa-batch/journal.db")).unwrap();
    let mut query = journal.prepare("SELECT entry FROM entries").unwrap();
    let entries = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let mut counts = BTreeMap::new();
    for entry in entries {
        let entry: serde_json::Value = serde_json::from_str(&entry.unwrap()).unwrap();
        if entry["entry"] == "postponed" {
            let kind = entry["failure"]["kind"].as_str().unwrap().to_owned();
            *counts.entry((kind, entry["counted"].as_bool().unwrap())).or_default() += 1;
        }
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_that_wishes_to_be_left_alone_is_left_alone() {
    needs_browser!();
    let portal = portal(2).await;
    let env = TestEnv::new();
    let pos: Vec<_> = portal.orders().iter().map(ToString::to_string).collect();
    // longer than the pause that the program makes by itself; that a date means the same is proven where it is read
    let wish = RetryAfter::Seconds(5);
    portal.faults().add(FaultRule::new(PortalFault::Throttled(wish), RequestTarget::OrderPage).times(1));
    let call = env.run(&portal, pos.iter()).arg("--workers").arg("1").env("COUPA_BATCH_PATIENCE", "2m");
    let ended = call.end().await;
    ended.assert(0, &["waiting: "]);
    let counts = portal.counts();
    assert_eq!((counts.faults_struck, counts.asked_early), (1, 0), "{ended}");
    assert_all_there(&env.out(), &portal);
    portal.stop().await;
}
