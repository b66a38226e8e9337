//! Notices to a webhook: who is told what, and that no run depends on it.

use std::fs;
use std::path::Path;

use coupa_batch::demo::DemoPortal;

use crate::harness::command::{Call, Desk, Ended, assert_all_there, portal};
use crate::harness::webhook::{Answers, Hook, TOKEN};
use crate::needs_browser;

fn login(desk: &Desk, portal: &DemoPortal) -> Call {
    desk.call(["login", "--headless", "--wait", "60s", "--base-url", portal.base_url().as_str()])
}

fn run(desk: &Desk, portal: &DemoPortal, hook: &str) -> Call {
    let words = ["run", "-vv", "--base-url", portal.base_url().as_str()].map(str::to_owned);
    let call = desk.call(words.into_iter().chain(portal.orders().iter().map(ToString::to_string)));
    call.env("COUPA_BATCH_NOTIFY_URL", hook).env("COUPA_BATCH_LOG", "trace")
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
    let desk = Desk::new();
    let mut hook = Hook::start(Answers::Well).await;
    portal.set_person(true);
    login(&desk, &portal).end().await.assert(0, &[]);
    portal.set_person(false);

    let pos = portal.orders();
    portal.faults().hold(&pos[1]);
    let mut going =
        run(&desk, &portal, &hook.address).env("COUPA_BATCH_WORKERS", "2").env("COUPA_BATCH_PATIENCE", "2m").start();
    going.works_on(&portal, &pos[1]).await;
    assert_eq!(hook.events(), [""; 0], "nobody is called without need");
    portal.end_logins();
    portal.faults().release_all();
    hook.hears("login_needed").await;
    portal.set_person(true);
    login(&desk, &portal).end().await.assert(0, &[]);
    let ended = going.end().await;
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    assert_all_there(&desk.out(), &portal);

    assert_eq!(hook.events(), ["login_needed", "login_restored", "run_ended"]);
    let told = hook.told();
    let report = desk.report();
    let summary = &report["summary"];
    for one in &told {
        assert_eq!((&one["run"], one["portal"].as_str()), (&summary["run"], Some(portal.base_url().as_str())));
        assert_eq!(one["output"], desk.out().canonicalize().unwrap().to_str().unwrap());
        assert!(one["text"].as_str().unwrap().starts_with("coupa-batch "), "{one}");
    }
    assert!(told[0]["text"].as_str().unwrap().contains("coupa-batch login --base-url"), "{}", told[0]);
    let end = &told[2];
    assert_eq!(end["exit_code"].as_i64(), ended.code().map(i64::from));
    for count in ["orders", "by_status", "files", "bytes", "missing"] {
        assert_eq!(end["counts"][count], summary[count], "{count}");
    }
    assert_eq!(end["counts"]["orders"], 4);
    assert_not_told(&ended, desk.path());
    desk.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_is_gone_or_hangs_or_sends_elsewhere_changes_nothing() {
    needs_browser!();
    let portal = portal(1).await;
    let (hanging, elsewhere) = (Hook::start(Answers::Never).await, Hook::start(Answers::Well).await);
    let sending = Hook::start(Answers::To(elsewhere.address.clone())).await;
    for (hook, why) in [
        (Hook::nowhere().as_str(), "refused"),
        (&hanging.address, "nothing arrived within"),
        (&sending.address, "redirects are not followed"),
    ] {
        let desk = Desk::new();
        let ended = desk.login(run(&desk, &portal, hook), &portal).end().await;
        ended.assert(0, &[]);
        assert_all_there(&desk.out(), &portal);
        assert_not_told(&ended, desk.path());
        let log = fs::read_to_string(desk.out().join("coupa-batch.log")).unwrap();
        let said = log.lines().filter(|line| line.contains("was not delivered")).collect::<Vec<_>>();
        assert_eq!(said.len(), 1, "said once: {said:?}");
        assert!(said.iter().all(|line| line.contains(why)), "{why}: {said:?}");
        desk.assert_nothing_left().await;
    }
    assert_eq!(hanging.events(), ["run_ended"], "what may have arrived is not sent twice");
    assert_eq!((sending.events().len(), elsewhere.events().len()), (1, 0));
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_never_gets_a_browser_is_told_of_and_a_busy_hook_is_told_again() {
    let hook = Hook::start(Answers::Busy(1)).await;
    let desk = Desk::new();
    let browser = desk.script("browser", "exit 1");
    let call = desk.call(["run", "7", "--base-url", &desk.silent_portal(), "--driver-path"]).arg(browser);
    let ended = call.env("COUPA_BATCH_NOTIFY_URL", &hook.address).end().await;
    ended.assert(5, &[]);
    assert_eq!(hook.events(), ["run_ended", "run_ended"]);
    let told = hook.told();
    assert_eq!((&told[1]["exit_code"], &told[1]["status"]), (&5.into(), &"no_browser".into()));
    assert_not_told(&ended, desk.path());
}

#[tokio::test]
async fn the_address_is_checked_and_shown_nowhere() {
    let desk = Desk::new();
    let config = |address: &str| desk.call(["config"]).env("COUPA_BATCH_NOTIFY_URL", address);
    let shown = config(&format!("https://hooks.test/{TOKEN}")).end().await;
    shown.assert(0, &[]);
    assert!(shown.stdout.contains("# notify_url is set") && !shown.to_string().contains(TOKEN), "{shown}");
    for address in [format!("http://hooks.test/{TOKEN}"), format!("hooks.test/{TOKEN}")] {
        let refused = config(&address).end().await;
        refused.assert_refusal(2, &["notify_url"]);
        assert!(!refused.to_string().contains(TOKEN), "{refused}");
    }
}
