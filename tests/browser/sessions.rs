//! Sessions keep apart, and leave nothing behind however they end.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use coupa_batch::backend::{SessionError, SessionFactory};
use coupa_batch::model::WorkerId;
use coupa_batch::{BrowserSessions, ResourcePool};

use crate::browser::{Flavour, Rig, tree, until};
use crate::site;

crate::on_the_installed_browser!(
    cookies_and_storage_of_one_session_are_not_in_another,
    a_closed_session_leaves_neither_process_nor_profile,
    a_dropped_session_leaves_neither_process_nor_profile,
    a_browser_that_dies_is_noticed,
    a_session_that_comes_back_to_a_resource_pool_is_as_good_as_new,
);

async fn cookies_and_storage_of_one_session_are_not_in_another(rig: Rig) {
    let base = site::start().await;
    let (mut first, mut second) = tokio::join!(rig.open(), rig.open());
    first.page().goto(&format!("{base}/cookie/secret-of-the-first")).await.unwrap();
    for (session, expected) in [(&mut first, true), (&mut second, false)] {
        session.page().goto(&format!("{base}/cookies")).await.unwrap();
        let text = session.page().document().await.unwrap().text;
        assert_eq!(text.contains("secret-of-the-first"), expected, "{text}");
    }
    first.page().evaluate("localStorage.mine = 1", vec![]).await.unwrap();
    let stored = second.page().evaluate("return localStorage.mine ?? null", vec![]).await.unwrap();
    assert!(stored.is_null(), "{stored}");
    // a login is only transferred on purpose
    let cookies = first.page().cookies().await.unwrap();
    assert_eq!((cookies[0].name.as_str(), cookies[0].http_only, cookies[0].expiry), ("_coupa_session", true, None));
    second.page().add_cookies(&cookies).await.unwrap();
    second.page().goto(&format!("{base}/cookies")).await.unwrap();
    assert!(second.page().document().await.unwrap().text.contains("secret-of-the-first"));
    assert!(first.close().await.is_clean() && second.close().await.is_clean());
    rig.until_nothing_is_left().await;
}

async fn a_closed_session_leaves_neither_process_nor_profile(rig: Rig) {
    let mut session = rig.open().await;
    assert!(session.is_usable());
    assert!(session.check_health().await.unwrap().latency_micros > 0);
    let before = tree(session.root_pid().unwrap());
    assert!(before.len() > 3, "a browser is several processes: {before:?}");
    assert_eq!(rig.profile_folders().len(), 1);
    let report = session.close().await;
    assert!(report.is_clean(), "{report:?}");
    // at once, without any waiting: that is what the report claims
    assert_eq!(rig.profile_folders(), Vec::<std::path::PathBuf>::new());
    let after: Vec<u32> = before.into_iter().filter(|pid| !tree(*pid).is_empty()).collect();
    assert_eq!(after, Vec::<u32>::new());
    rig.until_nothing_is_left().await;
}

async fn a_dropped_session_leaves_neither_process_nor_profile(rig: Rig) {
    let session = rig.open().await;
    let before = tree(session.root_pid().unwrap());
    drop(session);
    rig.until_nothing_is_left().await;
    until("all its processes end", async || before.iter().all(|pid| tree(*pid).is_empty()).then_some(())).await;
}

async fn a_browser_that_dies_is_noticed(rig: Rig) {
    let mut session = rig.open().await;
    let switch = session.kill_switch();
    switch.kill();
    switch.kill();
    let gone = session.check_health().await.unwrap_err();
    assert!(matches!(gone, SessionError::Lost(_)), "{gone}");
    assert!(!session.is_usable());
    assert!(session.close().await.is_clean());
    rig.until_nothing_is_left().await;
}

/// Not a test: a program that opens a session and is then killed by the test below.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the entry point of a program that is to be killed, not a test"]
async fn victim() {
    let Ok(base) = std::env::var("VICTIM_PROFILES") else { return };
    let rig = Rig::with(Flavour::Installed, |config| config.profiles.base = Some(base.into())).unwrap();
    let session = rig.open().await;
    println!("\nroot {}", session.root_pid().unwrap());
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_program_takes_its_browsers_and_its_profiles_along() {
    let Some(rig) = Rig::new(Flavour::Installed) else { return };
    let mut victim = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sessions::victim", "--ignored", "--nocapture"])
        .env("VICTIM_PROFILES", rig.profiles.path())
        .env("TMPDIR", rig.downloads.path()) // it cannot clean up after itself
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
    let root: u32 = lines.find_map(|line| line.strip_prefix("root ")?.parse().ok()).unwrap();
    let before = tree(root);
    assert!(before.len() > 3 && rig.profile_folders().len() == 1);
    assert_eq!(rig.factory.profiles().sweep().unwrap().removed.len(), 0, "its owner lives");
    victim.kill().unwrap(); // SIGKILL
    victim.wait().unwrap();
    until("all its browsers end", async || before.iter().all(|pid| tree(*pid).is_empty()).then_some(())).await;
    // without any sweep: by whoever outlives the program
    rig.until_nothing_is_left().await;
    let swept = rig.factory.profiles().sweep().unwrap();
    assert_eq!((swept.removed.len(), swept.left), (0, vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_was_dropped_midway_makes_the_session_unusable() {
    let Some(rig) = Rig::new(Flavour::Installed) else { return };
    let mut session = rig.open().await;
    {
        let asked = session.page().evaluate("return new Promise(() => {})", vec![]);
        assert!(tokio::time::timeout(Duration::from_millis(200), asked).await.is_err());
    }
    assert!(!session.is_usable());
    assert!(session.close().await.is_clean());
    rig.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_that_is_given_up_leaves_nothing_behind() {
    let Some(rig) = Rig::new(Flavour::Installed) else { return };
    for millis in [1, 30, 100, 300] {
        let opened = tokio::time::timeout(Duration::from_millis(millis), rig.factory.open(WorkerId(1))).await;
        drop(opened);
        rig.until_nothing_is_left().await;
    }
}

#[test]
fn the_end_of_the_runtime_ends_the_browser_too() {
    let Some(rig) = Rig::new(Flavour::Installed) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let session = runtime.block_on(rig.open());
    let before = tree(session.root_pid().unwrap());
    drop(runtime);
    drop(session);
    let check = tokio::runtime::Runtime::new().unwrap();
    check.block_on(rig.until_nothing_is_left());
    check.block_on(until("all end", async || before.iter().all(|pid| tree(*pid).is_empty()).then_some(())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_ends_at_once_is_told_long_before_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chromium");
    let script = "printf '#!/bin/sh\\n[ \"$1\" = --version ] && echo Chromium 156.0.8078.79 && exit\\nexit 7\\n' > \"$1\"; chmod 755 \"$1\"";
    assert!(std::process::Command::new("sh").args(["-c", script, "sh"]).arg(&path).status().unwrap().success());
    let Some(probe) = Rig::new(Flavour::Installed) else { return };
    if probe.factory.installation().driver_version.major() != 156 {
        println!("skipped: the broken browser claims to be of version 156, and the driver is another one");
        return;
    }
    let rig = Rig::with(Flavour::Installed, |config| config.browser.browser_path = Some(path)).unwrap();
    let Err(why) = rig.factory.open(WorkerId(1)).await else { panic!("it started") };
    assert!(matches!(&why, SessionError::NotStarted(text) if !text.contains("startup_timeout")), "{why}");
    assert_eq!(rig.profile_folders(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_takes_too_long_is_given_up_without_leftovers() {
    let Some(rig) = Rig::with(Flavour::Installed, |config| config.deadlines.open = Duration::from_millis(50)) else {
        return;
    };
    let Err(why) = rig.factory.open(WorkerId(1)).await else { panic!("it started") };
    assert!(why.to_string().contains("startup_timeout"), "{why}");
    assert_eq!(rig.profile_folders(), Vec::<std::path::PathBuf>::new());
    rig.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_no_browser_starts_on_costs_no_worker() {
    let template = tempfile::tempdir().unwrap();
    // the browser wants a folder there, and ends without one
    std::fs::write(template.path().join("Default"), "x").unwrap();
    let path = template.path().to_owned();
    let Some(rig) = Rig::with(Flavour::Installed, |config| config.profiles.template = Some(path)) else { return };
    for _ in 0..2 {
        let mut session = rig.open().await;
        session.check_health().await.unwrap();
        assert!(session.close().await.is_clean());
    }
    rig.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_on_the_disk_for_a_pool_is_told() {
    let Some(rig) = Rig::new(Flavour::Installed) else { return };
    let session = rig.open().await;
    let footprint = rig.factory.footprint();
    assert_eq!(footprint.profile_count, 1);
    assert!(footprint.largest_profile_bytes > 10_000, "{footprint:?}");
    assert!(session.close().await.is_clean());
    assert_eq!(rig.factory.footprint().profile_count, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_is_warmed_up_once_and_holds_nothing_of_a_person() {
    let Some(rig) = Rig::new(Flavour::Installed) else { return };
    // at the same time, as two programs would
    let (first, second) = tokio::join!(rig.factory.warm(), rig.factory.warm());
    first.unwrap();
    second.unwrap();
    rig.until_nothing_is_left().await;
    let templates: Vec<_> = std::fs::read_dir(rig.profiles.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    let [template] = templates.as_slice() else { panic!("{templates:?}") };
    assert!(template.ends_with(format!("template-chromium-{}", rig.factory.installation().browser_version)));
    assert!(template.join("Local State").is_file(), "a browser has been there");
    for name in ["Cache", "Code Cache"] {
        assert!(!template.join("Default").join(name).exists(), "{name}");
    }
    let of = |file: &str| template.join("Default").join(file);
    assert!(of("History").is_file(), "its databases make the difference");
    for (file, table) in
        [("Cookies", "cookies"), ("Network/Cookies", "cookies"), ("Login Data", "logins"), ("History", "urls")]
    {
        if of(file).is_file() {
            let base = rusqlite::Connection::open(of(file)).unwrap();
            // but for the empty page that the browser was started with
            let rows = if table == "urls" { "urls WHERE url <> 'data:,'" } else { table };
            let count: i64 = base.query_row(&format!("SELECT count(*) FROM {rows}"), [], |row| row.get(0)).unwrap();
            assert_eq!(count, 0, "{file}");
        }
    }
    let base = site::start().await;
    let mut session = rig.open().await;
    session.page().goto(&base).await.unwrap();
    assert!(session.page().cookies().await.unwrap().is_empty());
    assert!(session.close().await.is_clean());
    rig.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warmed_template_that_is_broken_is_given_up() {
    let Some(rig) = Rig::new(Flavour::Installed) else { return };
    let name = format!("template-chromium-{}", rig.factory.installation().browser_version);
    let template = rig.profiles.path().join(name);
    std::fs::create_dir(&template).unwrap();
    std::fs::write(template.join("Default"), "x").unwrap();
    assert!(rig.open().await.close().await.is_clean());
    assert!(!template.exists());
    rig.until_nothing_is_left().await;
}

async fn a_session_that_comes_back_to_a_resource_pool_is_as_good_as_new(rig: Rig) {
    /// Another window answers through a channel of its origin, as long as there is one.
    const ANSWERS: &str = "return new Promise(told => { const line = new BroadcastChannel('windows'); \
                           line.onmessage = () => told(true); line.postMessage('?'); setTimeout(() => told(false), 500); })";
    let base = site::start().await;
    let sessions = BrowserSessions::of_browsers(&rig.config).await.unwrap();
    let pool = ResourcePool::builder(sessions).max_size(1).build().unwrap();
    let mut session = pool.acquire().await.unwrap();
    let pid = session.root_pid();
    let page = session.page();
    page.goto(&format!("{base}/cookie/secret-of-the-first")).await.unwrap();
    page.evaluate("localStorage.mine = 1", vec![]).await.unwrap();
    let opened = "const other = window.open('about:blank'); other.eval(\"const line = new BroadcastChannel('windows'); \
                  line.onmessage = () => line.postMessage('!')\")";
    page.evaluate(opened, vec![]).await.unwrap();
    assert_eq!(page.evaluate(ANSWERS, vec![]).await.unwrap(), true);
    page.evaluate("setTimeout(() => alert('still here'))", vec![]).await.unwrap();
    drop(session);

    let mut session = pool.acquire().await.unwrap();
    assert_eq!((session.root_pid(), pool.status().replaced), (pid, 0), "cleaned, and not replaced");
    let page = session.page();
    assert_eq!(page.url().await.unwrap(), "about:blank");
    page.goto(&format!("{base}/cookies")).await.unwrap();
    let text = page.document().await.unwrap().text;
    assert!(!text.contains("secret-of-the-first"), "{text}");
    assert!(page.evaluate("return localStorage.mine ?? null", vec![]).await.unwrap().is_null());
    assert_eq!(page.evaluate(ANSWERS, vec![]).await.unwrap(), false, "the other window is closed");
    drop(session);
    assert!(pool.close(Duration::from_secs(30)).await.is_clean());
    rig.until_nothing_is_left().await;
}
