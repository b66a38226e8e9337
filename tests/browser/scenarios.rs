//! What a pool of real browsers does when it is steered, stopped, or loses a browser, through the public surface.

use std::path::Path;
use std::time::Duration;

use coupa_batch::demo::{FaultRule, PortalFault, RequestTarget};
use coupa_batch::model::{OrderStatus, PoTask};
use coupa_batch::pool::{ShutdownHandler, ShutdownStep, TaskStatus};
use coupa_batch::{PersistentWorkerPool, PoNumber, TaskHandle};

use crate::browser::{tree, until};
use crate::pool::Scenario;

async fn submit(pool: &PersistentWorkerPool, orders: Vec<PoNumber>) -> Vec<TaskHandle> {
    pool.submit_tasks(orders.into_iter().map(PoTask::new)).await.unwrap()
}

/// The names of all folders in `out` that belong to an order, in work or ended.
fn order_folders(out: &Path, po: &PoNumber) -> Vec<String> {
    let suppliers = std::fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    suppliers
        .flat_map(|supplier| std::fs::read_dir(supplier).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(&format!("{po}_")))
        .collect()
}

fn kill(pid: u32) {
    assert!(std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_finishes_what_runs_and_a_pending_order_can_be_cancelled() {
    let Some(scenario) = Scenario::new(4, 1).await else { return };
    let orders = scenario.orders();
    let pool = scenario.start().await;
    scenario.portal.faults().hold(&orders[0]);
    let handles = submit(&pool, orders.clone()).await;
    scenario.portal.faults().wait_until_held(&orders[0]).await;
    assert!(!handles[0].cancel().await.unwrap(), "it is running");
    assert!(handles[1].cancel().await.unwrap());
    let mut signals = ShutdownHandler::new(pool.control());
    assert_eq!(signals.escalate().await, ShutdownStep::Draining);
    scenario.portal.faults().release_all();
    pool.wait_for_completion(None).await.unwrap_err();
    scenario.end(pool).await;
    assert_eq!(handles[0].outcome().unwrap().status(), OrderStatus::Completed);
    assert_eq!(handles[1].outcome().unwrap().status(), OrderStatus::Skipped);
    assert!(handles[2..].iter().all(|handle| handle.status() == TaskStatus::NotDone));
    assert_eq!(order_folders(scenario.out.path(), &orders[0]), [format!("{}_COMPLETED", orders[0])]);
    assert!(order_folders(scenario.out.path(), &orders[2]).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_signal_leaves_the_order_open_and_no_half_file() {
    let Some(scenario) = Scenario::new(1, 1).await else { return };
    let orders = scenario.orders();
    let pool = scenario.start().await;
    scenario.portal.faults().hold_files(&orders[0]);
    let handles = submit(&pool, orders.clone()).await;
    scenario.portal.faults().wait_until_held(&orders[0]).await;
    let mut signals = ShutdownHandler::new(pool.control());
    signals.escalate().await;
    assert_eq!(signals.escalate().await, ShutdownStep::Aborting);
    pool.wait_for_completion(None).await.unwrap_err();
    let report = scenario.end(pool).await;
    assert_eq!(handles[0].status(), TaskStatus::NotDone);
    assert_eq!(report.history.tasks.values().next().unwrap().counts().counted, 0);
    for folder in order_folders(scenario.out.path(), &orders[0]) {
        assert!(folder.ends_with("__WORK"), "{folder}");
    }
    // and the next run finishes it
    scenario.portal.faults().release_all();
    let pool = scenario.start().await;
    let handles = submit(&pool, orders.clone()).await;
    pool.wait_for_completion(None).await.unwrap();
    scenario.end(pool).await;
    scenario.check(&handles);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_driver_is_killed_finishes_with_another_browser() {
    let Some(scenario) = Scenario::new(2, 1).await else { return };
    let orders = scenario.orders();
    let pool = scenario.start().await;
    scenario.portal.faults().hold(&orders[0]);
    let handles = submit(&pool, orders.clone()).await;
    scenario.portal.faults().wait_until_held(&orders[0]).await;
    let driver = pool.status().workers.values().find_map(|view| view.pid).unwrap();
    let members = tree(driver);
    assert!(members.len() > 3, "a browser is more than its driver: {members:?}");
    kill(driver);
    until("its browser is gone too", async || members.iter().all(|pid| tree(*pid).is_empty()).then_some(())).await;
    scenario.portal.faults().release_all();
    pool.wait_for_completion(None).await.unwrap();
    let report = scenario.end(pool).await;
    scenario.check(&handles);
    assert_eq!(report.history.tasks.values().map(|state| state.counts().started).collect::<Vec<_>>(), [2, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_page_crashes_finishes_in_another_browser() {
    let Some(scenario) = Scenario::new(1, 1).await else { return };
    let orders = scenario.orders();
    let pool = scenario.start().await;
    scenario.portal.faults().hold_files(&orders[0]);
    let handles = submit(&pool, orders.clone()).await;
    scenario.portal.faults().wait_until_held(&orders[0]).await;
    let driver = pool.status().workers.values().find_map(|view| view.pid).unwrap();
    let is_renderer = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("--type=renderer")
    };
    let renderers: Vec<_> = tree(driver).into_iter().filter(is_renderer).collect();
    assert!(!renderers.is_empty());
    renderers.into_iter().for_each(kill);
    scenario.portal.faults().release_all();
    pool.wait_for_completion(None).await.unwrap();
    scenario.end(pool).await;
    scenario.check(&handles);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_open_dialogs_cost_no_order_a_try() {
    let Some(scenario) = Scenario::new(2, 1).await else { return };
    let orders = scenario.orders();
    scenario.portal.faults().add(FaultRule::new(PortalFault::Dialogs, RequestTarget::OrderPage));
    let pool = scenario.start().await;
    let handles = submit(&pool, orders).await;
    pool.wait_for_completion(None).await.unwrap();
    let report = scenario.end(pool).await;
    scenario.check(&handles);
    let started: Vec<_> = report.history.tasks.values().map(|state| state.counts().started).collect();
    assert_eq!(started, [1, 1]);
    assert_eq!(scenario.portal.counts().faults_struck, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_never_ends_costs_a_try_and_not_the_order() {
    let Some(mut scenario) = Scenario::new(1, 1).await else { return };
    scenario.config.deadlines.page = Duration::from_secs(8);
    let orders = scenario.orders();
    let rule = FaultRule::new(PortalFault::NeverFinishes, RequestTarget::OrderPage).for_order(&orders[0]);
    scenario.portal.faults().add(rule.times(1));
    let pool = scenario.start().await;
    let handles = submit(&pool, orders).await;
    pool.wait_for_completion(None).await.unwrap();
    let report = scenario.end(pool).await;
    scenario.check(&handles);
    assert_eq!(report.history.tasks.values().map(|state| state.counts().started).collect::<Vec<_>>(), [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_hangs_its_browser_costs_the_browser_and_not_the_order() {
    let Some(mut scenario) = Scenario::new(1, 1).await else { return };
    scenario.config.deadlines.command = Duration::from_secs(2);
    scenario.config.deadlines.page = Duration::from_secs(6);
    let orders = scenario.orders();
    scenario
        .portal
        .faults()
        .add(FaultRule::new(PortalFault::BusyScript, RequestTarget::OrderPage).for_order(&orders[0]).times(1));
    let pool = scenario.start().await;
    let handles = submit(&pool, orders.clone()).await;
    pool.wait_for_completion(None).await.unwrap();
    scenario.end(pool).await;
    scenario.check(&handles);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_what_it_claims_makes_the_order_partial_and_is_named() {
    let Some(mut scenario) = Scenario::new(1, 1).await else { return };
    scenario.config.retry.limit = 0;
    let orders = scenario.orders();
    let expected = scenario.portal.expected(&orders[0]).unwrap();
    assert!(expected.files.len() > 1);
    // an error page in the place of a file; of a body that is cut, browsers ask for the rest by themselves
    let rule = FaultRule::new(PortalFault::WrongType, RequestTarget::File).for_order(&orders[0]);
    scenario.portal.faults().add(rule.times(1));
    let pool = scenario.start().await;
    let handles = submit(&pool, orders.clone()).await;
    pool.wait_for_completion(None).await.unwrap();
    scenario.end(pool).await;
    let outcome = handles[0].outcome().unwrap();
    assert_eq!(outcome.status(), OrderStatus::Partial, "{outcome:?}");
    assert_eq!(outcome.files().len(), expected.files.len() - 1);
    assert_eq!(outcome.receipt().unwrap().missing.len(), 1);
    assert_eq!(order_folders(scenario.out.path(), &orders[0]), [format!("{}_PARTIAL", orders[0])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_batch_twice_places_nothing_twice_and_keeps_what_a_person_put_there() {
    let Some(scenario) = Scenario::new(3, 2).await else { return };
    let orders = scenario.orders();
    let pool = scenario.start().await;
    let handles = submit(&pool, orders.clone()).await;
    pool.wait_for_completion(None).await.unwrap();
    scenario.end(pool).await;
    scenario.check(&handles);
    let receipt = handles[0].outcome().unwrap().receipt().unwrap().clone();
    let note = scenario.out.path().join(&receipt.folder).join("my note.txt");
    std::fs::write(&note, "mine").unwrap();

    let pool = scenario.start().await;
    let again = submit(&pool, orders.clone()).await;
    pool.wait_for_completion(None).await.unwrap();
    scenario.end(pool).await;
    assert_eq!(std::fs::read_to_string(&note).unwrap(), "mine");
    std::fs::remove_file(&note).unwrap();
    scenario.check(&again);
    assert_eq!(again[0].outcome().unwrap().files(), receipt.files.as_slice());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_is_dropped_leaves_nothing() {
    let Some(scenario) = Scenario::new(2, 2).await else { return };
    let orders = scenario.orders();
    let pool = scenario.start().await;
    scenario.portal.faults().hold(&orders[0]);
    submit(&pool, orders.clone()).await;
    scenario.portal.faults().wait_until_held(&orders[0]).await;
    drop(pool);
    scenario.rig.until_nothing_is_left().await;
}

#[test]
fn a_panic_of_the_program_that_holds_the_pool_leaves_nothing() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let setting = runtime();
    let Some(scenario) = setting.block_on(Scenario::new(2, 2)) else { return };
    let config = scenario.config.clone();
    let po = scenario.orders()[0].clone();
    scenario.portal.faults().hold(&po);
    let faults = scenario.portal.faults();
    let broke = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime().block_on(async {
            let pool = PersistentWorkerPool::start(config).await.unwrap();
            submit(&pool, vec![po.clone()]).await;
            faults.wait_until_held(&po).await;
            panic!("in the middle of a batch");
        })
    }));
    assert!(broke.is_err());
    setting.block_on(scenario.rig.until_nothing_is_left());
}
