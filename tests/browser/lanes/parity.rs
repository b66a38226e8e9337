//! The outcome of an order never depends on its lane.

use std::collections::HashMap;
use std::path::Path;

use coupa_batch::PoNumber;
use coupa_batch::demo::{DemoConfig, DemoPortal, PortalKind, PortalLatency};
use coupa_batch::model::{Lane, Outcome, Receipt};

use super::harness::{Ends, Harness, assert_all_is_there, count, open, open_for_tab, receipt_of};
use crate::browser::{Flavour, Rig};

/// What an order came to, but for its lane.
fn shown(ends: &Ends) -> HashMap<PoNumber, (Option<(String, String)>, Option<Receipt>)> {
    let shown = |end: &coupa_batch::backend::LaneEnd| {
        let failure = end.result.as_ref().err().map(|error| (error.kind.to_string(), error.message.clone()));
        let receipt = receipt_of(end).cloned();
        (failure, receipt.map(|receipt| Receipt { lane: None, lane_reason: String::new(), ..receipt }))
    };
    ends.iter().map(|(po, end)| (po.clone(), shown(end))).collect()
}

/// All manifests below a folder.
fn manifests(out: &Path, outcomes: &[(PoNumber, Outcome)]) -> HashMap<PoNumber, serde_json::Value> {
    let folders = outcomes.iter().filter_map(|(po, outcome)| Some((po, &outcome.receipt()?.folder)));
    let read = |(po, folder): (&PoNumber, &String)| {
        let text = std::fs::read(out.join(folder).join("_manifest.json")).ok()?;
        let mut manifest: serde_json::Value = serde_json::from_slice(&text).unwrap();
        for of_the_lane in ["lane", "lane_reason"] {
            manifest.as_object_mut().unwrap().remove(of_the_lane);
        }
        Some((po.clone(), manifest))
    };
    folders.filter(|(_, folder)| !folder.is_empty()).filter_map(read).collect()
}

async fn both_lanes_bring_the_same(look: PortalKind) {
    let Some(rig) = Rig::new(Flavour::Installed) else { return };
    let demo = DemoConfig { look, pace: PortalLatency::prompt(), ..DemoConfig::default() };
    let portal = DemoPortal::start(demo).await.unwrap();
    let orders = portal.orders();
    let recipe = |config: &mut coupa_batch::PoolConfig| {
        if look != PortalKind::Coupa {
            config.site.recipe = look.recipe().to_owned();
        }
    };

    let in_frames = Harness::of_demo(&rig, &portal, recipe);
    let mut session = open(&rig, &portal.base_url()).await;
    let ends = in_frames.run(session.as_mut(), &orders, 4).await;
    assert!(session.is_usable());
    assert!(session.close().await.is_clean());
    let frames = shown(&ends);
    let reasons: Vec<_> = ends.values().filter_map(|end| Some(receipt_of(end)?.lane_reason.clone())).collect();
    let in_frames_count = count(&ends, Lane::Frames);
    println!("{in_frames_count} of {} orders in frames; {reasons:?}", orders.len());
    let outcomes = in_frames.finalize(ends).await;
    assert_all_is_there(&portal, in_frames.out.path(), &outcomes);
    assert!(in_frames_count * 2 > orders.len(), "{in_frames_count} orders in frames: {reasons:?}");
    assert_eq!(portal.login_count(), 1);

    let in_tab = Harness::of_demo(&rig, &portal, recipe);
    let mut session = open_for_tab(&rig, &portal.base_url()).await;
    let ends = in_tab.run_in_tab(session.as_mut(), &orders).await;
    assert!(session.close().await.is_clean());
    for (po, tab) in shown(&ends) {
        assert_eq!(frames[&po], tab, "{po}");
    }
    let tab_outcomes = in_tab.finalize(ends).await;
    assert_eq!(manifests(in_frames.out.path(), &outcomes), manifests(in_tab.out.path(), &tab_outcomes));
    rig.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_brings_the_same_files_receipts_and_manifests_in_frames_and_in_the_tab() {
    both_lanes_bring_the_same(PortalKind::Coupa).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_does_a_batch_on_a_portal_of_another_shape() {
    both_lanes_bring_the_same(PortalKind::Table).await;
}
