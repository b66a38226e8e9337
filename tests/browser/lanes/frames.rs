//! Orders in frames on the demo portal: all that its pages list is found, and each file comes by HTTP from the address that was
//! caught.

use std::collections::BTreeMap;
use std::time::Duration;

use coupa_batch::backend::Page;
use coupa_batch::backend::{Click, SessionFactory};
use coupa_batch::demo::{DemoConfig, DemoPortal, PortalKind};
use coupa_batch::download::transfer::{
    AddressLifetime, ClientIdentity, SlotLimits, Transfer, TransferRules, TransferSlots,
};
use coupa_batch::download::{DownloadLimits, LoginSigns, TransferLimits};
use coupa_batch::model::{FileOrigin, WorkerId};
use coupa_batch::net::{HttpClient, NetworkPolicy};
use coupa_batch::site::Recipe;
use coupa_batch::site::lane::frames::{FrameLane, FrameLimits, FrameOrder, FrameOutcome, ListedFile, TabReason};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::browser::{Flavour, Rig, until};

pub(super) fn recipe(name: &str) -> Recipe {
    let path = format!("{}/profiles/sites/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

async fn log_in(page: &mut dyn Page, portal: &DemoPortal, recipe: &Recipe) {
    page.goto(portal.base_url().join(&recipe.address.login).unwrap().as_str()).await.unwrap();
    page.fill(recipe.login.username.as_str(), &portal.username().into()).await.unwrap();
    page.fill(recipe.login.password.as_str(), &portal.password()).await.unwrap();
    assert!(page.click(recipe.login.submit.as_str(), 0, Click::Script).await.unwrap());
    until("the login is made", async || (portal.login_count() == 1).then_some(())).await;
}

async fn every_order_is_listed(look: PortalKind) {
    let Some(rig) = Rig::new(Flavour::Installed) else { return };
    let portal = DemoPortal::start(DemoConfig { look, ..DemoConfig::default() }).await.unwrap();
    let base = portal.base_url();
    let factory = rig.factory.clone().within(&base).for_frames();
    let mut session = factory.open(WorkerId(1)).await.unwrap();
    let page = session.page();
    let recipe = recipe(look.recipe());
    log_in(page, &portal, &recipe).await;
    let cookies = page.cookies().await.unwrap();
    let lane =
        FrameLane::start(page, &base.join("robots.txt").unwrap(), &recipe, &FrameLimits::of(&recipe)).await.unwrap();
    let orders: BTreeMap<u32, _> = (0..).zip(portal.orders()).collect();
    let order = |(id, po): (&u32, _)| FrameOrder { id: *id, url: portal.order_page(po), origin: FileOrigin::Order };
    let mut outcomes = BTreeMap::new();
    lane.run(page, orders.iter().map(order).collect(), 4, |order, outcome| _ = outcomes.insert(order.id, outcome))
        .await
        .unwrap();
    assert_eq!(portal.counts().files_served, 0, "addresses are caught before anything is asked of them");

    let client = HttpClient::for_portal(&base, NetworkPolicy::around(&base, &[])).await.unwrap();
    let fetch = Fetch { client, identity: ClientIdentity::new(&base, &cookies, "a browser"), base: base.clone() };
    for (id, po) in &orders {
        let expected = portal.expected(po).unwrap();
        let mut of_page: Vec<_> = expected
            .files
            .iter()
            .filter(|file| file.source == FileOrigin::Order)
            .map(|file| file.sha256.clone())
            .collect();
        match &outcomes[id] {
            FrameOutcome::Listed(files) => {
                let mut fetched = Vec::new();
                for file in files {
                    fetched.push(fetch.digest(file, &portal.order_page(po)).await);
                }
                fetched.sort();
                of_page.sort();
                assert_eq!(fetched, of_page, "{po}: {files:?}");
            }
            FrameOutcome::ToTab(why) => {
                assert!(matches!(why, TabReason::Empty | TabReason::NotWanted), "{po}: {why:?}");
                assert!(of_page.is_empty(), "{po}: {why:?}");
            }
        }
    }
    assert!(session.close().await.is_clean());
    rig.until_nothing_is_left().await;
}

struct Fetch {
    client: HttpClient,
    identity: ClientIdentity,
    base: Url,
}

impl Fetch {
    async fn digest(&self, file: &ListedFile, page: &Url) -> String {
        let folder = tempfile::tempdir().unwrap();
        let may_come_from = |address: &str| {
            if address.starts_with(self.base.as_str()) { Ok(()) } else { Err(address.to_owned()) }
        };
        let rules = TransferRules {
            limits: DownloadLimits {
                transfer: TransferLimits {
                    patience: Duration::from_secs(10),
                    max_bytes: (100_000_000, "file_max_size"),
                    min_rate: 0,
                    until: Instant::now() + Duration::from_secs(60),
                },
                may_come_from: &may_come_from,
                is_login: &|_| false,
            },
            login: LoginSigns { markers: &[], paths: &[] },
        };
        let lifetime = if file.is_once { AddressLifetime::Once } else { AddressLifetime::Lasting };
        let transfer = Transfer {
            client: &self.client,
            slots: &TransferSlots::new(SlotLimits::default()).of_order(),
            identity: &self.identity,
            page,
            address: &file.address,
            lifetime,
            rules: &rules,
        };
        transfer.run(folder.path(), &CancellationToken::new()).await.unwrap().sha256
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attachment_of_an_order_is_found_in_a_frame_and_comes_by_http() {
    every_order_is_listed(PortalKind::Coupa).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_of_another_shape_is_read_by_its_recipe_in_frames_as_well() {
    every_order_is_listed(PortalKind::Table).await;
}
