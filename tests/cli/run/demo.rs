//! The demo with something going wrong.

use coupa_batch::demo::NamedFault;

use crate::harness::command::TestEnv;
use crate::needs_browser;

#[tokio::test]
async fn the_faults_of_the_demo_are_listed_and_others_refused() {
    let env = TestEnv::new();
    let ended = env.call(["demo", "--fault", "list"]).end().await;
    ended.assert(0, &[]);
    for named in NamedFault::ALL {
        assert!(ended.stdout.contains(named.name) && ended.stdout.contains(named.about), "{ended}");
    }
    env.call(["demo", "--fault", "rain"]).end().await.assert(2, &["truncated", "login-ends", "list"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_with_faults_ends_with_every_file_or_says_which_it_could_not_get() {
    needs_browser!();
    let env = TestEnv::new();
    let demo = |orders, out| ["demo", "--orders", orders, "--workers", "2", "--out", out];
    let ended = env
        .call(demo("3", "downloads"))
        // two workers ask for a page and a file each, and then the login may end again: so each login brings a file at least
        .args(["--fault", "truncated=3", "--fault", "login-ends=5", "--fault", "dialogs"])
        .env("COUPA_BATCH_RETRY_LIMIT", "20") // every third file may be the same one several times
        .end()
        .await;
    ended.assert(0, &["verified: all"]);
    let log = std::fs::read_to_string(env.out().join("coupa-batch.log")).unwrap();
    assert!(log.contains("generation=2") || log.contains("\"generation\":2"), "a login had ended: {log}");
    let ended = env.call(demo("1", "other")).args(["--fault", "led-away=1"]).end().await;
    ended.assert(3, &["differences from what the portal served", "10.255.255.1"]);
    env.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_recommends_a_number_of_workers_with_its_table() {
    needs_browser!();
    let env = TestEnv::new();
    let ended = env.call(["tune", "--orders", "2", "--workers", "1,2,1"]).end().await;
    ended.assert(0, &[]);
    let rows: Vec<_> = ended.stdout.lines().collect();
    assert!(rows.len() == 4 && rows[0].contains("orders/min") && rows[3].contains("recommended"), "{ended}");
    env.assert_nothing_left().await;
}

#[tokio::test]
async fn a_sweep_that_fails_says_where_its_log_is_and_one_of_wrong_settings_leaves_nothing() {
    let env = TestEnv::new();
    let temporary = env.path().join("temporary");
    std::fs::create_dir(&temporary).unwrap();
    let folders = || std::fs::read_dir(&temporary).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let tune = || env.call(["tune", "--orders", "1", "--workers", "1"]).env("TMPDIR", &temporary);
    let ended = tune().env("COUPA_BATCH_RETRY_LIMIT", "many").end().await;
    ended.assert(2, &["retry_limit"]);
    assert!(folders().is_empty(), "{ended}");
    let no_browser = env.script("browser", "exit 1");
    let ended = tune().env("COUPA_BATCH_BROWSER_PATH", no_browser).end().await;
    let [folder] = &folders()[..] else { panic!("{ended}") };
    ended.assert(5, &["log and evidence are in", &folder.display().to_string()]);
}
