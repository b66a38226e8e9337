//! Output folders that cannot be written from the start.

use std::path::Path;

use crate::harness::command::TestEnv;
use crate::harness::mount::Mount;

fn words(env: &TestEnv, out: &Path) -> crate::harness::command::Call {
    env.call(["run", "PO7", "--base-url", "https://acme.coupahost.com", "--out"]).arg(out)
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named_and_so_is_the_way_out() {
    let env = TestEnv::new();
    let file = env.write("a-file", "");
    for out in [file.clone(), file.join("below")] {
        let ended = words(&env, &out).end().await;
        ended.assert_refusal(2, &["the output folder", "--out"]);
        assert!(ended.stderr.contains(&out.display().to_string()), "{ended}");
    }
    env.assert_nothing_left().await;
}

#[tokio::test]
async fn a_log_file_that_cannot_be_written_is_not_blamed_on_the_folder() {
    let env = TestEnv::new();
    let file = env.write("a-file", "");
    let ended = words(&env, &env.out()).arg("--log-file").arg(file.join("below")).end().await;
    ended.assert_refusal(2, &["the log file", "--log-file"]);
}

#[tokio::test]
async fn a_read_only_folder_is_told_before_any_browser_is_started() {
    let env = TestEnv::new();
    let Some(mount) = Mount::new(&env.path().join("mount"), "ro") else { return };
    for out in [mount.path().to_owned(), mount.path().join("below")] {
        let ended = words(&env, &out).end().await;
        ended.assert_refusal(2, &["the output folder", "--out"]);
    }
    env.assert_nothing_left().await;
}

#[tokio::test]
async fn a_full_folder_is_told_before_any_browser_is_started() {
    let env = TestEnv::new();
    let Some(mount) = Mount::new(&env.path().join("mount"), "size=64k") else { return };
    mount.fill();
    let ended = words(&env, mount.path()).end().await;
    ended.assert_refusal(2, &["No space left", "free some space there", "--out"]);
    assert!(!mount.path().join(".coupa-batch").exists(), "nothing of ours is left there");
    env.assert_nothing_left().await;
}

#[tokio::test]
async fn two_runs_do_not_share_an_output_folder() {
    let env = TestEnv::new();
    let tells =
        |what: &str| format!("[ \"$1\" = --version ] && {{ echo '{what}'; exit; }}\necho hello >&2; exec sleep 1000");
    let browser = env.script("browser", &tells("Chromium 156.0.1.2"));
    let driver = env.script("driver", &tells("ChromeDriver 156.0.1.2 (x)"));
    let call = || {
        env.call(["run", "PO7", "-v", "--base-url", &env.silent_portal()])
            .env("COUPA_BATCH_BROWSER_PATH", &browser)
            .env("COUPA_BATCH_DRIVER_PATH", &driver)
    };
    let mut first = call().start();
    first.says("hello").await;
    let second = call().end().await;
    second.assert_refusal(2, &["another run", "--out"]);
    first.signal(rustix::process::Signal::TERM);
    first.says("stopping: ").await;
    first.signal(rustix::process::Signal::TERM);
    first.end().await.assert(4, &[]);
    env.assert_nothing_left().await;
}
