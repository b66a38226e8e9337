//! One session, its lane, and orders that are fed to it as the engine would feed them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use coupa_batch::backend::{Attempt, InterimReceipt, LaneEnd, LaneFeed, Session, SessionFactory, Site};
use coupa_batch::config::{Credentials, LaneChoice};
use coupa_batch::demo::{DemoPortal, check};
use coupa_batch::download::OutputLock;
use coupa_batch::model::{AttemptNo, FailureKind, Lane, Outcome, PoTask, Receipt, RunId, TaskId, WorkerId};
use coupa_batch::site::PortalSite;
use coupa_batch::{PoNumber, PoolConfig};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::browser::Rig;

const QUICK_RECIPE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/recipes/quick-coupa.toml");

/// A site with its output folder.
pub(super) struct Harness {
    pub(super) site: PortalSite,
    pub(super) out: tempfile::TempDir,
}

/// What came of each order.
pub(super) type Ends = HashMap<PoNumber, LaneEnd>;

impl Harness {
    pub(super) fn new(
        rig: &Rig,
        base: Url,
        credentials: Option<Credentials>,
        change: impl FnOnce(&mut PoolConfig),
    ) -> Self {
        let mut config = rig.config.clone();
        config.site.base_url = Some(base);
        config.site.recipe = QUICK_RECIPE.to_owned();
        config.site.credentials = credentials;
        config.site.lane = LaneChoice::Auto;
        change(&mut config);
        let out = tempfile::tempdir().unwrap();
        let claim = Arc::new(OutputLock::take(out.path()).unwrap());
        let site = PortalSite::new(&config.site, claim, config.deadlines, &RunId::new("run")).unwrap();
        Self { site, out }
    }

    pub(super) fn of_demo(rig: &Rig, portal: &DemoPortal, change: impl FnOnce(&mut PoolConfig)) -> Self {
        let credentials = Credentials { username: portal.username().to_owned(), password: portal.password() };
        Self::new(rig, portal.base_url(), Some(credentials), change)
    }

    /// Takes the orders through the lane of `session`, up to `slots` at a time.
    pub(super) async fn run(&self, session: &mut dyn Session, orders: &[PoNumber], slots: usize) -> Ends {
        self.run_and(session, orders, slots, |_| {}).await
    }

    /// The same, and tells `after` how many have ended by then.
    pub(super) async fn run_and(
        &self,
        session: &mut dyn Session,
        orders: &[PoNumber],
        slots: usize,
        mut after: impl FnMut(usize),
    ) -> Ends {
        let (feed, taken) = LaneFeed::new(slots);
        let feeding = async {
            let mut waiting = orders.iter().enumerate();
            let mut open = Vec::new();
            let mut ends = Ends::new();
            let wanted = feed.wanted();
            loop {
                while open.len() < (*wanted.borrow()).min(slots)
                    && let Some((at, po)) = waiting.next()
                {
                    let attempt = attempt(at, po);
                    let end = feed.hand_in(attempt, false);
                    open.push(Box::pin(async move { (po, end.await) }));
                }
                if open.is_empty() {
                    break;
                }
                let ((po, end), _, rest) = futures_util::future::select_all(open).await;
                open = rest;
                let Ok(end) = end else { continue }; // lost with the session
                ends.insert(po.clone(), end);
                after(ends.len());
            }
            drop(feed);
            ends
        };
        let ((), ends) = tokio::join!(self.site.run_lane(WorkerId(1), session, taken), feeding);
        ends
    }

    /// One order after the other, as without lanes.
    pub(super) async fn run_in_tab(&self, session: &mut dyn Session, orders: &[PoNumber]) -> Ends {
        self.site.log_in(WorkerId(1), session).await.unwrap();
        let mut ends = Ends::new();
        for (at, po) in orders.iter().enumerate() {
            let result = self.site.collect(session, &attempt(at, po)).await;
            ends.insert(po.clone(), LaneEnd { result, was_begun: true, evidence: None });
        }
        ends
    }

    /// Gives each order its outcome, as the engine would after its last attempt.
    pub(super) async fn finalize(&self, ends: Ends) -> Vec<(PoNumber, Outcome)> {
        let mut outcomes = Vec::new();
        for (po, end) in ends {
            let outcome = match end.result {
                Ok(receipt) if receipt.listed_count == 0 => Outcome::NoAttachments(receipt),
                Ok(receipt) => Outcome::Completed(receipt),
                Err(error) => {
                    let failure = error.to_failure();
                    match (error.kind, error.receipt.map(|receipt| *receipt)) {
                        (FailureKind::OrderMissing, receipt) => Outcome::NotFound(failure, receipt),
                        (_, Some(receipt)) if !receipt.files.is_empty() => Outcome::Partial(receipt, failure),
                        (_, receipt) => Outcome::Failed(failure, receipt),
                    }
                }
            };
            let outcome = self.site.finalize(&PoTask::new(po.clone()), outcome).await.unwrap();
            outcomes.push((po, outcome));
        }
        outcomes
    }
}

fn attempt(at: usize, po: &PoNumber) -> Attempt {
    Attempt {
        task: TaskId(at as u64 + 1),
        order: PoTask::new(po.clone()),
        no: AttemptNo(1),
        have: Vec::new(),
        worker: WorkerId(1),
        begun: Instant::now(),
        interim: InterimReceipt::default(),
        cancel: CancellationToken::new(),
    }
}

pub(super) async fn open(rig: &Rig, base: &Url) -> Box<dyn Session> {
    rig.factory.clone().within(base).for_frames().open(WorkerId(1)).await.unwrap()
}

/// Every status and every file as the portal has it.
pub(super) fn assert_all_is_there(portal: &DemoPortal, out: &Path, outcomes: &[(PoNumber, Outcome)]) {
    let mismatches: Vec<_> = check(portal, out, outcomes).iter().map(ToString::to_string).collect();
    let of = |po: &str| outcomes.iter().find(|(known, _)| po.contains(known.digits()));
    let shown: Vec<_> = mismatches.iter().map(|mismatch| format!("{mismatch}: {:?}", of(mismatch))).collect();
    assert!(mismatches.is_empty(), "{}", shown.join("\n"));
}

/// How many orders ended in this lane.
pub(super) fn count(ends: &Ends, lane: Lane) -> usize {
    ends.values().filter(|end| receipt_of(end).and_then(|receipt| receipt.lane) == Some(lane)).count()
}

pub(super) fn receipt_of(end: &LaneEnd) -> Option<&Receipt> {
    match &end.result {
        Ok(receipt) => Some(receipt),
        Err(error) => error.receipt.as_deref(),
    }
}

pub(super) async fn open_for_tab(rig: &Rig, base: &Url) -> Box<dyn Session> {
    rig.factory.clone().within(base).open(WorkerId(1)).await.unwrap()
}
