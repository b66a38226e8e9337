//! The portal as the engine sees it.

use std::sync::Arc;

use tokio::sync::OnceCell;

use super::login::SharedLogin;
use crate::backend::{Attempt, AttemptError, BoxFuture, LaneOrders, Session, Site};
#[cfg(feature = "internals")]
use crate::config::Timeouts;
use crate::config::{LaneChoice, SiteConfig};
use crate::download::transfer::{SlotLimits, TransferSlots};
use crate::download::{self, OutputLock};
use crate::model::{Outcome, PoTask, Receipt, RunId, WorkerId};
use crate::net::{HttpClient, NetworkPolicy};
use crate::site::error;
use crate::site::lane::driver::{LaneDriver, LaneServices};
use crate::site::lane::learned::Learned;
use crate::site::lane::tab::TabLane;
#[cfg(feature = "internals")]
use crate::site::recipe::parse::RecipeError;

/// Most orders of one session at a time. A browser keeps six connections to a host.
const MAX_SLOTS: usize = 6;

/// A portal of the shape that a [`super::Recipe`] describes. One for all workers: they share its login.
#[derive(Debug)]
pub struct PortalSite {
    tab: TabLane,
    lane: LaneChoice,
    learned: Learned,
    /// What the one HTTP client may reach; it is made when it is first needed.
    network_policy: NetworkPolicy,
    http_client: OnceCell<HttpClient>,
    transfer_slots: TransferSlots,
    _claim: Arc<OutputLock>,
}

impl PortalSite {
    /// The portal of `config`, whose files go to the claimed folder: nobody else works there as long as this lives. What
    /// is kept of failed attempts goes to [`super::evidence_folder`] of `run`.
    ///
    /// # Errors
    /// [`RecipeError`] when there is no base address or the recipe cannot be used.
    #[cfg(feature = "internals")]
    pub fn new(
        config: &SiteConfig,
        claim: Arc<OutputLock>,
        deadlines: Timeouts,
        run: &RunId,
    ) -> Result<Self, RecipeError> {
        let login = SharedLogin::of(config, claim.out(), deadlines, Vec::new(), None)?;
        Ok(Self::with_login(config, claim, run, login))
    }

    /// The same, with a login that was made for this configuration and folder.
    #[must_use]
    pub fn with_login(config: &SiteConfig, claim: Arc<OutputLock>, run: &RunId, login: SharedLogin) -> Self {
        Self {
            tab: TabLane::new(config, claim.out(), run, login),
            lane: config.lane,
            learned: Learned::new(config.lane == LaneChoice::Frames),
            network_policy: config.base_url.as_ref().map(|base| NetworkPolicy::around(base, &[])).unwrap_or_default(),
            http_client: OnceCell::new(),
            transfer_slots: TransferSlots::new(SlotLimits::default()),
            _claim: claim,
        }
    }

    /// The same, whose HTTP client reaches what `policy` lets a browser reach; default the portal, and no private address
    /// beside it.
    #[must_use]
    pub fn reaching(mut self, policy: NetworkPolicy) -> Self {
        self.network_policy = policy;
        self
    }

    /// The one HTTP client of the run; none where it cannot be made.
    async fn http_client(&self) -> Option<&HttpClient> {
        let make = || HttpClient::for_portal(&self.tab.context.base, self.network_policy.clone());
        let made = self.http_client.get_or_try_init(make).await;
        made.inspect_err(|why| tracing::warn!("no files by HTTP, the browsers download them: {why}")).ok()
    }
}

impl Site for PortalSite {
    fn log_in<'a>(&'a self, worker: WorkerId, session: &'a mut dyn Session) -> BoxFuture<'a, Result<(), AttemptError>> {
        Box::pin(self.tab.log_in(worker, session))
    }

    fn collect<'a>(
        &'a self,
        session: &'a mut dyn Session,
        attempt: &'a Attempt,
    ) -> BoxFuture<'a, Result<Receipt, AttemptError>> {
        Box::pin(self.tab.walk(session, attempt))
    }

    fn max_slots(&self) -> usize {
        match self.lane {
            LaneChoice::Auto | LaneChoice::Frames => MAX_SLOTS,
            LaneChoice::Tab => 1,
        }
    }

    fn run_lane<'a>(&'a self, worker: WorkerId, session: &'a mut dyn Session, orders: LaneOrders) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let services = LaneServices {
                tab: &self.tab,
                learned: &self.learned,
                client: self.http_client().await,
                slots: &self.transfer_slots,
            };
            LaneDriver::new(services, worker, orders).run(session).await;
        })
    }

    fn capture_evidence<'a>(
        &'a self,
        session: &'a mut dyn Session,
        attempt: &'a Attempt,
        error: &'a AttemptError,
    ) -> BoxFuture<'a, Option<String>> {
        Box::pin(self.tab.capture_evidence(session, attempt, error))
    }

    fn finalize<'a>(&'a self, task: &'a PoTask, mut outcome: Outcome) -> BoxFuture<'a, Result<Outcome, AttemptError>> {
        Box::pin(async move {
            let context = &self.tab.context;
            let receipt = outcome.receipt_mut();
            if receipt.url.is_empty() {
                // no attempt came back to say it: the browser ended, or the order was cancelled before
                receipt.url = context.order_page(&task.po).to_string();
            }
            download::finalize(&context.out, &task.po, outcome).await.map_err(error::of_download)
        })
    }
}
