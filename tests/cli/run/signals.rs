//! One signal drains, two abort, three kill; whatever was done is told, and nothing is left.

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::command::{TestEnv, portal, processes_of, statuses};
use crate::needs_browser;

#[tokio::test(flavor = "multi_thread")]
async fn one_signal_lets_the_running_order_finish() {
    needs_browser!();
    let portal = portal(3).await;
    let env = TestEnv::new();
    let pos = portal.orders();
    portal.faults().hold(&pos[0]);
    let mut run = env.run(&portal, pos.iter().map(ToString::to_string)).start();
    run.works_on(&portal, &pos[0]).await;
    run.signal(Signal::INT);
    run.says("stopping: ").await;
    portal.faults().release_all();
    let ended = run.end().await;
    ended.assert(4, &["no new order starts", "NOT_DONE", "report: "]);
    let report = env.report();
    let statuses = statuses(&report);
    assert_eq!(statuses[&pos[0].to_string()], portal.expected(&pos[0]).unwrap().status.to_string());
    for po in &pos[1..] {
        assert_eq!(statuses[&po.to_string()], "NOT_DONE");
        assert!(!portal.asked().contains(po), "{po} was started after the signal");
    }
    assert!(report["summary"]["stopped_because"].is_string(), "{report:#}");
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_leaves_the_running_order_open() {
    needs_browser!();
    let portal = portal(3).await;
    let env = TestEnv::new();
    let pos = portal.orders();
    portal.faults().hold_files(&pos[0]);
    let words: Vec<_> = pos.iter().map(ToString::to_string).chain(["--json".to_owned()]).collect();
    let mut run = env.run(&portal, &words).start();
    run.works_on(&portal, &pos[0]).await;
    run.signal(Signal::INT);
    run.says("stopping: ").await;
    run.signal(Signal::INT);
    let ended = run.end().await;
    ended.assert(4, &["aborting: "]);
    let object: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(object["exit_code"], 4);
    assert!(statuses(&env.report()).values().all(|status| status == "NOT_DONE"), "{ended}");
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_signal_kills_what_does_not_close_and_ends_with_130() {
    needs_browser!();
    let portal = portal(2).await;
    let env = TestEnv::new();
    let pos = portal.orders();
    portal.faults().hold(&pos[0]);
    let mut run = env.run(&portal, pos.iter().map(ToString::to_string)).start();
    run.works_on(&portal, &pos[0]).await;
    run.signal(Signal::INT);
    run.says("stopping: ").await;
    // a driver that no longer answers: closing it politely takes longer than a third signal
    for (pid, line) in processes_of(env.path()) {
        if line.contains("--port=0") {
            kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), Signal::STOP).unwrap();
        }
    }
    run.signal(Signal::INT);
    run.says("aborting: ").await;
    run.signal(Signal::INT);
    let ended = run.end().await;
    ended.assert(130, &["killed the browsers"]);
    assert!(statuses(&env.report()).values().all(|status| status == "NOT_DONE"), "{ended}");
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test]
async fn a_second_signal_while_browsers_do_not_start_ends_the_run_at_once() {
    let env = TestEnv::new();
    let tells =
        |what: &str| format!("[ \"$1\" = --version ] && {{ echo '{what}'; exit; }}\necho hello >&2; exec sleep 1000");
    let browser = env.script("browser", &tells("Chromium 156.0.1.2"));
    let driver = env.script("driver", &tells("ChromeDriver 156.0.1.2 (x)"));
    let mut run = env
        .call(["run", "PO7", "-v", "--base-url", &env.silent_portal()])
        .arg("--browser-path")
        .arg(browser)
        .arg("--driver-path")
        .arg(driver)
        .env("COUPA_BATCH_STARTUP_TIMEOUT", "10m")
        .start();
    run.says("hello").await;
    // the first one waits for the browser: killing one in the middle of its start is the surest way to leave something
    run.signal(Signal::INT);
    run.says("stopping: ").await;
    run.signal(Signal::INT);
    let ended = run.end().await;
    ended.assert(4, &["aborting: "]);
    assert_eq!(statuses(&env.report())["PO7"], "NOT_DONE");
    env.assert_nothing_left().await;
}
