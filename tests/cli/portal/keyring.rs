//! User name and password in the system's keyring. The real one is asked where gnome-keyring and dbus are installed: a
//! daemon of the test's own on a bus of its own, with its file in the test's folder.

use std::fs;
use std::process::Command;

use coupa_batch::demo::DemoPortal;
use secrecy::ExposeSecret;

use crate::harness::command::{Call, TestEnv, assert_all_there, portal};
use crate::needs_browser;

/// Ends the test, with a line that says so, when there is no keyring to try.
macro_rules! needs_keyring {
    () => {
        let is_there = |program: &str| Command::new(program).arg("--version").output().is_ok();
        if !is_there("gnome-keyring-daemon") || !is_there("dbus-run-session") {
            println!("skipped: gnome-keyring and dbus are not installed");
            return;
        }
    };
}

fn save(env: &TestEnv, portal: &DemoPortal) -> Call {
    env.call(["login", "--save-password", "--base-url", portal.base_url().as_str()])
}

fn run(env: &TestEnv, portal: &DemoPortal) -> Call {
    let words = ["run", "--force", "--base-url", portal.base_url().as_str()].map(str::to_owned);
    env.call(words.into_iter().chain(portal.orders().iter().map(ToString::to_string)))
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_keyring_nothing_is_saved_and_runs_go_on_as_ever() {
    needs_browser!();
    let portal = portal(1).await;
    let env = TestEnv::new();
    let refused = env.login(save(&env, &portal), &portal).end().await;
    refused.assert_refusal(2, &["no keyring service is running here", "use COUPA_USERNAME and COUPA_PASSWORD"]);
    assert_eq!(portal.counts().logins_accepted, 0, "told before anything is sent");
    let ended = env.login(run(&env, &portal), &portal).end().await;
    assert!(matches!(ended.code(), Some(0 | 3)) && !ended.stderr.contains("keyring"), "{ended}");
    run(&env, &portal).end().await.assert(2, &["the portal asks for a login, and none was given"]);
    let out = env.call(["logout", "--base-url", portal.base_url().as_str()]).end().await;
    out.assert(0, &[]);
    assert!(!out.stdout.contains("keyring"), "{out}");
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_password_is_used_by_later_runs_until_logout_and_told_nowhere() {
    needs_browser!();
    needs_keyring!();
    let portal = portal(2).await;
    let env = TestEnv::new();
    let base = portal.base_url();
    let password = portal.password().expose_secret().to_owned();
    let keyring = |call: Call| env.with_keyring(call);

    let wrong = save(&env, &portal).env("COUPA_USERNAME", portal.username()).env("COUPA_PASSWORD", "wrong");
    keyring(wrong).end().await.assert(2, &["refused the login"]);
    let ended = keyring(run(&env, &portal)).end().await;
    ended.assert(2, &["the portal asks for a login, and none was given"]);

    let saved = keyring(env.login(save(&env, &portal), &portal)).end().await;
    saved.assert(0, &[]);
    assert!(saved.stdout.contains("in the system's keyring"), "{saved}");
    assert_eq!(portal.counts().logins_accepted, 1);

    // the login that is kept as well is over: only the password lets in
    portal.end_logins();
    let ended = keyring(run(&env, &portal).arg("-vv")).end().await;
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    ended.assert(ended.code().unwrap(), &["user name and password: from the system's keyring"]);
    assert_all_there(&env.out(), &portal);
    assert_eq!(portal.counts().logins_accepted, 2);

    let doctor = env.call(["doctor"]).env("COUPA_BATCH_BASE_URL", base.as_str());
    let doctor = keyring(doctor).end().await;
    assert!(doctor.stdout.contains("password: from the keyring"), "{doctor}");
    let config = keyring(env.call(["config", "--base-url", base.as_str()])).end().await;
    let log = fs::read_to_string(env.out().join("coupa-batch.log")).unwrap();
    for told in [&saved, &ended, &doctor, &config].map(ToString::to_string).iter().chain([&log]) {
        assert!(!told.contains(&password), "{told}");
    }

    // the variables win
    portal.end_logins();
    let ended = run(&env, &portal).env("COUPA_USERNAME", "me").env("COUPA_PASSWORD", "wrong");
    keyring(ended).end().await.assert(2, &["refused the login"]);

    let out = keyring(env.call(["logout", "--base-url", base.as_str()])).end().await;
    assert!(
        out.stdout.contains("deleted the saved login") && out.stdout.contains("removed user name and password from"),
        "{out}"
    );
    let out = keyring(env.call(["logout", "--base-url", base.as_str()])).end().await;
    assert!(out.stdout.contains("there was no password"), "{out}");
    let ended = keyring(run(&env, &portal)).end().await;
    ended.assert(2, &["the portal asks for a login, and none was given"]);

    keyring(env.login(save(&env, &portal), &portal)).end().await.assert(0, &[]);
    let out = keyring(env.call(["logout", "--all"])).end().await;
    assert!(out.stdout.contains("1 saved login\n") && out.stdout.contains("1 password from"), "{out}");
    env.assert_nothing_left().await;
    portal.stop().await;
}
