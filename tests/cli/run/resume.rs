//! A run that was killed goes on; what is complete is not fetched again; the journal tells how it stands.

use rustix::process::Signal;

use crate::harness::command::{TestEnv, assert_all_there, portal, statuses};
use crate::needs_browser;

#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_run_is_resumed_without_its_input_and_told_from_another_terminal() {
    needs_browser!();
    let portal = portal(3).await;
    let env = TestEnv::new();
    let pos: Vec<_> = portal.orders();
    portal.faults().hold(&pos[1]);
    let mut run = env.run(&portal, pos.iter().map(ToString::to_string)).arg("--workers").arg("1").start();
    run.works_on(&portal, &pos[1]).await;
    // the next order starts while the folder of the one before gets its final name
    run.says(&format!("{} COMPLETED", pos[0])).await;
    let told = env.call(["status", "--json"]).end().await;
    let told: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!((&told["orders"], &told["open"], &told["running"]), (&3.into(), &2.into(), &1.into()), "{told:#}");
    assert!(told["at_work"].as_str().unwrap().starts_with(&format!("process {} since ", run.pid())), "{told:#}");
    run.signal(Signal::TERM);
    run.says("stopping: ").await;
    run.signal(Signal::TERM);
    run.end().await.assert(4, &[]);
    portal.faults().release_all();

    env.call(["resume", "--out", "elsewhere"]).end().await.assert_refusal(2, &["no journal"]);

    let asked = portal.asked().len();
    let resumed = env.login(env.call(["resume"]), &portal).end().await;
    resumed.assert(0, &["continuing the unfinished run", "2 of 3 orders are open"]);
    assert!(!portal.asked()[asked..].contains(&pos[0]), "what was settled is not asked for again");
    assert_all_there(&env.out(), &portal);
    let nothing = env.login(env.call(["resume"]), &portal).end().await;
    nothing.assert_refusal(2, &["nothing to resume"]);
    std::fs::remove_file(env.out().join("report.csv")).unwrap();
    env.call(["report"]).end().await.assert(0, &[]);
    assert!(env.out().join("report.csv").exists());
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_complete_is_fetched_again_only_when_it_changed_or_is_asked_for() {
    needs_browser!();
    let portal = portal(2).await;
    let env = TestEnv::new();
    let pos: Vec<_> = portal.orders().iter().map(ToString::to_string).collect();
    let call = || env.run(&portal, pos.iter()).arg("--workers").arg("1");
    call().end().await.assert(0, &[]);
    let first = env.report();
    let served = portal.counts().files_served;

    call().end().await.assert(0, &["already complete and unchanged"]);
    assert_eq!(portal.counts().files_served, served);
    assert_eq!(portal.counts().logins_accepted, 1, "no browser is started for nothing");
    let again = env.report();
    assert_eq!(again["orders"][0]["reused_from"], first["run"]);
    assert_eq!(again["orders"][0]["files"], first["orders"][0]["files"]);

    let changed = env.out().join(first["orders"][0]["files"][0]["path"].as_str().unwrap());
    std::fs::write(&changed, "not what it was").unwrap();
    call().end().await.assert(0, &[]);
    assert!(portal.counts().files_served > served, "the changed one's order is fetched again");
    assert!(env.report()["orders"][0]["reused_from"].is_null());
    assert!(!env.report()["orders"][1]["reused_from"].is_null());

    let served = portal.counts().files_served;
    call().arg("--force").end().await.assert(0, &[]);
    assert!(portal.counts().files_served >= served + 2);
    call().arg("--retry-failed").end().await.assert(0, &["nothing to fetch"]);
    assert_eq!(statuses(&env.report()).len(), 2, "a call with nothing to do leaves the report alone");
    portal.stop().await;
}
