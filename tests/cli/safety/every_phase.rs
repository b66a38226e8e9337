//! Three signals end every command in every phase: what waits for a keyring, a pipe, a browser, a person, a portal or the
//! time of the next try.

use std::io::PipeWriter;
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::time::Duration;

use coupa_batch::demo::{FaultRule, PortalFault, RequestTarget};
use rustix::process::Signal;

use super::every_wait::{ends_at_once, with_idle_driver};
use crate::harness::command::{Call, Running, TestEnv, largest, portal, statuses};
use crate::needs_browser;

/// Scripts as browser and driver that do not tell their versions; returns when one was asked.
async fn with_silent_programs(env: &TestEnv, call: Call) -> Running {
    let slow = "echo > \"$0.asked\"; exec sleep 1000";
    let (browser, driver) = (env.script("browser", slow), env.script("driver", slow));
    let asked = browser.with_extension("asked");
    let run = call.arg("--browser-path").arg(&browser).arg("--driver-path").arg(driver).start();
    env.has_file(&asked).await;
    std::fs::remove_file(asked).unwrap();
    run
}

/// The call with a standard input that stays open.
fn with_open_input(mut call: Call) -> (Call, PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    call.command.stdin(Stdio::from(reader));
    (call, writer)
}

/// The run ends within three signals, and has left its orders open.
async fn ends_open(env: &TestEnv, phase: &str, run: Running) {
    let ended = run.signals(3).await;
    assert!(matches!(ended.code(), Some(4 | 130)), "{phase}: {ended}");
    assert!(!ended.stderr.contains("panicked"), "{phase}: {ended}");
    assert!(statuses(&env.report()).values().any(|status| status == "NOT_DONE"), "{phase}: {ended}");
    env.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_wait_for_the_keyring_end_at_the_first_signal() {
    let env = TestEnv::new();
    let base = env.silent_portal();
    let place = env.path().join("bus");
    let bus = UnixListener::bind(&place).unwrap();
    let calls: [&[&str]; 5] = [
        &["run", "PO7", "--base-url", &base],
        &["login", "--username", "anna", "--base-url", &base],
        &["login", "--save-password", "--username", "anna", "--base-url", &base],
        &["logout", "--base-url", &base],
        &["doctor"],
    ];
    for words in calls {
        let call = env.call(words).env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", place.display()));
        let call = call.env("COUPA_BATCH_BASE_URL", &base);
        let run = call.start();
        let listener = bus.try_clone().unwrap();
        let asked = tokio::task::spawn_blocking(move || listener.accept());
        let _asked = tokio::time::timeout(Duration::from_secs(60), asked).await.expect("it asks").unwrap().unwrap();
        ends_at_once(&env, &words.join(" "), run).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_for_its_orders_ends_at_the_first_signal() {
    let env = TestEnv::new();
    let (call, _open) = with_open_input(env.call(["run", "-", "--base-url", &env.silent_portal()]));
    let run = call.start();
    run.is_in("pipe_read").await;
    ends_at_once(&env, "run -", run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_whose_browser_does_not_tell_its_version_are_ended_by_signals() {
    let env = TestEnv::new();
    let base = env.silent_portal();
    let calls: [&[&str]; 4] = [
        &["doctor"],
        &["login", "--headless", "--base-url", &base],
        &["recipe", "check", "--po", "PO7", "--base-url", &base],
        &["demo", "--orders", "1", "--out", "demo"],
    ];
    for words in calls {
        let run = with_silent_programs(&env, env.call(words)).await;
        let ended = run.signals(3).await;
        assert!(matches!(ended.code(), None | Some(4 | 130)), "{words:?}: {ended}");
        env.assert_nothing_left().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_whose_browser_does_not_start_is_ended_by_signals() {
    let env = TestEnv::new();
    let run = with_idle_driver(&env, env.call(["demo", "--orders", "2", "--out", "demo"])).await;
    let ended = run.signals(3).await;
    assert!(matches!(ended.code(), Some(4 | 130)), "{ended}");
    env.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_phase_of_a_resumed_run_is_ended_by_signals() {
    needs_browser!();
    let portal = portal(2).await;
    let env = TestEnv::new();
    let held = largest(&portal);
    portal.faults().hold_files(&held);
    let mut run = env.run(&portal, [held.to_string()]).start();
    run.works_on(&portal, &held).await;
    run.signal(Signal::KILL);
    run.end().await;
    let resumed = || env.login(env.call(["resume"]), &portal);

    let run = with_silent_programs(&env, resumed()).await;
    let ended = run.signals(2).await;
    ended.assert(4, &["before its first order was started"]);
    ends_open(&env, "its browser starts", with_idle_driver(&env, resumed()).await).await;
    let mut run = resumed().start();
    run.works_on(&portal, &held).await;
    ends_open(&env, "a file stands still", run).await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_for_its_portal_or_for_the_next_try_ends_at_the_first_signal() {
    needs_browser!();
    let portal = portal(2).await;
    let env = TestEnv::new();
    let po = portal.orders()[0].clone();
    let call = || env.run(&portal, [po.to_string()]).env("COUPA_BATCH_PATIENCE", "1h");
    portal.faults().add(FaultRule::new(PortalFault::Status(503), RequestTarget::Anything));
    let mut run = call().start();
    run.says("waiting: ").await;
    let ended = run.signals(1).await;
    ended.assert(4, &["stopping: "]);
    env.assert_nothing_left().await;

    portal.faults().clear();
    portal.faults().add(FaultRule::new(PortalFault::Truncated, RequestTarget::File));
    let slowly = ["RETRY_DELAY", "RETRY_DELAY_MAX"].into_iter();
    let call = slowly.fold(call().args(["--force", "-v"]), |call, name| call.env(&format!("COUPA_BATCH_{name}"), "1h"));
    let mut run = call.start();
    run.says("attempt failed").await;
    let ended = run.signals(1).await;
    ended.assert(4, &["stopping: "]);
    assert_eq!(statuses(&env.report())[&po.to_string()], "NOT_DONE", "{ended}");
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_by_hand_and_a_look_at_an_order_are_ended_by_the_first_signal() {
    needs_browser!();
    let portal = portal(2).await;
    let env = TestEnv::new();
    let base = portal.base_url().to_string();
    let mut run = env.call(["login", "--headless", "--base-url", &base]).start();
    run.says("please log in").await;
    ends_at_once(&env, "a person is to log in", run).await;

    let po = portal.orders()[0].clone();
    portal.faults().hold(&po);
    let call = env.login(env.call(["recipe", "check", "--po", &po.to_string(), "--base-url", &base]), &portal);
    let mut run = call.start();
    run.works_on(&portal, &po).await;
    ends_at_once(&env, "an order's page stands still", run).await;
    portal.stop().await;
}
