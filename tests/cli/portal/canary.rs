//! A known order that is fetched before all others, and stops the run if it does not bring its files.

use rustix::process::Signal;

use crate::harness::command::{QUICK_SETTLE, TestEnv, assert_all_there, largest, portal, statuses};
use crate::needs_browser;

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_brings_nothing_stops_the_run_before_any_other_order_is_asked_for() {
    needs_browser!();
    let portal = portal(3).await;
    let env = TestEnv::new();
    let po = largest(&portal);
    let pos: Vec<_> = portal.orders().iter().map(ToString::to_string).collect();
    let call = || env.run(&portal, pos.iter()).arg("--canary").arg(po.to_string());
    // a new look of the portal, in which the recipe finds nothing
    let drifted = "extends = \"coupa\"\n[attachments]\nlinks = [{ css = \".gone\", name = [\"text\"] }]\nbuttons = []\n\
                   wider_links = []\n";
    let recipe = env.write("drifted.toml", format!("{drifted}{QUICK_SETTLE}"));
    let ended = call().arg("--recipe").arg(&recipe).end().await;
    ended.assert(4, &["the canary", "FAILED", "which could be one", "recipe check"]);
    assert!(statuses(&env.report()).values().all(|status| status == "NOT_DONE"), "{ended}");
    assert!(portal.asked().iter().all(|asked| *asked == po), "{:?}", portal.asked());
    env.assert_nothing_left().await;

    // one file more than it has; what else is too little is proven where it is judged
    let own = portal.expected(&po).unwrap().files.len();
    let wants = |canary: String| env.run(&portal, pos.iter()).arg("--force").arg("--canary").arg(canary);
    let ended = wants(format!("{po}={}", own + 1)).end().await;
    ended.assert(4, &[&format!("with {own} files of its own page"), &format!("at least {}", own + 1)]);
    wants(format!("{po}=none")).end().await.assert_refusal(2, &["canary", "PO15262984=5"]);
    assert!(portal.asked().iter().all(|asked| *asked == po), "{:?}", portal.asked());
    let before = portal.counts().files_served;

    let ended = wants(format!("{po}={own}")).end().await;
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    assert_all_there(&env.out(), &portal);
    let all: usize = portal.orders().iter().map(|po| portal.expected(po).unwrap().files.len()).sum();
    assert_eq!(portal.counts().files_served - before, all as u64, "the canary's files are fetched once");
    env.call(["verify"]).end().await.assert(0, &[]);
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_killed_before_its_canary_passed_is_resumed_with_all_its_orders() {
    needs_browser!();
    let portal = portal(3).await;
    let env = TestEnv::new();
    let pos = portal.orders();
    let canary = largest(&portal);
    portal.faults().hold(&canary);
    let canary_first = ["--canary".to_owned(), canary.to_string(), "--workers".to_owned(), "3".to_owned()];
    let mut run = env.run(&portal, pos.iter().map(ToString::to_string)).args(&canary_first).start();
    run.works_on(&portal, &canary).await;
    run.signal(Signal::KILL);
    assert_eq!(run.end().await.code(), None);
    portal.faults().release_all();
    assert_eq!(portal.counts().logins_accepted, 1, "one browser is enough for the canary");

    let asked = portal.asked().len();
    let resumed = env.login(env.call(["resume"]), &portal).args(&canary_first).end().await;
    resumed.assert(0, &["3 of 3 orders are open", &format!("fetching the canary {canary} first")]);
    let asked = portal.asked().split_off(asked);
    let others = asked.iter().position(|po| *po != canary).unwrap();
    assert!(others > 0 && !asked[others..].contains(&canary), "{asked:?}");
    assert_all_there(&env.out(), &portal);
    let all: usize = pos.iter().map(|po| portal.expected(po).unwrap().files.len()).sum();
    assert_eq!(portal.counts().files_served, all as u64, "each file is fetched once");
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_canary_failed_goes_on_with_a_recipe_that_fits() {
    needs_browser!();
    let portal = portal(3).await;
    let env = TestEnv::new();
    let pos = portal.orders();
    let canary = largest(&portal);
    let own = portal.expected(&canary).unwrap().files.len();
    let run = || env.run(&portal, pos[..2].iter().filter(|po| **po != canary).map(ToString::to_string));
    let before = portal.counts().files_served;
    run().args(["--canary", &format!("{canary}={}", own + 1)]).end().await.assert(4, &["NOT_DONE", "recipe check"]);
    assert_eq!(portal.counts().files_served - before, own as u64);

    // the files of the canary are there already, and are not fetched again
    let ended = run().args(["--canary", &format!("{canary}={own}")]).end().await;
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    assert_eq!(statuses(&env.report())[&canary.to_string()], "COMPLETED", "it is an order of the run");
    assert_eq!(portal.asked().iter().filter(|po| **po == canary).count(), 2, "{:?}", portal.asked());
    env.call(["verify"]).end().await.assert(0, &[]);
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_and_its_run_share_one_login() {
    needs_browser!();
    let portal = portal(4).await;
    let env = TestEnv::new();
    let pos = portal.orders();
    let canary = largest(&portal).to_string();
    let ended = env.run(&portal, pos.iter().map(ToString::to_string)).args(["--canary", &canary]).end().await;
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    assert_all_there(&env.out(), &portal);
    assert_eq!((portal.counts().passwords_sent, portal.counts().logins_accepted), (1, 1), "{ended}");
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_signals_end_a_run_whose_canary_waits_for_a_portal_that_never_answers() {
    needs_browser!();
    let portal = portal(2).await;
    let env = TestEnv::new();
    let pos = portal.orders();
    portal.faults().hold(&pos[0]);
    let words = [pos[1].to_string(), "--canary".to_owned(), pos[0].to_string()];
    let mut run = env.run(&portal, &words).start();
    run.works_on(&portal, &pos[0]).await;
    run.signal(Signal::INT);
    run.says("stopping: ").await;
    run.signal(Signal::INT);
    let ended = run.end().await;
    ended.assert(4, &["aborting: ", "canary"]);
    assert!(!portal.asked().contains(&pos[1]), "{ended}");
    env.assert_nothing_left().await;
    portal.stop().await;
}
