//! The outcome of an order never depends on its lane.

use std::collections::HashMap;
use std::path::Path;

use coupa_batch::PoNumber;
use coupa_batch::demo::{DemoConfig, DemoPortal, PortalKind, PortalLatency};
use coupa_batch::model::{Lane, Outcome, Receipt};

use super::harness::{Ends, Harness, assert_all_is_there, count, open, open_for_tab, receipt_of};
use crate::browser::{Flavour, Rig};

/// What an order came to, but for its lane.
type Shown = (Option<(String, String)>, Option<Receipt>);

fn shown(ends: &Ends) -> HashMap<PoNumber, Shown> {
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

/// Takes all orders through frames, most of them without the tab, and compares them with what the portal has.
async fn in_frames(
    rig: &Rig,
    portal: &DemoPortal,
    recipe: Option<&str>,
) -> (Harness, HashMap<PoNumber, Shown>, Vec<(PoNumber, Outcome)>) {
    let orders = portal.orders();
    let in_frames = Harness::of_demo(rig, portal, |config| {
        if let Some(recipe) = recipe {
            config.site.recipe = recipe.to_owned();
        }
    });
    let mut session = open(rig, &portal.base_url()).await;
    let ends = in_frames.run(session.as_mut(), &orders, 4).await;
    assert!(session.is_usable());
    assert!(session.close().await.is_clean());
    let frames = shown(&ends);
    let reasons: Vec<_> = ends.values().filter_map(|end| Some(receipt_of(end)?.lane_reason.clone())).collect();
    let in_frames_count = count(&ends, Lane::Frames);
    println!("{in_frames_count} of {} orders in frames; {reasons:?}", orders.len());
    let outcomes = in_frames.finalize(ends).await;
    assert_all_is_there(portal, in_frames.out.path(), &outcomes);
    assert!(in_frames_count * 2 > orders.len(), "{in_frames_count} orders in frames: {reasons:?}");
    assert_eq!(portal.login_count(), 1);
    (in_frames, frames, outcomes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_brings_the_same_files_receipts_and_manifests_in_frames_and_in_the_tab() {
    let Some(rig) = Rig::new(Flavour::Installed) else { return };
    let portal =
        DemoPortal::start(DemoConfig { pace: PortalLatency::prompt(), ..DemoConfig::default() }).await.unwrap();
    let (in_frames, frames, outcomes) = in_frames(&rig, &portal, None).await;
    let orders = portal.orders();
    let in_tab = Harness::of_demo(&rig, &portal, |_| {});
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
async fn a_portal_of_another_shape_is_read_by_its_recipe_in_frames_as_well() {
    let Some(rig) = Rig::new(Flavour::Installed) else { return };
    let look = PortalKind::Table;
    let demo = DemoConfig { look, pace: PortalLatency::prompt(), ..DemoConfig::default() };
    let portal = DemoPortal::start(demo).await.unwrap();
    in_frames(&rig, &portal, Some(look.recipe())).await;
    rig.until_nothing_is_left().await;
}
