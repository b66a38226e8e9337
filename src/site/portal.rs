//! The portal as the engine sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::evidence::{self, EvidenceStore};
use super::login::SharedLogin;
use crate::backend::{Attempt, AttemptError, BoxFuture, Session, Site};
use crate::config::SiteConfig;
#[cfg(feature = "internals")]
use crate::config::Timeouts;
use crate::download::{self, OutputLock};
use crate::model::{Outcome, PoTask, Receipt, RunId, WorkerId};
use crate::site::context::PortalContext;
use crate::site::error;
use crate::site::order::collect::OrderCollector;
#[cfg(feature = "internals")]
use crate::site::recipe::parse::RecipeError;
use crate::site::recipe::selectors;

/// A portal of the shape that a [`super::Recipe`] describes. One for all workers: they share its login.
#[derive(Debug)]
pub struct PortalSite {
    context: Arc<PortalContext>,
    login: SharedLogin,
    evidence: EvidenceStore,
    /// A browser accepted all selectors of the recipe. All sessions are of one kind, so one check is enough.
    has_checked_selectors: AtomicBool,
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
        let evidence = EvidenceStore::new(claim.out(), run, config.evidence_max_size);
        Self {
            context: login.shared_context(),
            login,
            evidence,
            has_checked_selectors: AtomicBool::new(false),
            _claim: claim,
        }
    }
}

impl Site for PortalSite {
    fn log_in<'a>(&'a self, worker: WorkerId, session: &'a mut dyn Session) -> BoxFuture<'a, Result<(), AttemptError>> {
        Box::pin(async move {
            tracing::debug!(%worker, "asks for a login");
            if !self.has_checked_selectors.load(Ordering::Acquire) {
                let is_told =
                    selectors::check_all(session.page(), &self.context.recipe, &self.context.recipe_name).await?;
                self.has_checked_selectors.store(is_told, Ordering::Release);
            }
            self.login.log_in(session.page()).await
        })
    }

    fn collect<'a>(
        &'a self,
        session: &'a mut dyn Session,
        attempt: &'a Attempt,
    ) -> BoxFuture<'a, Result<Receipt, AttemptError>> {
        Box::pin(async move {
            let mut redirect_count = 0;
            loop {
                let order = self.context.order_page(&attempt.order.po);
                let collector = OrderCollector::new(&self.context, &self.login, session.page(), attempt);
                match collector.collect().await {
                    Ok(receipt) => {
                        self.login.saw_order(order);
                        return Ok(receipt);
                    }
                    Err(error) => {
                        if error.receipt.as_ref().is_some_and(|receipt| !receipt.folder.is_empty()) {
                            self.login.saw_order(order.clone()); // its page was shown before the attempt failed
                        }
                        self.login.interpret_failure(session.page(), &order, error, &mut redirect_count).await?;
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
                receipt.url = self.context.order_page(&task.po).to_string();
            }
            download::finalize(&self.context.out, &task.po, outcome).await.map_err(error::of_download)
        })
    }
}
