//! What is seen of sessions in every state, told on the double.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::PortalSite;
use crate::backend::{Attempt, AttemptError, InterimReceipt, Session, Site};
use crate::config::{Credentials, Settings, resolve};
use crate::download::OutputLock;
use crate::model::{AttemptNo, FailureKind, PoTask, RunId, TaskId, WorkerId};
use crate::site::testing::fake_portal::{BASE, FakePortal, FakeSession, Shown};

const ORDER: &str = "/order_headers/7";

/// A session that was let in with a cookie, on an order page, and what was kept of its failure.
struct Scenario {
    out: tempfile::TempDir,
    site: PortalSite,
    portal: FakePortal,
    session: FakeSession,
    attempt: Attempt,
}

impl Scenario {
    async fn new() -> Self {
        let out = tempfile::tempdir().unwrap();
        let credentials = Credentials { username: "me".into(), password: "right".into() };
        let settings = Settings { base_url: Some(BASE.parse().unwrap()), ..Settings::default() };
        let config = resolve(settings, Some(credentials)).unwrap();
        let claim = Arc::new(OutputLock::take(out.path()).unwrap());
        let site = PortalSite::new(&config.site, claim, config.deadlines, &RunId::new("r")).unwrap();
        let portal = FakePortal::with(ORDER, Shown::default());
        portal.state().password = Some("right");
        portal.state().ticket = 1_000_000;
        let mut session = portal.session();
        site.log_in(WorkerId(1), &mut session).await.unwrap();
        session.page().goto(&format!("{BASE}{ORDER}")).await.unwrap();
        let attempt = Attempt {
            have: Vec::new(),
            task: TaskId(1),
            order: PoTask::new("PO7".parse().unwrap()),
            no: AttemptNo(3),
            worker: WorkerId(1),
            cancel: CancellationToken::new(),
            begun: Instant::now(),
            interim: InterimReceipt::default(),
        };
        Self { out, site, portal, session, attempt }
    }

    /// What was kept: the record, and the source if there is one.
    async fn capture_evidence(&mut self) -> (Value, Option<String>) {
        let error = AttemptError::new(FailureKind::StepTimeout, format!("no end at {BASE}/x?token=t0ken-of-a-link"));
        let place = self.site.capture_evidence(&mut self.session, &self.attempt, &error).await.unwrap();
        assert_eq!(place, ".coupa-batch/evidence/r/PO7-3");
        let folder = self.out.path().join(place);
        let read = |name: &str| std::fs::read_to_string(Path::new(&folder).join(name)).ok();
        let (record, source) = (read("failure.json").unwrap(), read("page.html"));
        for text in [Some(&record), source.as_ref()].into_iter().flatten() {
            for secret in ["t0ken-of-a-link", "1000001", "right"] {
                assert!(!text.contains(secret), "{secret} stands in {text}");
            }
        }
        (serde_json::from_str(&record).unwrap(), source)
    }
}

#[tokio::test]
async fn everything_that_can_be_seen_is_kept_without_what_lets_in() {
    let mut scenario = Scenario::new().await;
    let (record, source) = scenario.capture_evidence().await;
    assert_eq!(record["url"], format!("{BASE}{ORDER}"));
    assert_eq!((&record["kind"], &record["http_status"]), (&"step_timeout".into(), &200.into()));
    assert_eq!(record["message"], format!("no end at {BASE}/x"));
    assert_eq!(record["lacking"], Value::Null);
    assert!(source.unwrap().contains("[removed]"));
}

#[tokio::test]
async fn of_a_session_that_is_gone_the_words_are_kept_without_the_cookie_that_it_can_no_longer_tell() {
    let mut scenario = Scenario::new().await;
    scenario.portal.state().is_dead = true;
    let (record, source) = scenario.capture_evidence().await;
    assert_eq!(source, None);
    assert_eq!(record["driver"], format!("[INFO] GET {BASE}{ORDER} | sent [removed] and [removed]"));
    assert!(record["lacking"].as_str().unwrap().contains("could not be spoken to"), "{record:#}");
}

#[tokio::test]
async fn a_dialog_that_stood_open_hides_nothing() {
    let mut scenario = Scenario::new().await;
    scenario.portal.state().cookies_refused = 1;
    let (record, source) = scenario.capture_evidence().await;
    assert!(source.is_some() && record["lacking"].is_null(), "{record:#}");
}

#[tokio::test]
async fn no_source_is_kept_of_a_page_whose_cookies_are_not_known() {
    let mut scenario = Scenario::new().await;
    scenario.portal.state().cookies_refused = 2;
    let (record, source) = scenario.capture_evidence().await;
    assert_eq!(source, None);
    assert!(record["lacking"].as_str().unwrap().contains("its cookies: "), "{record:#}");
    assert_eq!(record["url"], format!("{BASE}{ORDER}"));
}

#[tokio::test]
async fn a_run_that_is_stopped_meanwhile_asks_the_browser_nothing_more() {
    let mut scenario = Scenario::new().await;
    scenario.attempt.cancel.cancel();
    let (record, source) = scenario.capture_evidence().await;
    assert_eq!((source, &record["url"]), (None, &Value::Null));
    assert!(record["lacking"].as_str().unwrap().contains("the run was stopped"), "{record:#}");
}
