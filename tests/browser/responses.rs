//! HTTP responses that explain why a list or a file is missing, and what becomes of the order.

use std::time::Duration;

use coupa_batch::backend::{Click, Initiator, ResponseInfo};
use coupa_batch::demo::{FaultRule, LoginAnswer, PortalFault, RequestTarget, RetryAfter, check};
use coupa_batch::model::{AttemptCounts, FailureKind, OrderStatus, Outcome, PoTask};
use coupa_batch::{PersistentWorkerPool, PoNumber, TaskHandle};

use crate::browser::{Rig, ended_downloads, until};
use crate::pool::Scenario;
use crate::site;

crate::on_the_installed_browser!(responses_to_pages_scripts_and_downloads_are_recorded);
crate::on_edge!(responses_to_pages_scripts_and_downloads_are_recorded);

async fn responses_to_pages_scripts_and_downloads_are_recorded(rig: Rig) {
    let base = site::start().await;
    let mut session = rig.open().await;
    let page = session.page();
    page.set_download_dir(rig.landing.path()).await.unwrap();
    page.goto(&format!("{base}/missing?token=1")).await.unwrap();
    page.evaluate("return fetch('/busy?token=1').then(() => fetch('/file/1'))", vec![]).await.unwrap();
    page.evaluate("location.assign('/file/2')", vec![]).await.unwrap();
    ended_downloads(page, 1).await;
    let responses = page.responses().await.unwrap();
    let response = |path: &str, status, initiator, media_type: Option<&str>, retry_after: Option<&str>| ResponseInfo {
        url: format!("{base}{path}"),
        status,
        initiator,
        media_type: media_type.map(str::to_owned),
        retry_after: retry_after.map(str::to_owned),
    };
    let binary = Some("application/octet-stream");
    assert_eq!(
        responses,
        [
            response("/missing", 404, Initiator::Navigation, Some("text/html"), None),
            response("/busy", 503, Initiator::Script, None, Some("7")),
            response("/file/1", 200, Initiator::Script, binary, None),
            response("/file/2", 200, Initiator::Navigation, binary, None),
        ]
    );
    page.goto(&base).await.unwrap();
    assert_eq!(page.responses().await.unwrap().len(), 1, "each is returned once");
    // what makes a question after a refusal necessary
    page.click("a.file", 0, Click::Save).await.unwrap();
    ended_downloads(page, 1).await;
    assert_eq!(page.responses().await.unwrap(), []);
    page.evaluate("for (let n = 0; n < 300; n++) fetch('/missing')", vec![]).await.unwrap();
    until("they are answered", async || (!page.responses().await.unwrap().is_empty()).then_some(())).await;
    assert!(session.close().await.is_clean());
}

/// Runs these orders, and nothing hangs on a deadline.
async fn run(scenario: &mut Scenario, orders: &[PoNumber]) -> (Vec<TaskHandle>, Vec<AttemptCounts>) {
    scenario.config.deadlines.download = Duration::from_secs(900); // nobody is to wait for it
    let pool = PersistentWorkerPool::start(scenario.config.clone()).await.unwrap();
    let handles = pool.submit_tasks(orders.iter().cloned().map(PoTask::new)).await.unwrap();
    let completed = pool.wait_for_completion(Some(Duration::from_secs(240))).await;
    assert!(completed.is_ok(), "{completed:?}: {:?}", pool.status());
    let report = scenario.end(pool).await;
    (handles, report.history.tasks.values().map(coupa_batch::model::TaskState::counts).collect())
}

fn rule(scenario: &Scenario, fault: PortalFault, part: RequestTarget, po: &PoNumber) -> FaultRule {
    assert!(scenario.orders().contains(po));
    FaultRule::new(fault, part).for_order(po)
}

/// Every status and every file of these orders is as the portal has it.
fn assert_all_there(scenario: &Scenario, handles: &[TaskHandle]) {
    let outcomes: Vec<_> =
        handles.iter().map(|handle| (handle.po().clone(), (*handle.outcome().unwrap()).clone())).collect();
    let mut mismatches: Vec<_> =
        check(&scenario.portal, scenario.out.path(), &outcomes).iter().map(ToString::to_string).collect();
    mismatches.retain(|mismatch| handles.iter().any(|handle| mismatch.contains(handle.po().digits())));
    assert!(mismatches.is_empty(), "{mismatches:#?} {outcomes:#?}");
}

/// Kinds of what is missing, and the messages.
fn missing(outcome: &Outcome) -> Vec<(FailureKind, String)> {
    let missing = &outcome.receipt().unwrap().missing;
    missing.iter().map(|missing| (missing.failure.kind, missing.failure.message.clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_a_portal_refused_to_a_script_is_asked_for_again_and_is_never_no_attachments() {
    let Some(mut scenario) = Scenario::new(10, 1).await else { return };
    let all = scenario.orders();
    // these have links alone
    let orders = [&all[0], &all[5], &all[7], &all[9]].map(Clone::clone);
    let faults = [
        PortalFault::Status(401),
        PortalFault::Throttled(RetryAfter::Seconds(2)),
        PortalFault::Status(503),
        PortalFault::LoginEnded(LoginAnswer::Redirect),
    ];
    for (po, fault) in orders.iter().zip(faults) {
        scenario.portal.faults().add(rule(&scenario, PortalFault::LateList, RequestTarget::OrderPage, po));
        scenario.portal.faults().add(rule(&scenario, fault, RequestTarget::List, po).times(1));
    }
    let (handles, counts) = run(&mut scenario, &orders).await;
    assert_all_there(&scenario, &handles);
    assert!(counts.iter().all(|counts| counts.counted == 0), "{counts:?}");
    // a file that is refused has its other turn in the same attempt, after the other files
    assert_eq!(counts[0].started, 1, "{counts:?}");
    assert!(counts[1..].iter().all(|counts| counts.started >= 2), "{counts:?}");
    let asked = |po: &PoNumber| scenario.portal.asked().into_iter().filter(|asked| asked == po).count();
    assert!(orders.iter().all(|po| asked(po) >= 2), "each page is asked for once more");
    let counts = scenario.portal.counts();
    assert_eq!((counts.logins_refused, counts.asked_early), (0, 0), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_403_of_a_background_call_is_access_denied_where_the_page_lists_nothing() {
    let Some(mut scenario) = Scenario::new(2, 1).await else { return };
    let orders = scenario.orders();
    for po in &orders {
        // the second one has buttons, which come all the same: what failed does not matter to it
        scenario.portal.faults().add(rule(&scenario, PortalFault::LateList, RequestTarget::OrderPage, po));
        scenario.portal.faults().add(rule(&scenario, PortalFault::Status(403), RequestTarget::List, po));
    }
    let (handles, counts) = run(&mut scenario, &orders).await;
    let outcome = handles[0].outcome().unwrap();
    assert_eq!(outcome.status(), OrderStatus::AccessDenied, "{outcome:?}");
    let failure = outcome.failure().unwrap();
    assert_eq!(failure.kind, FailureKind::AccessDenied);
    assert!(failure.message.contains("/lists/") && failure.message.contains("403"), "{failure}");
    assert_all_there(&scenario, &handles[1..]);
    assert_eq!(counts[1].started, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_401_of_a_background_call_that_asks_for_a_file_renews_the_login_at_no_cost() {
    let Some(mut scenario) = Scenario::new(2, 1).await else { return };
    let orders = scenario.orders()[1..].to_vec();
    scenario.portal.faults().add(rule(&scenario, PortalFault::Status(401), RequestTarget::Ticket, &orders[0]).times(1));
    scenario.portal.faults().add(
        rule(&scenario, PortalFault::Throttled(RetryAfter::Seconds(2)), RequestTarget::Ticket, &orders[0]).times(1),
    );
    scenario.portal.faults().add(rule(&scenario, PortalFault::Status(503), RequestTarget::Ticket, &orders[0]).times(1));
    let ended = PortalFault::LoginEnded(LoginAnswer::Redirect);
    scenario.portal.faults().add(rule(&scenario, ended, RequestTarget::Ticket, &orders[0]).times(1));
    let (handles, counts) = run(&mut scenario, &orders).await;
    assert_all_there(&scenario, &handles);
    // a file that is refused has its other turn in the same attempt, after the other files
    assert_eq!((counts[0].counted, counts[0].started), (0, 3));
    assert_eq!((scenario.portal.counts().faults_struck, scenario.portal.counts().asked_early), (4, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_403_of_a_background_call_that_asks_for_a_file_is_said_at_once() {
    let Some(mut scenario) = Scenario::new(2, 1).await else { return };
    let orders = scenario.orders()[1..].to_vec();
    scenario.portal.faults().add(rule(&scenario, PortalFault::Status(403), RequestTarget::Ticket, &orders[0]));
    let (handles, counts) = run(&mut scenario, &orders).await;
    let outcome = handles[0].outcome().unwrap();
    assert!(missing(&outcome).iter().all(|(kind, _)| *kind == FailureKind::AccessDenied), "{outcome:?}");
    assert_eq!((outcome.status(), counts[0].started), (OrderStatus::AccessDenied, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_a_portal_in_trouble_refuses_costs_its_order_nothing() {
    let Some(mut scenario) = Scenario::new(1, 1).await else { return };
    let orders = scenario.orders();
    let faults = [PortalFault::Throttled(RetryAfter::Seconds(2)), PortalFault::Status(500), PortalFault::Status(401)];
    for fault in faults {
        // once more for the question why
        scenario.portal.faults().add(rule(&scenario, fault, RequestTarget::File, &orders[0]).times(2));
    }
    let (handles, counts) = run(&mut scenario, &orders).await;
    assert_all_there(&scenario, &handles);
    // a file that is refused has its other turn in the same attempt, after the other files
    assert_eq!((counts[0].counted, counts[0].started), (0, 2));
    let counts = scenario.portal.counts();
    assert_eq!((counts.faults_struck, counts.asked_early, counts.logins_refused), (6, 0, 0), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_refused_once_and_given_when_asked_why_costs_nothing_either() {
    let Some(mut scenario) = Scenario::new(1, 1).await else { return };
    let orders = scenario.orders();
    scenario.portal.faults().add(rule(&scenario, PortalFault::Status(500), RequestTarget::File, &orders[0]).times(1));
    let (handles, counts) = run(&mut scenario, &orders).await;
    assert_all_there(&scenario, &handles);
    assert_eq!((counts[0].counted, counts[0].started), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_a_portal_does_not_give_is_named_with_its_answer() {
    let Some(mut scenario) = Scenario::new(11, 1).await else { return };
    scenario.config.retry.limit = 0;
    let all = scenario.orders();
    let orders = [&all[0], &all[7], &all[10]].map(Clone::clone);
    let plan = [
        (404, FailureKind::FileUnavailable, "does not have it"),
        (403, FailureKind::AccessDenied, "does not let this login"),
        (410, FailureKind::FileUnavailable, "does not have it"),
    ];
    for (po, (status, ..)) in orders.iter().zip(plan) {
        scenario.portal.faults().add(rule(&scenario, PortalFault::Status(status), RequestTarget::File, po).times(2));
    }
    let (handles, _) = run(&mut scenario, &orders).await;
    for (handle, (status, kind, words)) in handles.iter().zip(plan) {
        let outcome = handle.outcome().unwrap();
        assert_eq!(outcome.status(), OrderStatus::Partial, "{outcome:?}");
        let missing = missing(&outcome);
        let [(found, message)] = missing.as_slice() else { panic!("{missing:?}") };
        assert_eq!(*found, kind);
        assert!(message.contains(words) && message.contains(&status.to_string()), "{message}");
        assert!(!message.contains("own copy"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_a_length_that_is_cut_short_is_fetched_again() {
    let Some(mut scenario) = Scenario::new(1, 1).await else { return };
    let orders = scenario.orders();
    // the first file of a plain order is a PDF
    scenario.portal.faults().add(rule(&scenario, PortalFault::CutShort, RequestTarget::File, &orders[0]).times(1));
    let (handles, counts) = run(&mut scenario, &orders).await;
    assert_all_there(&scenario, &handles);
    assert_eq!(counts[0].counted, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_the_portal_itself_calls_a_program_is_refused() {
    let Some(mut scenario) = Scenario::new(2, 1).await else { return };
    scenario.config.retry.limit = 0;
    let orders = scenario.orders()[1..].to_vec();
    let program = PortalFault::Declared("application/x-msdownload");
    scenario.portal.faults().add(rule(&scenario, program, RequestTarget::File, &orders[0]).times(1));
    let (handles, _) = run(&mut scenario, &orders).await;
    let missing = missing(&handles[0].outcome().unwrap());
    let [(kind, message)] = missing.as_slice() else { panic!("{missing:?}") };
    assert_eq!(*kind, FailureKind::FileUnavailable);
    assert!(message.contains("as application/x-msdownload"), "{message}");
}
