//! What a manifest is good for: an order of which something lacks, and a folder that is looked at later.

use std::fs;

use coupa_batch::demo::{DemoPortal, FaultRule, PortalFault, RequestTarget};
use coupa_batch::model::PoNumber;
use rustix::process::Signal;

use crate::harness::command::{TestEnv, portal, statuses};
use crate::needs_browser;

/// The order with the most attachments.
fn largest(portal: &DemoPortal) -> (PoNumber, u64) {
    let count = |po: &PoNumber| portal.expected(po).unwrap().files.len() as u64;
    let po = portal.orders().into_iter().max_by_key(count).unwrap();
    let files = count(&po);
    assert!(files >= 3, "{po} has {files}");
    (po, files)
}

fn wrong_file(po: &PoNumber) -> FaultRule {
    FaultRule::new(PortalFault::WrongType, RequestTarget::File).for_order(po)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_order_that_is_tried_again_only_the_lacking_file_is_fetched() {
    needs_browser!();
    let portal = portal(6).await;
    let env = TestEnv::new();
    let (po, files) = largest(&portal);
    portal.faults().add(wrong_file(&po).times(1));
    let call = env.run(&portal, [po.to_string()]).arg("--workers").arg("1");
    call.end().await.assert(0, &[]);
    assert_eq!(portal.counts().files_served, files + 1, "each once, and the one that was wrong twice");
    let order = &env.report()["orders"][0];
    assert_eq!((&order["status"], &order["attempts"]), (&"COMPLETED".into(), &2.into()));
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrived_before_a_kill_is_not_fetched_again_after_it() {
    needs_browser!();
    let portal = portal(6).await;
    let env = TestEnv::new();
    let (po, files) = largest(&portal);
    portal.faults().add(wrong_file(&po).times(1));
    let call = env.run(&portal, [po.to_string()]).arg("-v").arg("--workers").arg("1");
    let mut run = call.env("COUPA_BATCH_RETRY_DELAY", "1h").env("COUPA_BATCH_RETRY_DELAY_MAX", "1h").start();
    run.says("an attachment is missing").await;
    // the attempt has ended once the order waits for its next one
    let waits = async {
        loop {
            let told = env.call(["status", "--json"]).end().await;
            let told: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
            if told["running"] == 0 {
                break;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), waits).await.unwrap();
    run.signal(Signal::KILL);
    run.end().await;
    assert_eq!(portal.counts().files_served, files);
    let told = env.call(["status", "--watch"]).end().await;
    assert!(told.stdout.contains("crashed with 1 order open"), "{told}");

    env.login(env.call(["resume"]), &portal).end().await.assert(0, &[]);
    assert_eq!(portal.counts().files_served, files + 1, "only the one that lacked");
    assert_eq!(statuses(&env.report())[&po.to_string()], "COMPLETED");
    env.call(["verify"]).end().await.assert(0, &[]);
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_changed_extra_or_gone_is_found_later() {
    needs_browser!();
    let portal = portal(6).await;
    let env = TestEnv::new();
    let pos: Vec<_> = portal.orders().iter().map(ToString::to_string).collect();
    env.run(&portal, pos.iter()).arg("--workers").arg("1").end().await;
    portal.stop().await;
    let well = env.call(["verify"]).arg(env.out()).end().await;
    well.assert(0, &[]);
    assert!(well.stdout.contains("unchanged"), "{well}");

    let report = env.report();
    let with_files: Vec<_> =
        report["orders"].as_array().unwrap().iter().filter(|order| order["files"][0].is_object()).collect();
    let path = |order: usize, file: usize| env.out().join(with_files[order]["files"][file]["path"].as_str().unwrap());
    fs::remove_file(path(0, 0)).unwrap();
    let longer = [fs::read(path(1, 0)).unwrap(), vec![0]].concat();
    fs::write(path(1, 0), longer).unwrap();
    fs::write(path(1, 0).with_file_name("notes.txt"), "a person's").unwrap();
    fs::remove_dir_all(path(2, 0).parent().unwrap()).unwrap();
    let ended = env.call(["verify"]).arg(env.out()).arg("--json").end().await;
    ended.assert(3, &[]);
    let found: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let mut words: Vec<_> =
        found["findings"].as_array().unwrap().iter().map(|finding| finding["what"].as_str().unwrap()).collect();
    words.sort_unstable();
    assert_eq!(words, ["changed", "extra", "gone", "missing"]);

    let one = env.call(["verify"]).arg(path(1, 0).parent().unwrap()).end().await;
    one.assert(3, &[]);
    assert!(one.stdout.contains("changed: ") && one.stdout.contains("extra: "), "{one}");
    env.call(["verify", "nowhere"]).end().await.assert_refusal(2, &["is not a folder"]);
    env.call(["verify"]).arg(env.path()).end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_run_fetches_only_what_an_earlier_one_could_not() {
    needs_browser!();
    let portal = portal(6).await;
    let env = TestEnv::new();
    let (po, files) = largest(&portal);
    portal.faults().add(wrong_file(&po).times(1));
    let call = || env.run(&portal, [po.to_string()]).arg("--workers").arg("1");
    call().arg("--retries").arg("0").end().await.assert(3, &[]);
    assert_eq!(statuses(&env.report())[&po.to_string()], "PARTIAL");
    call().arg("--retry-failed").end().await.assert(0, &[]);
    assert_eq!(portal.counts().files_served, files + 1);
    let report = env.report();
    assert_eq!(statuses(&report)[&po.to_string()], "COMPLETED");

    let file = env.out().join(report["orders"][0]["files"][0]["path"].as_str().unwrap());
    fs::write(&file, "not what it was").unwrap();
    call().end().await.assert(0, &[]);
    assert_eq!(portal.counts().files_served, files + 2, "only the one that was changed");
    call().arg("--force").end().await.assert(0, &[]);
    assert_eq!(portal.counts().files_served, 2 * files + 2);
    portal.stop().await;
}
