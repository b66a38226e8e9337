//! Recipes that people mend: looked at on a real page, extended by a few lines.

use coupa_batch::demo::{FaultRule, PortalFault, RequestTarget};

use crate::harness::command::{QUICK_SETTLE, TestEnv, assert_all_there, largest, portal};
use crate::needs_browser;

#[tokio::test(flavor = "multi_thread")]
async fn a_recipe_shows_what_it_finds_on_a_page_and_what_it_does_not() {
    needs_browser!();
    let portal = portal(4).await;
    let env = TestEnv::new();
    let po = largest(&portal);
    let base = portal.base_url();
    let check = |words: &[&str]| {
        let call = env.call(["recipe", "check", "--base-url", base.as_str()].into_iter().chain(words.iter().copied()));
        env.login(call, &portal)
    };
    let ended = check(&["--po", &po.to_string(), "--json"]).end().await;
    ended.assert(0, &[]);
    let seen: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&seen["understood"], &seen["at_rest"]), (&true.into(), &true.into()), "{seen:#}");
    assert_eq!(seen["attachments"].as_array().unwrap().len(), portal.expected(&po).unwrap().files.len(), "{seen:#}");
    let find = |key: &str| {
        let finds = seen["finds"].as_array().unwrap();
        finds.iter().find(|find| find["key"] == key).unwrap_or_else(|| panic!("{key}: {seen:#}")).clone()
    };
    assert_eq!(find("login.form")["count"], 0);
    assert!(find("order.supplier[0]")["texts"][0].is_string(), "{seen:#}");
    assert!(find("attachments.never.css[2]")["count"].as_u64().unwrap() > 0, "{seen:#}");
    assert!(std::fs::read(env.work().join("recipe-check.png")).unwrap().starts_with(b"\x89PNG"));

    portal.faults().add(FaultRule::new(PortalFault::WrongShape, RequestTarget::OrderPage));
    let address = base.join(&format!("order_headers/{}", po.digits())).unwrap();
    let ended = check(&[address.as_str(), "--screenshot", "odd.png"]).end().await;
    ended.assert(3, &[]);
    assert!(ended.stdout.contains("none that the recipe knows") && ended.stdout.contains("0 attachments"), "{ended}");
    assert!(env.work().join("odd.png").exists());
    assert_eq!(portal.counts().files_served, 0, "nothing is fetched");
    env.assert_nothing_left().await;
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipe_of_a_few_lines_carries_a_batch() {
    needs_browser!();
    let portal = portal(3).await;
    let env = TestEnv::new();
    let listed = env.call(["recipe", "list"]).end().await;
    assert!(listed.stdout.lines().any(|line| line == "coupa"), "{listed}");
    let shown = env.call(["recipe", "show", "coupa"]).end().await;
    assert!(shown.stdout.contains("[attachments.never]"), "{shown}");
    env.call(["recipe", "show", "none"]).end().await.assert_refusal(2, &["recipe list"]);

    let recipe = env.write("ours.toml", format!("extends = \"coupa\"\nname = \"ours\"\n\n{QUICK_SETTLE}"));
    let pos: Vec<_> = portal.orders().iter().map(ToString::to_string).collect();
    let ended = env.run(&portal, pos.iter()).arg("--recipe").arg(&recipe).end().await;
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    assert_all_there(&env.out(), &portal);
    env.write("ours.toml", "extends = \"coupa\"\n\n[order]\nsuplier = []\n");
    let ended = env.run(&portal, pos.iter()).arg("--recipe").arg(&recipe).arg("--force").end().await;
    ended.assert(2, &["ours.toml", "line 4", "suplier"]);
    portal.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selector_that_the_browser_refuses_is_named_with_its_key_and_its_line() {
    needs_browser!();
    let portal = portal(1).await;
    let env = TestEnv::new();
    let po = portal.orders()[0].to_string();
    let text = "extends = \"coupa\"\n[order]\nsupplier = [\".vendor\", \"div..x\"]\n";
    let recipe = env.write("ours.toml", text);
    let named = ["ours.toml", "line 3: order.supplier[1]: ", "\"div..x\""];
    let base = portal.base_url();
    let call = env.call(["recipe", "check", "--base-url", base.as_str(), "--po", &po]).arg("--recipe").arg(&recipe);
    let ended = env.login(call, &portal).end().await;
    ended.assert_refusal(2, &named);
    let run = env.run(&portal, [&po]).arg("--recipe").arg(&recipe).end().await;
    run.assert(4, &named);
    for ended in [&ended, &run] {
        let told = ended.stderr.to_lowercase();
        assert!(!told.contains("webdriver") && !told.contains("queryselectorall'"), "{ended}");
    }
    assert_eq!(portal.counts().requests, 0, "the portal is asked for nothing");
    env.assert_nothing_left().await;
    portal.stop().await;
}
