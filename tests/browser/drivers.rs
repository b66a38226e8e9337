//! Drivers as services: several sessions on one, ports of a range, health, and what becomes of it all when one dies.

use std::net::{Ipv4Addr, TcpListener};
use std::num::NonZeroUsize;
use std::time::Duration;

use coupa_batch::backend::{Session, SessionError, SessionFactory};
use coupa_batch::model::{DriverStatus, WorkerId};
use rustix::process::{Pid, Signal, kill_process};

use crate::browser::{Flavour, Rig, tree, until};
use crate::site;

fn shared(change: impl FnOnce(&mut coupa_batch::PoolConfig)) -> Option<Rig> {
    Rig::with(Flavour::Installed, |config| {
        config.browser.drivers.sessions_per_driver = NonZeroUsize::new(2).unwrap();
        config.browser.drivers.health_interval = Duration::from_millis(200);
        change(config);
    })
}

fn drivers(rig: &Rig) -> Vec<DriverStatus> {
    rig.factory.footprint().drivers
}

async fn pair(rig: &Rig) -> (Box<dyn Session>, Box<dyn Session>) {
    let (first, second) = tokio::join!(rig.factory.open(WorkerId(1)), rig.factory.open(WorkerId(2)));
    (first.unwrap(), second.unwrap())
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), signal).unwrap();
}

/// Five ports in a row that are free at this moment.
fn free_ports() -> std::ops::RangeInclusive<u16> {
    let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let first = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let found = (0..100).map(|_| first()).find(|first| *first < 65_000 && (*first..first + 5).all(is_free));
    found.map(|first| first..=first + 4).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_sessions_on_one_driver_one_is_killed_and_the_other_goes_on() {
    let Some(rig) = shared(|_| {}) else { return };
    let base = site::start().await;
    let (mut first, mut second) = pair(&rig).await;
    let [driver] = drivers(&rig).try_into().unwrap();
    assert_eq!((driver.number, driver.session_count, rig.factory.footprint().profile_count), (1, 2, 2));
    assert!(tree(driver.pid.unwrap()).contains(&first.root_pid().unwrap()));
    assert_ne!(first.root_pid(), second.root_pid());

    first.kill_switch().kill();
    until("it is noticed", async || (!first.is_usable()).then_some(())).await;
    let why = first.page().url().await.unwrap_err();
    assert!(matches!(why, SessionError::Lost(_)), "{why}");
    second.page().goto(&base).await.unwrap();
    let report = first.close().await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(rig.factory.footprint().profile_count, 1);
    second.page().goto(&base).await.unwrap();
    second.check_health().await.unwrap();

    let mut third = rig.open().await;
    third.page().goto(&base).await.unwrap();
    let [again] = drivers(&rig).try_into().unwrap();
    assert_eq!((again.pid, again.session_count, again.restart_count), (driver.pid, 2, 0));
    assert!(second.close().await.is_clean());
    third.page().goto(&base).await.unwrap();
    assert!(third.close().await.is_clean());
    // the last one takes the driver along, at once
    assert_eq!(rig.profile_folders(), Vec::<std::path::PathBuf>::new());
    assert_eq!(tree(driver.pid.unwrap()), Vec::<u32>::new());
    rig.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_dies_loses_all_its_sessions_and_the_next_one_opens_all_the_same() {
    let Some(rig) = shared(|_| {}) else { return };
    let (mut first, mut second) = pair(&rig).await;
    let pid = drivers(&rig)[0].pid.unwrap();
    signal(pid, Signal::KILL);
    for session in [&mut first, &mut second] {
        until("it is noticed", async || (!session.is_usable()).then_some(())).await;
        let why = session.page().url().await.unwrap_err();
        assert!(matches!(why, SessionError::Lost(_)), "{why}");
    }
    let mut next = rig.open().await;
    next.check_health().await.unwrap();
    let views = drivers(&rig);
    assert!(views.iter().any(|view| view.pid.is_some_and(|now| now != pid)), "{views:?}");
    assert!(views[0].last_exit.as_ref().is_some_and(|how| how.contains("9")), "{views:?}");
    for session in [first, second, next] {
        let report = session.close().await;
        assert!(report.is_clean(), "{report:?}");
    }
    rig.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_falls_silent_is_ended_with_its_sessions() {
    let Some(rig) = shared(|_| {}) else { return };
    let (first, second) = pair(&rig).await;
    signal(drivers(&rig)[0].pid.unwrap(), Signal::STOP);
    // nobody asks anything of the sessions: the health check alone finds out
    until("they are lost", async || (!first.is_usable() && !second.is_usable()).then_some(())).await;
    assert!(first.close().await.is_clean() && second.close().await.is_clean());
    rig.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_page_that_stands_still_is_ended_alone() {
    let Some(rig) = shared(|config| config.deadlines.command = Duration::from_secs(2)) else { return };
    let base = site::start().await;
    let (mut first, mut second) = pair(&rig).await;
    signal(first.root_pid().unwrap(), Signal::STOP);
    let why = until("the browser hangs", async || first.page().screenshot().await.err()).await;
    assert!(matches!(why, SessionError::PageUnresponsive { .. }), "{why}");
    assert!(first.close().await.is_clean());
    second.page().goto(&base).await.unwrap();
    assert!(second.close().await.is_clean());
    rig.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_on_a_shared_driver_that_is_given_up_leaves_nothing_behind() {
    let Some(rig) = shared(|_| {}) else { return };
    let mut neighbour = rig.open().await;
    for millis in [1, 30, 100, 300] {
        let opened = tokio::time::timeout(Duration::from_millis(millis), rig.factory.open(WorkerId(2))).await;
        drop(opened);
        until("its folder is gone", async || (rig.factory.footprint().profile_count == 1).then_some(())).await;
        neighbour.check_health().await.unwrap();
    }
    assert!(neighbour.close().await.is_clean());
    rig.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drivers_listen_where_settings_say_and_tell_how_they_are() {
    let ports = free_ports();
    let range = ports.clone();
    let Some(rig) = Rig::with(Flavour::Installed, |config| {
        config.browser.drivers.ports = Some(range);
        config.browser.drivers.health_interval = Duration::from_millis(100);
    }) else {
        return;
    };
    // one port is somebody else's
    let _other = TcpListener::bind((Ipv4Addr::LOCALHOST, *ports.start())).unwrap();
    let (first, second) = pair(&rig).await;
    let views = until("both were asked", async || {
        Some(drivers(&rig)).filter(|views| views.len() == 2 && views.iter().all(|view| view.health_micros.is_some()))
    })
    .await;
    for view in &views {
        assert!(view.port.is_some_and(|port| ports.contains(&port) && port != *ports.start()), "{views:?}");
        assert!(view.is_healthy && view.session_count == 1 && view.restart_count == 0, "{views:?}");
    }
    assert_ne!(views[0].port, views[1].port);
    assert!(first.close().await.is_clean() && second.close().await.is_clean());
    let third = rig.open().await;
    let views = until("the end is told", async || {
        Some(drivers(&rig)).filter(|views| views[0].last_exit.is_some() && views[0].restart_count == 1)
    });
    assert_eq!(views.await[0].number, 1);
    assert!(third.close().await.is_clean());
    rig.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_port_is_free_again_when_its_driver_has_ended_though_sessions_hold_on_to_it() {
    let port = *free_ports().start();
    let Some(rig) = shared(|config| config.browser.drivers.ports = Some(port..=port)) else { return };
    let (first, second) = pair(&rig).await;
    let before = drivers(&rig);
    assert_eq!((before.len(), before[0].port), (1, Some(port)));
    signal(before[0].pid.unwrap(), Signal::KILL);
    // a worker whose session is not yet closed: the dead driver is still held by both
    let next = rig.factory.open(WorkerId(3)).await.unwrap();
    let after = drivers(&rig);
    let [now] = after.iter().filter(|view| view.pid.is_some()).collect::<Vec<_>>().try_into().unwrap();
    assert!(now.port == Some(port) && now.pid != before[0].pid, "{after:?}");
    for session in [first, second, next] {
        assert!(session.close().await.is_clean());
    }
    rig.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_waits_for_the_port_of_a_driver_that_is_ending_and_a_renewal_does_not() {
    let port = *free_ports().start();
    let Some(rig) = Rig::with(Flavour::Installed, |config| config.browser.drivers.ports = Some(port..=port)) else {
        return;
    };
    let first = rig.open().await;
    let why = rig.factory.open(WorkerId(1)).await.err().unwrap().to_string();
    assert!(why.contains("driver_ports") && why.contains("1 of them by this run's own"), "{why}");
    let (report, second) = tokio::join!(first.close(), rig.factory.open(WorkerId(2)));
    assert!(report.is_clean());
    assert!(second.unwrap().close().await.is_clean());
    rig.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_never_more_shared_drivers_than_allowed_whoever_ran_alone_beside_them() {
    let Some(rig) = shared(|config| config.browser.drivers.max_count = NonZeroUsize::new(1)) else { return };
    let (first, second) = pair(&rig).await;
    rig.factory.warm().await.unwrap(); // on a driver of its own
    let running = || drivers(&rig).into_iter().filter(|view| view.pid.is_some()).count();
    until("the lone one is gone", async || (running() == 1).then_some(())).await;
    // the next session of a worker that has one: told at once that there is no room, so that the old one is closed first
    let why = rig.factory.open(WorkerId(1)).await.err().unwrap().to_string();
    assert!(why.contains("max_drivers"), "{why}");
    // a worker that has none waits for a place
    let (report, third) = tokio::join!(first.close(), rig.factory.open(WorkerId(3)));
    assert!(report.is_clean());
    assert_eq!(running(), 1, "{:?}", drivers(&rig));
    assert!(second.close().await.is_clean() && third.unwrap().close().await.is_clean());
    rig.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_drivers_as_wished_are_kept_running() {
    let Some(rig) = shared(|config| {
        config.browser.drivers.min_count = 2;
        config.browser.drivers.max_count = NonZeroUsize::new(2);
    }) else {
        return;
    };
    let session = rig.open().await;
    let running = async || Some(drivers(&rig)).filter(|all| all.iter().filter(|view| view.pid.is_some()).count() == 2);
    let before = until("both run", running).await;
    // spread over both, though one would carry two
    let other = rig.factory.open(WorkerId(2)).await.unwrap();
    assert!(drivers(&rig).iter().all(|view| view.session_count == 1), "{:?}", drivers(&rig));
    assert!(session.close().await.is_clean() && other.close().await.is_clean());
    assert_eq!(drivers(&rig).iter().map(|view| view.pid).collect::<Vec<_>>(), [before[0].pid, before[1].pid]);
    signal(before[0].pid.unwrap(), Signal::KILL);
    until("it runs again", async || running().await.filter(|all| all[0].restart_count == 1)).await;
    let Rig { factory, profiles, .. } = rig;
    drop(factory);
    until("all folders are gone", async || {
        let folders = std::fs::read_dir(profiles.path()).unwrap().map(|entry| entry.unwrap().path());
        folders.filter(|path| path.is_dir()).count().eq(&0).then_some(())
    })
    .await;
}
