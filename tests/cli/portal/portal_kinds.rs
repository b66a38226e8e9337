//! A portal that is not Coupa, with the recipe that is shipped for its kind: orders told apart by a query, documents in a
//! table, names in another cell than the links.

use std::collections::BTreeSet;

use coupa_batch::PoNumber;
use coupa_batch::demo::{
    DemoConfig, DemoPortal, FaultRule, LoginAnswer, PortalFault, PortalKind, PortalLatency, RequestTarget,
};
use coupa_batch::model::OrderStatus;

use crate::harness::command::{QUICK_SETTLE, QUICK_TABLE, TestEnv, assert_all_there, statuses};
use crate::needs_browser;

/// A portal of `orders` orders that stand in tables.
async fn table(orders: usize) -> DemoPortal {
    let config = DemoConfig { orders, pace: PortalLatency::prompt(), look: PortalKind::Table, ..DemoConfig::default() };
    DemoPortal::start(config).await.unwrap()
}

fn numbers(portal: &DemoPortal) -> Vec<String> {
    portal.orders().iter().map(ToString::to_string).collect()
}

/// The first order that ends like this.
fn with_status(portal: &DemoPortal, status: OrderStatus) -> PoNumber {
    portal.orders().into_iter().find(|po| portal.expected(po).unwrap().status == status).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_that_is_not_coupa_yields_every_file_under_its_name() {
    needs_browser!();
    // all kinds but the last ones of the mix: links, buttons, both, requisitions, hostile names, missing, forbidden, empty
    let portal = table(16).await;
    let env = TestEnv::new();
    let ended = env.run(&portal, numbers(&portal)).args(["--recipe", "table", "--workers", "4"]).end().await;
    ended.assert(3, &["logged in"]);
    assert_all_there(&env.out(), &portal);
    let report = env.report();
    let ends: BTreeSet<_> = statuses(&report).into_values().collect();
    for status in [OrderStatus::NoAttachments, OrderStatus::PoNotFound, OrderStatus::PrNotAccessible] {
        assert!(ends.contains(status.as_str()), "{ends:?}");
    }
    let counts = portal.counts();
    assert_eq!((counts.logins_accepted, counts.logins_refused, counts.decoys_served), (1, 0, 0), "{counts:?}");
    for order in report["orders"].as_array().unwrap() {
        let po: PoNumber = order["po_number"].as_str().unwrap().parse().unwrap();
        let asked = portal.order_page(&po);
        assert_eq!(order["url"], asked.as_str(), "{order:#}");
    }
    env.call(["verify"]).end().await.assert(0, &[]);
    env.assert_nothing_left().await;
    portal.stop().await;
}

/// Both recipes for Coupa serve the third look: whatever is called for, its files are those of the portal.
async fn assert_served(recipe: &[&str]) {
    let look = PortalKind::CoupaPrefixed;
    let config = DemoConfig { orders: 16, pace: PortalLatency::prompt(), look, ..DemoConfig::default() };
    let portal = DemoPortal::start(config).await.unwrap();
    let env = TestEnv::new();
    let ended = env.run(&portal, numbers(&portal)).args(["--workers", "2"]).args(recipe).end().await;
    ended.assert(3, &["logged in"]);
    assert_all_there(&env.out(), &portal);
    let report = env.report();
    let ends: BTreeSet<_> = statuses(&report).into_values().collect();
    for status in [OrderStatus::NoAttachments, OrderStatus::PoNotFound, OrderStatus::PrNotAccessible] {
        assert!(ends.contains(status.as_str()), "{ends:?}");
    }
    for order in report["orders"].as_array().unwrap() {
        let po = &order["po_number"];
        let supplier = order["supplier"].as_str().unwrap_or_default();
        assert!(!supplier.contains(['\u{2026}']) && !supplier.contains(" - "), "{po}: {supplier}");
    }
    assert_eq!(portal.counts().decoys_served, 0);
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_of_another_shape_yields_every_file_of_its_lines_and_of_all_its_requisitions_by_default() {
    needs_browser!();
    assert_served(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_whose_addresses_have_the_prefix_yields_the_same_with_the_recipe_for_it() {
    needs_browser!();
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("quick.toml");
    std::fs::write(&recipe, format!("extends = \"coupa-prefixed\"\n{QUICK_SETTLE}")).unwrap();
    assert_served(&["--recipe", recipe.to_str().unwrap()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_which_of_the_built_in_recipes_fit_a_page() {
    needs_browser!();
    let look = PortalKind::CoupaPrefixed;
    let config = DemoConfig { orders: 1, pace: PortalLatency::prompt(), look, ..DemoConfig::default() };
    let portal = DemoPortal::start(config).await.unwrap();
    let env = TestEnv::new();
    let po = portal.orders()[0].clone();
    let call = env.call(["recipe", "check", portal.order_page(&po).as_str(), "--recipe", "coupa-prefixed"]);
    let ended = env.login(call, &portal).end().await;
    ended.assert(0, &[]);
    let count = portal.expected(&po).unwrap().files.len();
    for wanted in [&format!("coupa-prefixed: fits, {count} attachments"), "table: does not fit"] {
        assert!(ended.stdout.contains(wanted), "{wanted}: {ended}");
    }
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_selector_of_the_second_recipe_finds_what_it_is_for() {
    needs_browser!();
    let portal = table(7).await;
    let env = TestEnv::new();
    let listed = env.call(["recipe", "list"]).end().await;
    assert_eq!(listed.stdout, "coupa\ntable\ncoupa-prefixed\n", "{listed}");
    let shown = env.call(["recipe", "show", "table"]).end().await;
    assert!(shown.stdout.contains("cell = {"), "{shown}");

    let with_requisition = |po: &&PoNumber| portal.requisition_page(po).is_some();
    let completed = portal.orders().into_iter().filter(|po| portal.expected(po).unwrap().files.len() > 3);
    let full = completed.collect::<Vec<_>>().iter().find(with_requisition).unwrap().clone();
    let empty = with_status(&portal, OrderStatus::NoAttachments);
    let missing = with_status(&portal, OrderStatus::PoNotFound);
    let mut found = BTreeSet::new();
    let mut all = BTreeSet::new();
    for (page, code) in [
        (portal.order_page(&full), 0),
        (portal.order_page(&empty), 0),
        (portal.requisition_page(&full).unwrap(), 0),
        (portal.order_page(&missing), 3),
    ] {
        let call = env.call(["recipe", "check", page.as_str(), "--recipe", QUICK_TABLE, "--json"]);
        let ended = env.login(call, &portal).end().await;
        ended.assert(code, &[]);
        let seen: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        for find in seen["finds"].as_array().unwrap() {
            let key = find["key"].as_str().unwrap().to_owned();
            if find["count"].as_u64().unwrap() > 0 {
                found.insert(key.clone());
            }
            all.insert(key);
        }
        if page == portal.order_page(&full) {
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            let names: BTreeSet<_> = seen["attachments"].as_array().unwrap().iter().map(text).collect();
            let wanted = portal.expected(&full).unwrap().files.into_iter().map(|file| file.name);
            assert_eq!(names, wanted.collect(), "named by the cell, not by the link: {seen:#}");
        }
    }
    // whoever is in sees no login form, and that they are in shows that it was found
    let unseen: Vec<_> = all.difference(&found).map(String::as_str).collect();
    assert_eq!(unseen, ["login.form"]);
    assert!(portal.counts().logins_accepted >= 1);
    assert_eq!(portal.counts().files_served, 0);
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recipe_of_another_portal_never_says_that_there_are_no_attachments() {
    needs_browser!();
    let portal = table(7).await;
    let env = TestEnv::new();
    let pos = [portal.orders()[0].to_string(), with_status(&portal, OrderStatus::NoAttachments).to_string()];
    // one that gets in and finds the pages, but knows nothing of what is on them
    let stranger = env.write(
        "stranger.toml",
        "extends = \"coupa\"\n[address]\norder = \"/documents?order={digits}\"\nlogin = \"/account/sign-in\"\n\
         [login]\nform = \"#sign-in\"\nusername = \"[name='member']\"\npassword = \"[name='passphrase']\"\n"
            .to_owned()
            + QUICK_SETTLE,
    );
    // one that knows the pages, and whose table has got another look
    let drifted = env.write(
        "drifted.toml",
        "extends = \"table\"\n[attachments]\nbuttons = []\nlinks = [{ css = \".fetch\", name = [\"text\"] }]\n\
         none = [\".nothing-at-all\"]\n"
            .to_owned()
            + QUICK_SETTLE,
    );
    // one that does not even find the login
    let ended = env.run(&portal, &pos).args(["--recipe", "coupa"]).end().await;
    ended.assert(2, &["no form that the site recipe knows"]);
    assert_eq!(portal.counts().passwords_sent, 0);
    for recipe in [stranger.to_str().unwrap(), drifted.to_str().unwrap()] {
        let ended = env.run(&portal, &pos).args(["--recipe", recipe, "--force", "--retries", "0"]).end().await;
        ended.assert(3, &["does not know"]);
        let report = env.report();
        for order in report["orders"].as_array().unwrap() {
            assert_eq!(
                (&order["status"], &order["error"]["kind"]),
                (&"FAILED".into(), &"page_changed".into()),
                "{recipe}: {order:#}"
            );
        }
    }
    assert_eq!(portal.counts().files_served, 0);
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_goes_wrong_in_either_look() {
    needs_browser!();
    let portal = table(3).await;
    let env = TestEnv::new();
    let pos = portal.orders();
    for (fault, part, po) in [
        (PortalFault::LoginEnded(LoginAnswer::Page), RequestTarget::OrderPage, &pos[0]),
        (PortalFault::LoginInstead, RequestTarget::File, &pos[0]),
        (PortalFault::LoginEnded(LoginAnswer::Redirect), RequestTarget::Ticket, &pos[1]),
        (PortalFault::WrongShape, RequestTarget::OrderPage, &pos[2]),
        (PortalFault::Truncated, RequestTarget::File, &pos[2]),
    ] {
        portal.faults().add(FaultRule::new(fault, part).for_order(po).times(1));
    }
    let ended = env.run(&portal, numbers(&portal)).args(["--recipe", QUICK_TABLE]).end().await;
    ended.assert(0, &[]);
    assert_all_there(&env.out(), &portal);
    assert_eq!(portal.counts().faults_struck, 5);
    env.assert_nothing_left().await;
    portal.stop().await;
}
