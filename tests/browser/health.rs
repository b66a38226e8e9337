//! Driver, browser and page are told apart when one of them hangs or ends.

use std::fs;
use std::time::Duration;

use coupa_batch::backend::{Session, SessionError};
use rustix::process::{Pid, Signal, kill_process};

use crate::browser::{Flavour, Rig, tree, until};
use crate::site;

crate::on_the_installed_browser!(
    a_driver_that_hangs_is_unresponsive,
    a_page_in_an_endless_loop_is_unresponsive,
    a_browser_that_hangs_is_unresponsive,
    a_browser_that_is_killed_is_lost_at_once,
    the_health_of_a_session_can_be_checked,
);
crate::on_edge!(a_browser_that_is_killed_is_lost_at_once);

/// The main process of the session's browser: the one that is not one of its parts.
fn browser_of(session: &dyn Session) -> u32 {
    let main = tree(session.root_pid().unwrap()).into_iter().find(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains("--user-data-dir=") && !line.contains("--type=")
    });
    main.expect("it runs")
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), signal).unwrap();
}

/// With a deadline that a test can wait for.
fn short(flavour: Flavour) -> Option<Rig> {
    Rig::with(flavour, |config| config.deadlines.command = Duration::from_secs(2))
}

async fn ends_clean(rig: &Rig, session: Box<dyn Session>) {
    assert!(!session.is_usable());
    let report = session.close().await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(rig.profile_folders(), Vec::<std::path::PathBuf>::new());
    rig.until_nothing_is_left().await;
}

async fn a_driver_that_hangs_is_unresponsive(rig: Rig) {
    let Some(rig) = short(rig.flavour) else { return };
    let mut session = rig.open().await;
    signal(session.root_pid().unwrap(), Signal::STOP);
    let why = session.check_health().await.unwrap_err();
    assert!(matches!(why, SessionError::DriverUnresponsive { .. }), "{why}");
    ends_clean(&rig, session).await;
}

async fn a_page_in_an_endless_loop_is_unresponsive(rig: Rig) {
    let Some(rig) = short(rig.flavour) else { return };
    let base = site::start().await;
    let mut session = rig.open().await;
    session.page().goto(&base).await.unwrap();
    session.page().evaluate("setTimeout(() => { while (true) {} }, 20)", vec![]).await.unwrap();
    let why = until("the page hangs", async || session.page().document().await.err()).await;
    assert!(matches!(why, SessionError::PageUnresponsive { .. }), "{why}");
    let again = session.page().url().await.unwrap_err();
    assert!(matches!(again, SessionError::Lost(_)), "no further command is sent: {again}");
    ends_clean(&rig, session).await;
}

async fn a_browser_that_hangs_is_unresponsive(rig: Rig) {
    let Some(rig) = short(rig.flavour) else { return };
    let mut session = rig.open().await;
    signal(browser_of(session.as_ref()), Signal::STOP);
    let why = until("the browser hangs", async || session.page().screenshot().await.err()).await;
    assert!(matches!(why, SessionError::PageUnresponsive { .. }), "{why}");
    ends_clean(&rig, session).await;
}

async fn a_browser_that_is_killed_is_lost_at_once(rig: Rig) {
    let mut session = rig.open().await;
    let browser = browser_of(session.as_ref());
    // in the middle of a command that nobody would answer
    let (gone, ()) = tokio::join!(session.page().evaluate("return new Promise(() => {})", vec![]), async {
        signal(browser, Signal::KILL);
    });
    let why = gone.unwrap_err();
    assert!(matches!(&why, SessionError::Lost(text) if text.contains("browser")), "{why}");
    ends_clean(&rig, session).await;
    // and one that nobody speaks to at that moment
    let session = rig.open().await;
    signal(browser_of(session.as_ref()), Signal::KILL);
    until("it is noticed", async || (!session.is_usable()).then_some(())).await;
    ends_clean(&rig, session).await;
}

async fn the_health_of_a_session_can_be_checked(rig: Rig) {
    let base = site::start().await;
    let mut session = rig.open().await;
    assert_eq!(session.median_page_time(), None);
    for _ in 0..5 {
        session.page().goto(&base).await.unwrap();
    }
    assert!(session.median_page_time().is_some_and(|time| !time.is_zero() && time < Duration::from_secs(60)));
    let usage = session.check_health().await.unwrap();
    assert!(usage.latency_micros > 0 && usage.profile_bytes > 1_000, "{usage:?}");
    assert!(session.close().await.is_clean());
    rig.until_nothing_is_left().await;
}
