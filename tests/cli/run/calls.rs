//! Calls and settings that are wrong: refused before anything is started.

use crate::harness::command::TestEnv;

const ADDRESS: [&str; 2] = ["--base-url", "https://acme.coupahost.com"];

/// Nothing was started, so nothing may have been made.
#[track_caller]
fn assert_untouched(env: &TestEnv) {
    assert!(!env.out().exists(), "a refused call makes no output folder");
}

#[tokio::test]
async fn without_an_address_it_asks_which_portal() {
    let env = TestEnv::new();
    env.call(["run", "PO7"]).end().await.assert_refusal(2, &["no portal given", "--base-url https://"]);
    assert_untouched(&env);
}

#[tokio::test]
async fn an_address_without_https_is_shown_with_it() {
    let env = TestEnv::new();
    let ended = env.call(["run", "PO7", "--base-url", "acme.coupahost.com"]).end().await;
    ended.assert(2, &["--base-url", "write https://acme.coupahost.com"]);
    let ended = env.call(["run", "PO7"]).env("COUPA_BATCH_BASE_URL", "acme.coupahost.com").end().await;
    ended.assert_refusal(2, &["COUPA_BATCH_BASE_URL", "write https://acme.coupahost.com"]);
    assert_untouched(&env);
}

#[tokio::test]
async fn a_login_is_not_sent_in_clear_to_another_machine() {
    let env = TestEnv::new();
    let ended = env.call(["run", "PO7", "--base-url", "http://acme.coupahost.com"]).end().await;
    ended.assert_refusal(2, &["http would send the login in clear", "use https://acme.coupahost.com"]);
    assert_untouched(&env);
}

#[tokio::test]
async fn half_a_login_is_refused_by_the_name_of_the_other_half() {
    let env = TestEnv::new();
    for (given, missing) in [("COUPA_USERNAME", "COUPA_PASSWORD"), ("COUPA_PASSWORD", "COUPA_USERNAME")] {
        let ended = env.call(["run", "PO7"]).arg(ADDRESS[0]).arg(ADDRESS[1]).env(given, "hunter2").end().await;
        ended.assert_refusal(2, &[&format!("{missing}: not set"), given, "set both"]);
        assert!(!ended.stderr.contains("hunter2"), "{ended}");
    }
    assert_untouched(&env);
}

#[tokio::test]
async fn an_unknown_setting_is_named_with_its_place_and_the_likely_one() {
    let env = TestEnv::new();
    let ended = env.call(["run", "PO7"]).env("COUPA_BATCH_WORKRS", "3").end().await;
    ended.assert_refusal(2, &["COUPA_BATCH_WORKRS", "did you mean"]);
    env.write("coupa-batch.toml", "workrs = 3\nheadless = 'perhaps'\n");
    let ended = env.call(["run", "PO7"]).end().await;
    ended.assert_refusal(2, &["workrs (in coupa-batch.toml)", "did you mean workers?", "headless"]);
    env.write("broken.toml", "workers = = 3\n");
    let ended = env.call(["run", "PO7", "--config", "broken.toml"]).end().await;
    ended.assert_refusal(2, &["broken.toml"]);
    let ended = env.call(["run", "PO7", "--config", "absent.toml"]).end().await;
    ended.assert_refusal(2, &["absent.toml", "cannot be read"]);
    assert_untouched(&env);
}

#[tokio::test]
async fn everything_that_is_wrong_with_the_settings_is_told_at_once() {
    let env = TestEnv::new();
    let ended = env
        .call(["run", "PO7", "--workers", "99", "--retries", "99", "--base-url", "http://a.com"])
        .env("COUPA_USERNAME", "me")
        .end()
        .await;
    ended.assert_refusal(
        2,
        &["4 settings are wrong", "\n  workers: 99", "\n  retry_limit: 99", "\n  base_url: http", "\n  COUPA_PASSWORD"],
    );
    assert_untouched(&env);
}

#[tokio::test]
async fn results_go_to_standard_output_and_help_is_one_page() {
    let env = TestEnv::new();
    for words in
        [&["--help"][..], &["run", "--help"], &["demo", "--help"], &["doctor", "--help"], &["config", "--help"]]
    {
        let ended = env.call(words).end().await;
        ended.assert(0, &[]);
        assert!(ended.stdout.contains("Usage: coupa-batch") && ended.stderr.is_empty(), "{ended}");
    }
    let ended = env.call(["config", "--workers", "6"]).end().await;
    ended.assert(0, &[]);
    assert!(ended.stdout.contains("workers = 6"), "{ended}");
    env.write("coupa-batch.toml", &ended.stdout);
    let again = env.call(["config"]).end().await;
    assert!(again.stdout.contains("workers = 1"), "the environment is stronger than the file: {again}");
    let nothing = env.call::<&str>([]).end().await;
    assert_eq!(nothing.code, Some(2), "{nothing}");
    assert_untouched(&env);
}
