//! Browsers and drivers that are missing, do not match, or do not start.

use coupa_batch::PoolConfig;
use coupa_batch::browser::locate;
use coupa_batch::config::BrowserChoice;

use crate::harness::command::{Call, TestEnv, portal, statuses};
use crate::needs_browser;

const VERSION: &str = "156.0.1.2";

/// A program that tells this version and does `otherwise` when it is asked for anything else.
fn program(env: &TestEnv, name: &str, says: &str, otherwise: &str) -> String {
    let text = format!("[ \"$1\" = --version ] && {{ echo '{says}'; exit; }}\n{otherwise}");
    env.script(name, &text).display().to_string()
}

/// A call that would fetch one order with this browser and this driver.
fn call_with(env: &TestEnv, browser: &str, driver: &str) -> Call {
    env.call([
        "run",
        "PO7",
        "PO8",
        "--base-url",
        &env.silent_portal(),
        "--browser-path",
        browser,
        "--driver-path",
        driver,
    ])
}

fn is_edge_installed() -> bool {
    let mut config = PoolConfig::builder().build().unwrap().browser;
    config.choice = BrowserChoice::Edge;
    locate(&config).is_ok()
}

#[tokio::test]
async fn without_a_browser_it_ends_with_5_and_says_how_to_get_one() {
    if is_edge_installed() {
        println!("skipped: there is an Edge here, so that it cannot be missing");
        return;
    }
    let env = TestEnv::new();
    let ended = env.call(["run", "PO7", "--base-url", &env.silent_portal(), "--browser", "edge"]).end().await;
    ended.assert_refusal(5, &["there is no usable browser", "Microsoft Edge is not installed", "doctor --yes"]);
    let told = env.call(["status", "--json"]).end().await;
    let told: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    assert!(told["finished"].is_string(), "a run that was never at work is not told to be: {told:#}");
    let browser = program(&env, "edge", &format!("Microsoft Edge {VERSION}"), "exit 1");
    let ended = env.call(["run", "PO7", "--base-url", &env.silent_portal(), "--browser-path", &browser]).end().await;
    ended
        .assert_refusal(5, &["Microsoft Edge WebDriver is not installed", "install version 156 of it", "doctor --yes"]);
    env.assert_nothing_left().await;
}

#[tokio::test]
async fn versions_that_do_not_match_are_told_with_the_one_to_install() {
    let env = TestEnv::new();
    let browser = program(&env, "browser", "Chromium 157.0.1.2", "exit 1");
    let driver = program(&env, "driver", "ChromeDriver 156.0.1.2 (x)", "exit 1");
    let ended = call_with(&env, &browser, &driver).end().await;
    ended.assert_refusal(5, &["157.0.1.2", "156.0.1.2", "install version 157 of the driver"]);
    let ended = call_with(&env, &browser, "no/such/driver").end().await;
    ended.assert_refusal(2, &["driver_path", "no/such/driver"]);
    let mute = env.script("mute", "exit 3").display().to_string();
    let ended = call_with(&env, &browser, &mute).end().await;
    ended.assert_refusal(5, &["driver_path does not work", "mute"]);
    env.assert_nothing_left().await;
}

#[tokio::test]
async fn a_driver_that_dies_at_start_is_quoted_and_ends_the_run_with_5() {
    let env = TestEnv::new();
    let browser = program(&env, "browser", &format!("Chromium {VERSION}"), "exit 1");
    let driver =
        program(&env, "driver", &format!("ChromeDriver {VERSION} (x)"), "echo a library is missing >&2; exit 127");
    let ended = call_with(&env, &browser, &driver).end().await;
    ended.assert(5, &["a library is missing", "coupa-batch doctor"]);
    assert_eq!(statuses(&env.report())["PO7"], "NOT_DONE");
    env.assert_nothing_left().await;
}

#[tokio::test]
async fn a_driver_that_never_says_its_port_is_given_up_within_the_start_up_timeout() {
    let env = TestEnv::new();
    let browser = program(&env, "browser", &format!("Chromium {VERSION}"), "exit 1");
    let driver = program(&env, "driver", &format!("ChromeDriver {VERSION} (x)"), "echo hello; exec sleep 1000");
    let ended = call_with(&env, &browser, &driver).env("COUPA_BATCH_STARTUP_TIMEOUT", "300ms").end().await;
    ended.assert(5, &["was not ready within 300ms", "startup_timeout"]);
    env.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_cannot_start_leaves_its_orders_to_the_others() {
    needs_browser!();
    let found = locate(&PoolConfig::builder().build().unwrap().browser).unwrap();
    let portal = portal(2).await;
    let env = TestEnv::new();
    // making a folder succeeds once only, whoever tries at the same time
    let first = env.path().join("first").display().to_string();
    let driver = program(
        &env,
        "driver",
        &format!("ChromeDriver {} (x)", found.driver_version),
        &format!(
            "mkdir '{first}' 2>/dev/null && {{ echo out of luck >&2; exit 1; }}\nexec '{}' \"$@\"",
            found.driver.display()
        ),
    );
    let pos: Vec<_> = portal.orders().iter().map(ToString::to_string).collect();
    let ended = env
        .run(&portal, &pos)
        .arg("--driver-path")
        .arg(driver)
        .arg("--browser-path")
        .arg(&found.browser)
        .env("COUPA_BATCH_WORKERS", "2")
        .end()
        .await;
    ended.assert(0, &["out of luck"]);
    assert_eq!(statuses(&env.report()).len(), 2);
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failure_that_passes_does_not_cost_the_users_template() {
    needs_browser!();
    let found = locate(&PoolConfig::builder().build().unwrap().browser).unwrap();
    let portal = portal(1).await;
    let env = TestEnv::new();
    let first = env.path().join("first").display().to_string();
    let otherwise = format!(
        "mkdir '{first}' 2>/dev/null && {{ echo out of luck >&2; exit 1; }}\nexec '{}' \"$@\"",
        found.driver.display()
    );
    let driver = program(&env, "driver", &format!("ChromeDriver {} (x)", found.driver_version), &otherwise);
    let template = env.path().join("mine");
    std::fs::create_dir_all(template.join("Default")).unwrap();
    std::fs::write(template.join("Default/Preferences"), "{}").unwrap();
    let po = portal.orders()[0].to_string();
    let run = env.run(&portal, [&po]).env("COUPA_BATCH_PROFILE_TEMPLATE", &template);
    let ended = run.arg("--driver-path").arg(driver).arg("--browser-path").arg(&found.browser).end().await;
    ended.assert(0, &[]);
    assert!(std::path::Path::new(&first).is_dir() && !ended.stderr.contains("template"), "{ended}");
    env.assert_nothing_left().await;
    portal.stop().await;
}
