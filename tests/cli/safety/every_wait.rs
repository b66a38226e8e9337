//! Three signals end every command in every phase, whatever it waits for, and leave nothing behind.

use crate::harness::command::{Call, Running, TestEnv, largest, portal, statuses};
use crate::harness::webhook::{Answers, TestWebhook};
use crate::needs_browser;

/// Starts the call with a browser and a driver that tell their versions and do nothing else; returns when it has started
/// the driver.
async fn with_idle_driver(env: &TestEnv, call: Call) -> Running {
    let tells = |what: &str| {
        format!("[ \"$1\" = --version ] && {{ echo '{what}'; exit; }}\necho > \"$0.started\"; exec sleep 1000")
    };
    let run = call
        .arg("--browser-path")
        .arg(env.script("browser", &tells("Chromium 156.0.1.2")))
        .arg("--driver-path")
        .arg(env.script("driver", &tells("ChromeDriver 156.0.1.2 (x)")))
        .env("COUPA_BATCH_STARTUP_TIMEOUT", "10m")
        .start();
    let started = env.path().join("driver.started");
    env.has_file(&started).await;
    std::fs::remove_file(started).unwrap();
    run
}

/// The command ends at the first signal, with nothing left.
async fn ends_at_once(env: &TestEnv, phase: &str, run: Running) {
    let ended = run.signals(1).await;
    assert!(matches!(ended.code(), None | Some(130)), "{phase}: {ended}");
    assert!(!ended.stderr.contains("panicked"), "{phase}: {ended}");
    env.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_only_print_end_at_the_first_signal() {
    let env = TestEnv::new();
    let base = env.silent_portal();
    env.write("empty.csv", "PO Number\nPO7\n");
    let words: [&[&str]; 5] =
        [&["config"], &["doctor"], &["recipe", "show", "coupa"], &["sweep"], &["logout", "--base-url", &base]];
    for words in words {
        let (call, _unread) = env.call(words).with_full_output();
        let run = call.start();
        run.writes_in_vain().await;
        ends_at_once(&env, &words.join(" "), run).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_browser_does_not_tell_its_version_ends_at_the_second_signal_without_an_order() {
    let env = TestEnv::new();
    let slow = "echo > \"$0.asked\"; exec sleep 15";
    let (browser, driver) = (env.script("browser", slow), env.script("driver", slow));
    let call = env.call(["run", "PO7", "--base-url", &env.silent_portal()]).arg("--browser-path").arg(&browser);
    let run = call.arg("--driver-path").arg(driver).start();
    env.has_file(&browser.with_extension("asked")).await;
    let ended = run.signals(2).await;
    ended.assert(4, &["stopping: ", "aborting: ", "before its first order was started"]);
    env.call(["status"]).end().await.assert(0, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_whose_browser_does_not_start_are_ended_by_signals() {
    let env = TestEnv::new();
    let base = env.silent_portal();
    for words in [
        ["login", "--headless", "--base-url", &base].as_slice(),
        &["recipe", "check", "--po", "PO7", "--base-url", &base],
    ] {
        let run = with_idle_driver(&env, env.call(words)).await;
        ends_at_once(&env, words[0], run).await;
    }
    let run = with_idle_driver(&env, env.call(["run", "PO7", "-v", "--base-url", &base])).await;
    let ended = run.signals(3).await;
    assert!(matches!(ended.code(), Some(4 | 130)), "{ended}");
    assert_eq!(statuses(&env.report())["PO7"], "NOT_DONE");
    env.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_whose_portal_never_answers_are_ended_by_signals() {
    needs_browser!();
    let env = TestEnv::new();
    let base = env.silent_portal();
    let login = |call: Call| call.env("COUPA_USERNAME", "anna").env("COUPA_PASSWORD", "of-no-use");
    let mut run = login(env.call(["run", "PO7", "--canary", "PO8", "--base-url", &base])).start();
    run.says("browser started").await;
    let ended = run.signals(3).await;
    assert!(matches!(ended.code(), Some(4 | 130)), "{ended}");
    assert!(statuses(&env.report()).values().all(|status| status == "NOT_DONE"), "{ended}");
    env.assert_nothing_left().await;

    for words in [["login"].as_slice(), &["recipe", "check", "--po", "PO7"]] {
        let env = TestEnv::new();
        let base = env.silent_portal();
        let run = login(env.call(words).args(["--base-url", &base])).start();
        let _open = env.is_asked().await;
        ends_at_once(&env, words[0], run).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_phase_of_a_run_on_a_portal_is_ended_by_signals() {
    needs_browser!();
    let portal = portal(2).await;
    let env = TestEnv::new();
    let pos = portal.orders();
    let held = largest(&portal);
    portal.faults().hold_files(&held);
    let words = || pos.iter().map(ToString::to_string);
    let mut run = env.run(&portal, words()).arg("--force").start();
    run.works_on(&portal, &held).await;
    // somebody watches it
    let mut watching = env.call(["status", "--watch"]);
    let shown = env.path().join("shown");
    watching.command.stdout(std::fs::File::create(&shown).unwrap());
    let watching = watching.start();
    env.has_file(&shown).await;
    watching.signals(1).await.assert(130, &["stopped"]);
    let ended = run.signals(3).await;
    assert!(matches!(ended.code(), Some(4 | 130)), "{ended}");
    assert_eq!(statuses(&env.report())[&held.to_string()], "NOT_DONE", "{ended}");
    env.assert_nothing_left().await;
    portal.faults().release_all();

    // the last notice
    let mut webhook = TestWebhook::start(Answers::Never).await;
    let run = env.run(&portal, words()).env("COUPA_BATCH_NOTIFY_URL", &webhook.address).start();
    webhook.hears("run_ended").await;
    let ended = run.signals(1).await;
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");

    // the totals at the end
    let (call, _unread) = env.run(&portal, words()).args(["--force", "--json"]).with_full_output();
    let run = call.start();
    run.writes_in_vain().await;
    let ended = run.signals(3).await;
    assert_eq!(ended.code(), Some(130), "{ended}");
    assert!(statuses(&env.report()).values().all(|status| status != "NOT_DONE"), "the report is written: {ended}");
    env.assert_nothing_left().await;
    for words in [["status"], ["report"], ["verify"]] {
        let (call, _unread) = env.call(words).with_full_output();
        let run = call.start();
        run.writes_in_vain().await;
        ends_at_once(&env, words[0], run).await;
    }
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_is_ended_by_signals() {
    needs_browser!();
    let env = TestEnv::new();
    let mut run = env.call(["demo", "--orders", "40", "--out", "demo"]).start();
    run.says("browser started").await;
    let ended = run.signals(3).await;
    assert!(matches!(ended.code(), Some(4 | 130)), "{ended}");
    env.assert_nothing_left().await;

    let mut run = env.call(["demo", "--orders", "1", "--keep", "--out", "kept"]).start();
    run.says("keeps running").await;
    run.signals(1).await.assert(0, &[]);
    env.assert_nothing_left().await;
}
