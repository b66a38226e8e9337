//! Notices to a webhook: who is told what, and that no run depends on it.

use std::fs;
use std::path::Path;

use coupa_batch::demo::DemoPortal;

use crate::harness::command::{Call, Ended, TestEnv, assert_all_there, portal};
use crate::harness::webhook::{Answers, TOKEN, TestWebhook};
use crate::needs_browser;

fn login(env: &TestEnv, portal: &DemoPortal) -> Call {
    env.call(["login", "--headless", "--wait", "60s", "--base-url", portal.base_url().as_str()])
}

fn run(env: &TestEnv, portal: &DemoPortal, webhook: &str) -> Call {
    let words = ["run", "-vv", "--base-url", portal.base_url().as_str()].map(str::to_owned);
    let call = env.call(words.into_iter().chain(portal.orders().iter().map(ToString::to_string)));
    call.env("COUPA_BATCH_NOTIFY_URL", webhook).env("COUPA_BATCH_LOG", "trace")
}

/// The address is in nothing that the call said or left behind.
#[track_caller]
fn assert_not_told(ended: &Ended, folder: &Path) {
    assert!(!ended.to_string().contains(TOKEN), "{ended}");
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            assert_not_told(ended, &entry.path());
            continue;
        }
        let bytes = fs::read(entry.path()).unwrap();
        let is_in = bytes.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes());
        assert!(!is_in, "the token stands in {}", entry.path().display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_called_once_and_the_end_is_told_with_its_counts() {
    needs_browser!();
    let portal = portal(4).await;
    let env = TestEnv::new();
    let mut webhook = TestWebhook::start(Answers::Well).await;
    portal.set_person(true);
    login(&env, &portal).end().await.assert(0, &[]);
    portal.set_person(false);

    let pos = portal.orders();
    portal.faults().hold(&pos[1]);
    let mut going =
        run(&env, &portal, &webhook.address).env("COUPA_BATCH_WORKERS", "2").env("COUPA_BATCH_PATIENCE", "2m").start();
    going.works_on(&portal, &pos[1]).await;
    assert_eq!(webhook.events(), [""; 0], "nobody is called without need");
    portal.end_logins();
    portal.faults().release_all();
    webhook.hears("login_needed").await;
    portal.set_person(true);
    login(&env, &portal).end().await.assert(0, &[]);
    let ended = going.end().await;
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    assert_all_there(&env.out(), &portal);

    assert_eq!(webhook.events(), ["login_needed", "login_restored", "run_ended"]);
    let told = webhook.told();
    let report = env.report();
    let summary = &report["summary"];
    for one in &told {
        assert_eq!((&one["run"], one["portal"].as_str()), (&summary["run"], Some(portal.base_url().as_str())));
        assert_eq!(one["output"], env.out().canonicalize().unwrap().to_str().unwrap());
        assert!(one["text"].as_str().unwrap().starts_with("coupa-batch "), "{one}");
    }
    assert!(told[0]["text"].as_str().unwrap().contains("coupa-batch login --base-url"), "{}", told[0]);
    let end = &told[2];
    assert_eq!(end["exit_code"].as_i64(), ended.code().map(i64::from));
    for count in ["orders", "by_status", "files", "bytes", "missing"] {
        assert_eq!(end["counts"][count], summary[count], "{count}");
    }
    assert_eq!(end["counts"]["orders"], 4);
    assert_not_told(&ended, env.path());
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_is_gone_or_hangs_or_sends_elsewhere_changes_nothing() {
    needs_browser!();
    let portal = portal(1).await;
    let (hanging, elsewhere) = (TestWebhook::start(Answers::Never).await, TestWebhook::start(Answers::Well).await);
    let sending = TestWebhook::start(Answers::To(elsewhere.address.clone())).await;
    for (webhook, why) in [
        (TestWebhook::nowhere().as_str(), "refused"),
        (&hanging.address, "nothing came within"),
        (&sending.address, "redirects are not followed"),
    ] {
        let env = TestEnv::new();
        let ended = env.login(run(&env, &portal, webhook), &portal).end().await;
        ended.assert(0, &[]);
        assert_all_there(&env.out(), &portal);
        assert_not_told(&ended, env.path());
        let log = fs::read_to_string(env.out().join("coupa-batch.log")).unwrap();
        let said = log.lines().filter(|line| line.contains("was not delivered")).collect::<Vec<_>>();
        assert_eq!(said.len(), 1, "said once: {said:?}");
        assert!(said.iter().all(|line| line.contains(why)), "{why}: {said:?}");
        env.assert_nothing_left().await;
    }
    assert_eq!(hanging.events(), ["run_ended"], "what may have arrived is not sent twice");
    assert_eq!((sending.events().len(), elsewhere.events().len()), (1, 0));
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_never_gets_a_browser_is_told_of_and_a_busy_hook_is_told_again() {
    let webhook = TestWebhook::start(Answers::Busy(1)).await;
    let env = TestEnv::new();
    let browser = env.script("browser", "exit 1");
    let call = env.call(["run", "7", "--base-url", &env.silent_portal(), "--driver-path"]).arg(browser);
    let ended = call.env("COUPA_BATCH_NOTIFY_URL", &webhook.address).end().await;
    ended.assert(5, &[]);
    assert_eq!(webhook.events(), ["run_ended", "run_ended"]);
    let told = webhook.told();
    assert_eq!((&told[1]["exit_code"], &told[1]["status"]), (&5.into(), &"no_browser".into()));
    assert_not_told(&ended, env.path());
}

#[tokio::test]
async fn the_address_is_checked_and_shown_nowhere() {
    let env = TestEnv::new();
    let config = |address: &str| env.call(["config"]).env("COUPA_BATCH_NOTIFY_URL", address);
    let shown = config(&format!("https://hooks.test/{TOKEN}")).end().await;
    shown.assert(0, &[]);
    assert!(shown.stdout.contains("# notify_url is set") && !shown.to_string().contains(TOKEN), "{shown}");
    for address in [format!("http://hooks.test/{TOKEN}"), format!("hooks.test/{TOKEN}")] {
        let refused = config(&address).end().await;
        refused.assert_refusal(2, &["notify_url"]);
        assert!(!refused.to_string().contains(TOKEN), "{refused}");
    }
}
