//! What is kept of failed attempts, and what is not.

use std::fs;
use std::path::{Path, PathBuf};

use coupa_batch::demo::{DemoPortal, FaultRule, PortalFault, RequestTarget};
use rustix::process::{Pid, Signal, kill_process};
use secrecy::ExposeSecret;

use crate::browser::until;
use crate::harness::command::{TestEnv, portal, processes_of, statuses};
use crate::needs_browser;

/// What `failure.json` in there says.
fn record(folder: &Path) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(folder.join("failure.json")).unwrap()).unwrap()
}

/// The folder of the run's attempt, by its name.
fn attempt(env: &TestEnv, name: &str) -> PathBuf {
    let run = env.report()["run"].as_str().unwrap().to_owned();
    env.out().join(".coupa-batch/evidence").join(run).join(name)
}

/// The main process of the one browser that is at work.
fn browser_of(env: &TestEnv) -> Option<u32> {
    let is_browser = |line: &str| line.contains("--user-data-dir") && !line.contains("--type=");
    processes_of(env.path()).into_iter().find(|(_, line)| is_browser(line)).map(|(pid, _)| pid)
}

/// Goes through all evidence, pictures included: neither the password, nor anything of the shape of the portal's cookies
/// and tokens, nor a login's names.
#[track_caller]
fn assert_nothing_lets_in(env: &TestEnv, portal: &DemoPortal) {
    let mut files = vec![env.out().join(".coupa-batch/evidence")];
    let mut count = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        count += 1;
        let bytes = fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for secret in [portal.password().expose_secret(), "planted-secret", "not-the-password", "_coupa_session"] {
            assert!(!text.contains(secret), "{secret} stands in {}: {text}", path.display());
        }
        // cookies, tokens of forms and one-time addresses of the portal are all 32 hexadecimal digits
        let is_token = |word: &str| word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let token = text.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| is_token(word));
        assert_eq!(token, None, "{}: {text}", path.display());
    }
    assert!(count > 0, "nothing was kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_fits_no_recipe_is_kept_without_anything_that_lets_in() {
    needs_browser!();
    let portal = portal(2).await;
    let env = TestEnv::new();
    let pos = portal.orders();
    portal.faults().add(FaultRule::new(PortalFault::WrongShape, RequestTarget::OrderPage).for_order(&pos[0]));
    let call = env.run(&portal, pos.iter().map(ToString::to_string)).arg("--workers").arg("1");
    call.end().await.assert(3, &["evidence of failed attempts: "]);
    let report = env.report();
    assert_eq!(statuses(&report)[&pos[0].to_string()], "FAILED");
    let named = env.out().join(report["orders"][0]["error"]["evidence"].as_str().unwrap());
    assert_eq!(named, attempt(&env, &format!("{}-2", pos[0])), "the last attempt's");

    let password = portal.password().expose_secret().to_owned();
    for number in [1, 2] {
        let folder = attempt(&env, &format!("{}-{number}", pos[0]));
        let record = record(&folder);
        assert_eq!(
            (&record["kind"], &record["lacking"]),
            (&"page_changed".into(), &serde_json::Value::Null),
            "{record:#}"
        );
        assert!(
            record["url"].as_str().unwrap().ends_with(&format!("/order_headers/{}", pos[0].digits())),
            "{record:#}"
        );
        assert_eq!(
            (&record["title"], &record["http_status"]),
            (&"Workspace | Demo portal".into(), &200.into()),
            "{record:#}"
        );
        assert!(fs::read(folder.join("page.png")).unwrap().starts_with(b"\x89PNG"));
        let source = fs::read_to_string(folder.join("page.html")).unwrap();
        assert!(source.contains("Welcome to the new experience"), "{source}");
        assert!(source.contains("Your session is [removed]."), "{source}");
        for file in ["page.html", "failure.json"] {
            let text = fs::read_to_string(folder.join(file)).unwrap();
            assert!(!text.contains("planted-secret") && !text.contains(&password), "{file}: {text}");
        }
    }
    assert_nothing_lets_in(&env, &portal);
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_browser_that_is_gone_the_drivers_words_are_kept() {
    needs_browser!();
    let portal = portal(1).await;
    let env = TestEnv::new();
    let po = portal.orders().remove(0);
    portal.faults().hold(&po);
    let mut run = env.run(&portal, [po.to_string()]).arg("--workers").arg("1").start();
    run.works_on(&portal, &po).await;
    let pid = browser_of(&env).unwrap();
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
    portal.faults().release_all();
    run.end().await.assert(0, &[]);
    let record = record(&attempt(&env, &format!("{po}-1")));
    assert_eq!(record["kind"], "session_lost", "{record:#}");
    assert!(!record["driver"].as_str().unwrap().is_empty(), "{record:#}");
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_when_nothing_may_be() {
    needs_browser!();
    let portal = portal(1).await;
    let env = TestEnv::new();
    let po = portal.orders().remove(0);
    portal.faults().add(FaultRule::new(PortalFault::WrongShape, RequestTarget::OrderPage).for_order(&po));
    let call = env.run(&portal, [po.to_string()]).arg("--workers").arg("1").env("COUPA_BATCH_EVIDENCE_MAX_SIZE", "0");
    call.end().await.assert(3, &[]);
    assert!(!env.out().join(".coupa-batch/evidence").exists());
    assert!(env.report()["orders"][0]["error"]["evidence"].is_null());
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_server_is_kept_with_its_status() {
    needs_browser!();
    let portal = portal(1).await;
    let env = TestEnv::new();
    let po = portal.orders().remove(0);
    portal.faults().add(FaultRule::new(PortalFault::Status(503), RequestTarget::OrderPage).for_order(&po).times(1));
    env.run(&portal, [po.to_string()]).end().await.assert(0, &["evidence of failed attempts: "]);
    let folder = attempt(&env, &format!("{po}-1"));
    let record = record(&folder);
    assert_eq!((&record["kind"], &record["http_status"]), (&"server_error".into(), &503.into()), "{record:#}");
    assert!(fs::read_to_string(folder.join("page.html")).unwrap().contains("Service Unavailable"));
    assert_nothing_lets_in(&env, &portal);
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_skipped_names_the_evidence_of_its_last_attempt() {
    needs_browser!();
    let portal = portal(1).await;
    let env = TestEnv::new();
    let po = portal.orders().remove(0);
    portal.faults().hold(&po);
    let mut run = env.run(&portal, [po.to_string()]).start();
    let mut ended = None;
    for _ in 0..3 {
        // a browser that has ended asks for nothing any more once the next one is there
        let browser = until("a new browser", async || browser_of(&env).filter(|pid| Some(*pid) != ended)).await;
        run.works_on(&portal, &po).await;
        kill_process(Pid::from_raw(browser.cast_signed()).unwrap(), Signal::KILL).unwrap();
        ended = Some(browser);
    }
    run.end().await.assert(3, &["evidence of failed attempts: "]);
    let report = env.report();
    assert_eq!(statuses(&report)[&po.to_string()], "SKIPPED");
    let named = env.out().join(report["orders"][0]["error"]["evidence"].as_str().unwrap());
    assert_eq!(named, attempt(&env, &format!("{po}-3")));
    let record = record(&named);
    assert_eq!((&record["kind"], named.join("page.html").exists()), (&"session_lost".into(), false), "{record:#}");
    assert_nothing_lets_in(&env, &portal);
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_login_that_was_refused_neither_password_nor_token_is_kept() {
    needs_browser!();
    let portal = portal(1).await;
    let env = TestEnv::new();
    let po = portal.orders().remove(0);
    let call = env.run(&portal, [po.to_string()]).env("COUPA_PASSWORD", "not-the-password");
    call.end().await.assert(2, &["COUPA_PASSWORD"]);
    let folder = attempt(&env, &format!("{po}-1"));
    assert_eq!(record(&folder)["kind"], "login_refused");
    let source = fs::read_to_string(folder.join("page.html")).unwrap();
    assert!(source.contains("Invalid user name or password.") && source.contains("authenticity_token"), "{source}");
    assert_nothing_lets_in(&env, &portal);
    portal.stop().await;
}
