//! Portals in bad weather: logins that end, errors, resets, truncated bodies, throttling.

use std::time::{Duration, SystemTime};

use coupa_batch::demo::{FaultRule, LoginAnswer, Part, PortalFault, RetryAfter};

use crate::desk::{Desk, assert_all_there, portal};
use crate::needs_browser;

#[tokio::test(flavor = "multi_thread")]
async fn every_file_of_a_batch_comes_through_the_worst_weather_and_each_ended_login_is_made_once() {
    needs_browser!();
    let orders: usize = std::env::var("WEATHER_ORDERS").map_or(16, |text| text.parse().unwrap());
    println!("WEATHER_ORDERS={orders}");
    let portal = portal(orders).await;
    let desk = Desk::new();
    let faults = [
        FaultRule::new(PortalFault::LoginEnded(LoginAnswer::Redirect), Part::OrderPage).every(25),
        FaultRule::new(PortalFault::LoginEnded(LoginAnswer::Page), Part::File).every(25),
        FaultRule::new(PortalFault::Status(503), Part::OrderPage).every(20),
        FaultRule::new(PortalFault::Status(500), Part::File).every(20),
        FaultRule::new(PortalFault::Throttled(RetryAfter::Seconds(1)), Part::OrderPage).every(30),
        FaultRule::new(PortalFault::Truncated, Part::File).every(17),
        FaultRule::new(PortalFault::Reset, Part::File).every(23),
        FaultRule::new(PortalFault::WrongType, Part::File).every(29),
        FaultRule::new(PortalFault::LoginInstead, Part::File).every(41),
    ];
    for fault in faults {
        portal.faults().add(fault);
    }
    let pos: Vec<_> = portal.orders().iter().map(ToString::to_string).collect();
    let call = desk.run(&portal, pos.iter()).arg("--workers").arg("4").env("COUPA_BATCH_PATIENCE", "5m");
    let run = call.env("COUPA_BATCH_DOWNLOAD_TIMEOUT", "5s").start();
    let ended = run.end_within(Duration::from_secs(120 + 5 * orders as u64)).await;
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    assert_all_there(&desk.out(), &portal);
    let counts = portal.counts();
    println!("{counts:?}");
    assert!(counts.faults_struck > 0, "{counts:?}");
    assert!(counts.logins_accepted <= counts.logins_ended + 1, "each ended login is made once: {counts:?}");
    assert_eq!(counts.logins_refused, 0, "{counts:?}");
    desk.call(["verify"]).end().await.assert(0, &[]);
    desk.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_that_wishes_to_be_left_alone_is_left_alone() {
    needs_browser!();
    // longer than the pause that the program makes by itself
    for is_date in [false, true] {
        let portal = portal(3).await;
        let desk = Desk::new();
        let pos: Vec<_> = portal.orders().iter().map(ToString::to_string).collect();
        let wish = if is_date {
            RetryAfter::Date(SystemTime::now() + Duration::from_secs(20))
        } else {
            RetryAfter::Seconds(8)
        };
        portal.faults().add(FaultRule::new(PortalFault::Throttled(wish), Part::OrderPage).times(1));
        let call = desk.run(&portal, pos.iter()).arg("--workers").arg("1").env("COUPA_BATCH_PATIENCE", "2m");
        let ended = call.end().await;
        ended.assert(0, &["waiting: "]);
        let counts = portal.counts();
        assert_eq!((counts.faults_struck, counts.asked_early), (1, 0), "{wish:?}: {ended}");
        assert_all_there(&desk.out(), &portal);
        portal.stop().await;
    }
}
