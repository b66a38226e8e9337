//! The portal as the engine sees it.

use std::path::Path;
use std::sync::Arc;

use super::evidence::{self, EvidenceStore};
use super::login::Login;
use crate::backend::{Attempt, AttemptError, BoxFuture, LoginStore, RejectionStore, Session, Site};
use crate::config::{SiteConfig, Timeouts};
use crate::download::{self, OutputLock};
use crate::model::{Outcome, PoTask, Receipt, RunId, WorkerId};
use crate::site::context::PortalContext;
use crate::site::error;
use crate::site::order::collect::OrderCollector;
use crate::site::recipe::parse::RecipeError;
use crate::site::recipe::selectors;

/// The way into one portal, with the login that its sessions share. Sites that are given the same one log in once between
/// them, one after the other or side by side.
#[derive(Clone, Debug)]
pub struct SharedLogin(Arc<Login>);

impl SharedLogin {
    /// That of the portal of `config`, whose files go to `out`. The logins that are kept in `keeps` are tried before the
    /// credentials, the newest first, and looked at again when the login has ended; what `refusals` remembers is not sent.
    ///
    /// # Errors
    /// [`RecipeError`] when there is no base address or the recipe cannot be used.
    pub fn new(
        config: &SiteConfig,
        out: &Path,
        deadlines: Timeouts,
        keeps: Vec<Arc<dyn LoginStore>>,
        refusals: Option<Arc<dyn RejectionStore>>,
    ) -> Result<Self, RecipeError> {
        let ground = Arc::new(PortalContext::new(config, out.to_owned(), deadlines)?);
        let login = keeps.into_iter().fold(Login::new(ground, config.credentials.clone()), Login::with_kept);
        Ok(Self(Arc::new(match refusals {
            Some(refusals) => login.with_refusals(refusals, false),
            None => login,
        })))
    }
}

/// A portal of the shape that a [`super::Recipe`] describes. One for all workers: they share its login.
#[derive(Debug)]
pub struct PortalSite {
    ground: Arc<PortalContext>,
    login: Arc<Login>,
    evidence: EvidenceStore,
    _claim: Arc<OutputLock>,
}

impl PortalSite {
    /// The portal of `config`, whose files go to the claimed folder: nobody else works there as long as this lives. What
    /// is kept of failed attempts goes to [`super::evidence_folder`] of `run`.
    ///
    /// # Errors
    /// [`RecipeError`] when there is no base address or the recipe cannot be used.
    pub fn new(
        config: &SiteConfig,
        claim: Arc<OutputLock>,
        deadlines: Timeouts,
        run: &RunId,
    ) -> Result<Self, RecipeError> {
        let login = SharedLogin::new(config, claim.out(), deadlines, Vec::new(), None)?;
        Ok(Self::with_login(config, claim, run, login))
    }

    /// The same, with a login that was made for this configuration and folder, and may be in force already.
    #[must_use]
    pub fn with_login(config: &SiteConfig, claim: Arc<OutputLock>, run: &RunId, login: SharedLogin) -> Self {
        let SharedLogin(login) = login;
        let evidence = EvidenceStore::new(claim.out(), run, config.evidence_max_size);
        Self { ground: login.shared_ground(), login, evidence, _claim: claim }
    }
}

impl Site for PortalSite {
    fn log_in<'a>(&'a self, worker: WorkerId, session: &'a mut dyn Session) -> BoxFuture<'a, Result<(), AttemptError>> {
        Box::pin(async move {
            tracing::debug!(%worker, "asks to be let in");
            selectors::try_all(session.page(), &self.ground).await?;
            self.login.log_in(session.page()).await
        })
    }

    fn collect<'a>(
        &'a self,
        session: &'a mut dyn Session,
        attempt: &'a Attempt,
    ) -> BoxFuture<'a, Result<Receipt, AttemptError>> {
        Box::pin(async move {
            let mut led_away_count = 0;
            loop {
                match OrderCollector::new(&self.ground, session.page(), attempt).collect().await {
                    Ok(receipt) => return Ok(receipt),
                    Err(error) => {
                        let order = self.ground.order_page(&attempt.order.po);
                        self.login.weigh(session.page(), &order, error, &mut led_away_count).await?;
                    }
                }
            }
        })
    }

    fn capture_evidence<'a>(
        &'a self,
        session: &'a mut dyn Session,
        attempt: &'a Attempt,
        error: &'a AttemptError,
    ) -> BoxFuture<'a, Option<String>> {
        Box::pin(async move {
            if self.evidence.is_off() {
                return None;
            }
            let seen = evidence::look(session, attempt, error, &self.login).await;
            evidence::keep(&self.evidence, attempt, seen).await
        })
    }

    fn finalize<'a>(&'a self, task: &'a PoTask, mut outcome: Outcome) -> BoxFuture<'a, Result<Outcome, AttemptError>> {
        Box::pin(async move {
            let receipt = outcome.receipt_mut();
            if receipt.url.is_empty() {
                // no attempt came back to say it: the browser ended, or the order was cancelled before
                receipt.url = self.ground.order_page(&task.po).to_string();
            }
            download::finalize(&self.ground.out, &task.po, outcome).await.map_err(error::of_download)
        })
    }
}
