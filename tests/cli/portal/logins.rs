//! A login that is made once, by a person or from a browser's export, kept, used by later runs, and forgotten.

use std::fs;
use std::path::PathBuf;

use coupa_batch::demo::DemoPortal;
use secrecy::ExposeSecret;

use crate::harness::command::{Call, TestEnv, assert_all_there, portal};
use crate::needs_browser;

fn login(env: &TestEnv, portal: &DemoPortal) -> Call {
    env.call(["login", "--headless", "--wait", "60s", "--base-url", portal.base_url().as_str()])
}

/// What an extension of a browser would export of the login that is kept.
fn exported(env: &TestEnv) -> PathBuf {
    let kept = fs::read_dir(env.path().join("logins")).unwrap().next().unwrap().unwrap().path();
    let kept: serde_json::Value = serde_json::from_str(&fs::read_to_string(kept).unwrap()).unwrap();
    let cookie = &kept["cookies"][0];
    let (domain, value) = (cookie["domain"].as_str().unwrap(), cookie["value"].as_str().unwrap());
    let line = format!("#HttpOnly_{domain}\tFALSE\t/\tFALSE\t0\t_coupa_session\t{value}\n");
    env.write("cookies.txt", format!("# Netscape HTTP Cookie File\n{line}"))
}

/// The same of a person who has logged in, of which nothing is kept here.
async fn cookies_of_a_person(env: &TestEnv, portal: &DemoPortal) -> PathBuf {
    portal.set_person(true);
    login(env, portal).end().await.assert(0, &[]);
    portal.set_person(false);
    let file = exported(env);
    env.call(["logout", "--all"]).end().await.assert(0, &[]);
    file
}

/// `run` without user name and password.
fn run(env: &TestEnv, portal: &DemoPortal) -> Call {
    let base_url = portal.base_url();
    let words = ["run", "--base-url", base_url.as_str()];
    env.call(words.into_iter().map(str::to_owned).chain(portal.orders().iter().map(ToString::to_string)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_logs_in_once_and_later_runs_need_nobody() {
    needs_browser!();
    let portal = portal(4).await;
    let env = TestEnv::new();
    portal.set_person(true);
    let made = login(&env, &portal).end().await;
    made.assert(0, &["log in in the browser window"]);
    assert!(made.stdout.contains("saved in") && made.stdout.contains("until the portal ends it"), "{made}");
    assert_eq!(portal.counts().logins_accepted, 1);
    portal.set_person(false);
    #[cfg(unix)]
    for file in fs::read_dir(env.path().join("logins")).unwrap() {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    let ended = run(&env, &portal).env("COUPA_BATCH_WORKERS", "2").end().await;
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    assert_all_there(&env.out(), &portal);
    assert_eq!(portal.counts().logins_accepted, 1, "both browsers use the kept one");

    portal.end_logins();
    let ended = run(&env, &portal).arg("--force").end().await;
    ended.assert(2, &["the login that was saved at", "has ended", "coupa-batch login"]);

    let out = env.call(["logout", "--base-url", portal.base_url().as_str()]).end().await;
    assert!(out.stdout.contains("deleted the saved login"), "{out}");
    assert_eq!(fs::read_dir(env.path().join("logins")).unwrap().count(), 0);
    let out = env.call(["logout", "--all"]).end().await;
    assert!(out.stdout.contains("0 saved logins"), "{out}");
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_ends_in_the_middle_waits_for_a_person_and_costs_no_order_anything() {
    needs_browser!();
    let portal = portal(3).await;
    let env = TestEnv::new();
    portal.set_person(true);
    login(&env, &portal).end().await.assert(0, &[]);
    portal.set_person(false);

    let pos = portal.orders();
    portal.faults().hold(&pos[1]);
    let mut going = run(&env, &portal).env("COUPA_BATCH_PATIENCE", "2m").start();
    going.works_on(&portal, &pos[1]).await;
    portal.end_logins();
    portal.faults().release_all();
    going.says("only a person can make a new one").await;
    portal.set_person(true);
    login(&env, &portal).end().await.assert(0, &[]);
    let ended = going.end().await;
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    assert_eq!(ended.stderr.matches("only a person can make a new one").count(), 1, "said once: {ended}");
    assert_all_there(&env.out(), &portal);
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_nobody_lets_in_again_ends_resumable_after_its_patience() {
    needs_browser!();
    let portal = portal(2).await;
    let env = TestEnv::new();
    portal.set_person(true);
    login(&env, &portal).end().await.assert(0, &[]);
    portal.set_person(false);
    let pos = portal.orders();
    portal.faults().hold(&pos[1]);
    let mut going = run(&env, &portal).env("COUPA_BATCH_PATIENCE", "1s").start();
    going.works_on(&portal, &pos[1]).await;
    portal.end_logins();
    portal.faults().release_all();
    going.end().await.assert(4, &["only a person can make a new one"]);
    env.login(env.call(["resume"]), &portal).end().await.assert(0, &[]);
    assert_all_there(&env.out(), &portal);
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_of_a_browser_that_is_logged_in_are_taken() {
    needs_browser!();
    let portal = portal(2).await;
    let env = TestEnv::new();
    let file = cookies_of_a_person(&env, &portal).await;
    let ended = run(&env, &portal).arg("--cookies").arg(&file).end().await;
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    assert_all_there(&env.out(), &portal);
    assert_eq!(portal.counts().logins_accepted, 1);

    env.write("cookies.txt", "a=b; c=d");
    let ended = run(&env, &portal).arg("--force").arg("--cookies").arg(&file).end().await;
    ended.assert(2, &["cookies.txt", "line 1", "Netscape"]);
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_through_the_form_is_kept_and_told_nowhere() {
    needs_browser!();
    let portal = portal(1).await;
    let env = TestEnv::new();
    let made = env.login(login(&env, &portal), &portal).end().await;
    made.assert(0, &[]);
    let password = portal.password().expose_secret().to_owned();
    let kept = fs::read_dir(env.path().join("logins")).unwrap().next().unwrap().unwrap().path();
    let kept = fs::read_to_string(kept).unwrap();
    assert!(!kept.contains(&password), "cookies are kept, and no password");
    let ended = run(&env, &portal).arg("-vv").end().await;
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    assert_eq!(portal.counts().logins_accepted, 1);
    let cookie =
        serde_json::from_str::<serde_json::Value>(&kept).unwrap()["cookies"][0]["value"].as_str().unwrap().to_owned();
    let mut folders = vec![env.out()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let bytes = fs::read(entry.path()).unwrap();
            let holds = |secret: &str| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!holds(&password) && !holds(&cookie), "a secret stands in {}", entry.path().display());
        }
    }
    assert!(!ended.stderr.contains(&cookie) && !made.stdout.contains(&cookie));
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_login_that_is_damaged_stops_only_who_has_no_other() {
    needs_browser!();
    let portal = portal(1).await;
    let env = TestEnv::new();
    env.login(login(&env, &portal), &portal).end().await.assert(0, &[]);
    let kept = fs::read_dir(env.path().join("logins")).unwrap().next().unwrap().unwrap().path();
    fs::write(&kept, "{ half").unwrap();
    run(&env, &portal).end().await.assert(2, &["it is damaged", "coupa-batch login"]);
    let ended = env.login(run(&env, &portal), &portal).end().await;
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    assert!(ended.stderr.contains("logging in with the user name instead"), "{ended}");
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_cookies_goes_on_after_a_login_by_hand_and_the_newer_one_is_tried_first() {
    needs_browser!();
    let portal = portal(3).await;
    let env = TestEnv::new();
    let file = cookies_of_a_person(&env, &portal).await;

    let pos = portal.orders();
    portal.faults().hold(&pos[1]);
    let going = run(&env, &portal).arg("--cookies").arg(&file).env("COUPA_BATCH_PATIENCE", "2m");
    let mut going = going.start();
    going.works_on(&portal, &pos[1]).await;
    portal.end_logins();
    portal.faults().release_all();
    going.says("only a person can make a new one").await;
    portal.set_person(true);
    login(&env, &portal).end().await.assert(0, &[]);
    let ended = going.end().await;
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    assert_all_there(&env.out(), &portal);
    portal.set_person(false);

    let sent = portal.counts().passwords_sent;
    let ended = run(&env, &portal).arg("--force").arg("--cookies").arg(&file).end().await;
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    assert_eq!(ended.stderr.matches("using a saved login").count(), 1, "the newer one first: {ended}");
    assert_eq!(portal.counts().passwords_sent, sent);
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_that_cannot_be_used_are_told_before_anything_is_started_or_written() {
    let portal = portal(1).await;
    let env = TestEnv::new();
    let other = env.write("cookies.txt", ".other.test\tTRUE\t/\tTRUE\t0\tforeign\tx\n");
    for (file, why) in
        [(env.work().join("nowhere.txt"), "nowhere.txt"), (other, "the file has no valid cookie of 127.0.0.1")]
    {
        // also where there is a password: whoever gives cookies wants to be let in with them
        let ended = env.login(run(&env, &portal), &portal).arg("--cookies").arg(&file).end().await;
        ended.assert_refusal(2, &[why]);
        assert!(!env.out().exists(), "{ended}");
    }
    assert_eq!(portal.counts().requests, 0);
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_was_refused_is_sent_by_no_later_run() {
    needs_browser!();
    let portal = portal(1).await;
    let env = TestEnv::new();
    let with = |call: Call, password: &str| call.env("COUPA_USERNAME", "demo").env("COUPA_PASSWORD", password);
    with(run(&env, &portal), "wrong-one").end().await.assert(2, &["the portal refused the login"]);
    for _ in 0..2 {
        let ended = with(run(&env, &portal), "wrong-one").end().await;
        ended.assert_refusal(2, &["refused this user name with this password", "--save-password", "login --base-url"]);
    }
    assert_eq!(portal.counts().passwords_sent, 1);
    let logins = env.path().join("logins");
    let record = fs::read_dir(&logins).unwrap().next().unwrap().unwrap().path();
    assert!(!fs::read_to_string(&record).unwrap().contains("wrong-one"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&record).unwrap().permissions().mode() & 0o777, 0o600);
    }

    // another one is tried
    let ended = env.login(run(&env, &portal), &portal).end().await;
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    assert_eq!((portal.counts().passwords_sent, portal.counts().logins_accepted), (2, 1));

    // a person may insist, and a success makes all forgotten; so does logout
    with(login(&env, &portal), "wrong-one").end().await.assert(2, &["login failed", "refused the login"]);
    assert_eq!(portal.counts().passwords_sent, 3);
    let kept = fs::read(&record).unwrap();
    env.login(login(&env, &portal), &portal).end().await.assert(0, &[]);
    assert!(!record.exists());
    fs::write(&record, kept).unwrap();
    let out = env.call(["logout", "--base-url", portal.base_url().as_str()]).end().await;
    assert!(out.stdout.contains("deleted the record of refused passwords") && !record.exists(), "{out}");
    env.assert_nothing_left().await;
    portal.stop().await;
}
