//! Driver processes: one per session, on ports of a range, with their health and what becomes of a session whose driver
//! dies.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use coupa_batch::backend::{SessionError, SessionFactory};
use coupa_batch::model::{DriverStatus, WorkerId};
use rustix::process::{Pid, Signal, kill_process};

use crate::browser::{Flavour, Rig, until};

fn drivers(rig: &Rig) -> Vec<DriverStatus> {
    rig.factory.footprint().drivers
}

/// Five ports in a row that are free at this moment.
fn free_ports() -> std::ops::RangeInclusive<u16> {
    let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let first = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let found = (0..100).map(|_| first()).find(|first| *first < 65_000 && (*first..first + 5).all(is_free));
    found.map(|first| first..=first + 4).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn drivers_listen_on_the_configured_ports_and_report_their_health() {
    let ports = free_ports();
    let range = ports.clone();
    let Some(rig) = Rig::with(Flavour::Installed, |config| {
        config.browser.drivers.ports = Some(range);
        config.browser.drivers.health_interval = Duration::from_millis(100);
    }) else {
        return;
    };
    // another program uses one of the ports
    let _other = TcpListener::bind((Ipv4Addr::LOCALHOST, *ports.start())).unwrap();
    let (first, second) = tokio::join!(rig.factory.open(WorkerId(1)), rig.factory.open(WorkerId(2)));
    let (first, second) = (first.unwrap(), second.unwrap());
    let statuses = until("both were checked", async || {
        let all = drivers(&rig);
        (all.len() == 2 && all.iter().all(|status| status.health_micros.is_some())).then_some(all)
    })
    .await;
    for status in &statuses {
        assert!(status.port.is_some_and(|port| ports.contains(&port) && port != *ports.start()), "{statuses:?}");
        assert!(status.is_healthy && status.restart_count == 0, "{statuses:?}");
    }
    assert_ne!(statuses[0].port, statuses[1].port);
    assert!(first.close().await.is_clean() && second.close().await.is_clean());
    let third = rig.open().await;
    let statuses = until("the exit is reported", async || {
        Some(drivers(&rig)).filter(|all| all[0].last_exit.is_some() && all[0].restart_count == 1)
    });
    assert_eq!(statuses.await[0].number, 1);
    assert!(third.close().await.is_clean());
    rig.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_port_of_a_driver_that_died_is_free_although_its_session_is_not_closed() {
    let port = *free_ports().start();
    let Some(rig) = Rig::with(Flavour::Installed, |config| config.browser.drivers.ports = Some(port..=port)) else {
        return;
    };
    let mut first = rig.open().await;
    let before = drivers(&rig)[0].pid.unwrap();
    kill_process(Pid::from_raw(before.try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
    let next = rig.factory.open(WorkerId(2)).await.unwrap();
    let why = first.page().url().await.unwrap_err();
    assert!(matches!(&why, SessionError::Lost(_)), "{why}");
    let after = drivers(&rig);
    assert!(after.len() == 1 && after[0].port == Some(port) && after[0].pid != Some(before), "{after:?}");
    assert!(first.close().await.is_clean() && next.close().await.is_clean());
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
