//! Portals without frames, logins that end, and pages that spin.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use coupa_batch::PoNumber;
use coupa_batch::demo::{DemoConfig, DemoPortal, PortalLatency};
use coupa_batch::model::Lane;
use tokio::net::TcpListener;
use url::Url;

use super::harness::{Harness, assert_all_is_there, count, open, receipt_of};
use crate::browser::{Flavour, Rig};

async fn serve(router: Router) -> Url {
    let router = router.route("/robots.txt", get(async || "nothing to see"));
    let router = router.route("/attachment_file/{name}", get(async || "%PDF-1.4 %%EOF"));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

fn orders(count: usize) -> Vec<PoNumber> {
    (1..=count).map(|number| format!("PO{number}").parse().unwrap()).collect()
}

const PAGE: &str =
    "<!doctype html><title>x</title><div class=commentAttachments><a href=/attachment_file/a.pdf>a.pdf</a></div>";

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_that_denies_frames_is_asked_for_them_by_the_first_orders_alone() {
    let Some(rig) = Rig::new(Flavour::Installed) else { return };
    let framed = Arc::new(AtomicUsize::new(0));
    let order = async |State(framed): State<Arc<AtomicUsize>>, headers: HeaderMap| {
        let is_frame = headers.get("sec-fetch-dest").is_some_and(|dest| dest == "iframe");
        framed.fetch_add(usize::from(is_frame), Ordering::Relaxed);
        ([("x-frame-options", "DENY")], Html(PAGE)).into_response()
    };
    let router = Router::new().route("/order_headers/{number}", get(order)).with_state(Arc::clone(&framed));
    let base = serve(router).await;
    let harness = Harness::new(&rig, base.clone(), None, |_| {});
    let mut session = open(&rig, &base).await;
    let ends = harness.run(session.as_mut(), &orders(6), 2).await;
    assert!(session.close().await.is_clean());
    assert_eq!(count(&ends, Lane::Tab), 6);
    assert!(ends.values().all(|end| end.result.as_ref().is_ok_and(|receipt| receipt.files.len() == 1)), "{ends:?}");
    assert!((1..=2).contains(&framed.load(Ordering::Relaxed)), "{framed:?}");
    let reason = |po: &str| receipt_of(&ends[&po.parse().unwrap()]).unwrap().lane_reason.clone();
    assert!(reason("PO6").contains("does not let its pages be shown in frames"), "{}", reason("PO6"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_ends_with_several_orders_in_flight_is_made_once_more_and_costs_none_of_them() {
    let Some(rig) = Rig::new(Flavour::Installed) else { return };
    let portal =
        DemoPortal::start(DemoConfig { pace: PortalLatency::prompt(), ..DemoConfig::default() }).await.unwrap();
    let harness = Harness::of_demo(&rig, &portal, |_| {});
    let mut session = open(&rig, &portal.base_url()).await;
    let ends = harness
        .run_and(session.as_mut(), &portal.orders(), 4, |ended| {
            if ended == 5 {
                portal.end_logins();
            }
        })
        .await;
    assert!(session.close().await.is_clean());
    let shown: Vec<_> =
        ends.iter().map(|(po, end)| format!("{po} {:?}", receipt_of(end).map(|r| (r.lane, &r.lane_reason)))).collect();
    let outcomes = harness.finalize(ends).await;
    assert_all_is_there(&portal, harness.out.path(), &outcomes);
    assert!(shown.iter().filter(|shown| shown.contains("Frames")).count() > 15, "{shown:#?}");
    rig.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_spins_ends_its_session_and_no_order_of_it_is_answered() {
    let Some(rig) = Rig::with(Flavour::Installed, |config| config.deadlines.page = Duration::from_secs(4)) else {
        return;
    };
    let order = async |Path(number): Path<u32>| {
        let script = if number == 2 { "<script>for (;;) {}</script>" } else { "" };
        Html(format!("{PAGE}{script}"))
    };
    let base = serve(Router::new().route("/order_headers/{number}", get(order))).await;
    let harness = Harness::new(&rig, base.clone(), None, |config| config.deadlines = rig.config.deadlines);
    let mut session = open(&rig, &base).await;
    let ends = harness.run(session.as_mut(), &orders(2), 2).await;
    assert!(!session.is_usable());
    assert!(!ends.contains_key(&"PO2".parse().unwrap()), "{ends:?}");
    session.close().await;
    rig.until_nothing_is_left().await;
}
