use coupa_batch::model::{FailureKind, OrderStatus, StopKind};

use crate::doubles::{Script, orders, pool};

#[tokio::test(start_paused = true)]
async fn a_site_that_is_down_costs_no_order_its_budget() {
    let (pool, remote) = pool(4);
    remote.script("PO1", [Script::Done]);
    for number in 2..=9 {
        remote.script(&format!("PO{number}"), [Script::Fail(FailureKind::SiteDown)]);
    }
    let handles = pool.submit_tasks(orders(1..=9)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap();
    assert!(handles.iter().all(|handle| handle.outcome().unwrap().status() == OrderStatus::Completed));
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_error_that_turns_out_to_be_the_sites_uses_up_none_of_its_orders_tries() {
    let (pool, remote) = pool(1);
    for number in 2..=5 {
        remote.script(&format!("PO{number}"), [Script::Fail(FailureKind::ServerError)]);
    }
    pool.submit_tasks(orders(1..=5)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap();
    let report = pool.shutdown().await.unwrap();
    let counts = report.history.tasks.values().map(|state| (state.counts().server_errors, state.counts().counted));
    // the fourth in a row opened the breaker: from then on the site is at fault
    assert_eq!(counts.collect::<Vec<_>>(), [(0, 0), (1, 0), (1, 0), (1, 0), (0, 0)]);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_never_answers_ends_the_run_soon() {
    let (pool, remote) = pool(4);
    for number in 1..=50 {
        remote.script(&format!("PO{number}"), vec![Script::Fail(FailureKind::Unreachable); 99]);
    }
    pool.submit_tasks(orders(1..=50)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap_err();
    assert!(remote.started_orders().len() <= 6, "the four at once and the probes: {:?}", remote.started_orders());
    let report = pool.shutdown().await.unwrap();
    assert_eq!(report.status.stopped_because.as_ref().unwrap().kind, StopKind::NeverReached);
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_ends_the_run_at_once() {
    let (pool, remote) = pool(1);
    remote.refuse_log_in.lock().unwrap().push_back(FailureKind::LoginRefused);
    let handles = pool.submit_tasks(orders(1..=5)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap_err();
    let report = pool.shutdown().await.unwrap();
    assert_eq!(report.status.stopped_because.as_ref().unwrap().kind, StopKind::LoginRefused);
    assert!(remote.started_orders().is_empty());
    assert!(handles.iter().all(|handle| handle.outcome().is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_portal_that_does_not_answer_at_its_login_costs_no_order_a_try() {
    let (pool, remote) = pool(1);
    remote.refuse_log_in.lock().unwrap().extend([FailureKind::StepTimeout; 6]);
    let handles = pool.submit_tasks(orders(1..=3)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap();
    let report = pool.shutdown().await.unwrap();
    assert!(handles.iter().all(|handle| handle.outcome().unwrap().status() == OrderStatus::Completed));
    assert!(report.history.tasks.values().all(|state| state.counts().counted == 0 && state.counts().started == 1));
}

#[tokio::test(start_paused = true)]
async fn a_login_that_ended_is_renewed_without_cost() {
    let (pool, remote) = pool(1);
    remote.script("PO1", vec![Script::Fail(FailureKind::LoginRequired); 6]);
    let handles = pool.submit_tasks(orders([1])).await.unwrap();
    assert_eq!(handles[0].wait(None).await.unwrap().status(), OrderStatus::Completed);
    assert_eq!(remote.logged_in.load(std::sync::atomic::Ordering::SeqCst), 7, "let in anew before each try");
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_recipe_that_no_longer_fits_stops_the_run_before_every_order_has_failed() {
    let (pool, remote) = pool(2);
    for number in 1..=100 {
        remote.script(&format!("PO{number}"), vec![Script::Fail(FailureKind::PageChanged); 9]);
    }
    pool.submit_tasks(orders(1..=100)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap_err();
    let report = pool.shutdown().await.unwrap();
    assert_eq!(report.status.stopped_because.as_ref().unwrap().kind, StopKind::PagesChanged);
    assert!(remote.started_orders().len() < 15);
}

#[tokio::test(start_paused = true)]
async fn a_maintenance_window_ends_with_a_run_that_can_be_resumed_and_not_with_a_wrong_address() {
    let (pool, remote) = pool(2);
    for number in 1..=5 {
        remote.script(&format!("PO{number}"), vec![Script::Fail(FailureKind::SiteDown); 99]);
    }
    pool.submit_tasks(orders(1..=5)).await.unwrap();
    pool.wait_for_completion(None).await.unwrap_err();
    let report = pool.shutdown().await.unwrap();
    assert_eq!(report.status.stopped_because.as_ref().unwrap().kind, StopKind::SiteDown);
    assert!(report.history.tasks.values().all(|state| state.counts().counted == 0));
}

#[tokio::test(start_paused = true)]
async fn a_site_that_throttles_is_asked_for_fewer_orders_side_by_side_until_it_is_well_again() {
    let (pool, remote) = pool(4);
    // all four at once, one of which is one too many
    for number in 1..=4 {
        remote.hold(&format!("PO{number}"));
    }
    remote.script("PO4", [Script::Fail(FailureKind::Throttled)]);
    let handles = pool.submit_tasks(orders(1..=60)).await.unwrap();
    remote.until_started(4).await;
    remote.release("PO4");
    let mut status = pool.watch();
    status.wait_for(|status| status.slowed_to == Some(2)).await.unwrap();
    for number in 1..=3 {
        remote.release(&format!("PO{number}"));
    }
    for number in 5..=60 {
        remote.hold(&format!("PO{number}"));
    }
    status.wait_for(|status| status.tasks.running == 2 && status.tasks.completed >= 3).await.unwrap();
    for number in 5..=60 {
        remote.release(&format!("PO{number}"));
    }
    status.wait_for(|status| status.slowed_to.is_none()).await.unwrap();
    pool.wait_for_completion(None).await.unwrap();
    assert!(handles.iter().all(|handle| handle.outcome().unwrap().status() == OrderStatus::Completed));
    pool.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_slowed_pool_rests_while_an_order_is_due_that_may_not_start() {
    let (pool, remote) = pool(2);
    remote.script("PO1", [Script::Fail(FailureKind::Throttled)]);
    for po in 2..=4 {
        remote.hold(&format!("PO{po}"));
    }
    pool.submit_tasks(orders(1..=4)).await.unwrap();
    remote.until_started(3).await;
    assert_eq!(pool.status().slowed_to, Some(1));
    // would never come, if turns chased each other: the clock of this test moves only when nobody has anything to do
    tokio::time::sleep(std::time::Duration::from_secs(900)).await;
    assert_eq!(pool.status().tasks.running, 1);
    for po in 2..=4 {
        remote.release(&format!("PO{po}"));
    }
    pool.wait_for_completion(None).await.unwrap();
    pool.shutdown().await.unwrap();
}
