//! The tab lane: one order at a time in the page itself. It judges everything that is in doubt in another lane.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::backend::{Attempt, AttemptError, Session};
use crate::config::SiteConfig;
use crate::model::{Lane, Receipt, RunId, WorkerId};
use crate::site::context::PortalContext;
use crate::site::evidence::{self, EvidenceStore};
use crate::site::login::SharedLogin;
use crate::site::order::collect::OrderCollector;
use crate::site::recipe::selectors;

/// One for all sessions of a run: they share its login.
#[derive(Debug)]
pub(crate) struct TabLane {
    pub(crate) context: Arc<PortalContext>,
    pub(crate) login: SharedLogin,
    evidence: EvidenceStore,
    /// A browser accepted all selectors of the recipe. All sessions are of one kind, so one check is enough.
    has_checked_selectors: AtomicBool,
}

impl TabLane {
    pub(crate) fn new(config: &SiteConfig, out: &Path, run: &RunId, login: SharedLogin) -> Self {
        Self {
            context: login.shared_context(),
            login,
            evidence: EvidenceStore::new(out, run, config.evidence_max_size),
            has_checked_selectors: AtomicBool::new(false),
        }
    }

    /// As [`crate::backend::Site::log_in`].
    pub(crate) async fn log_in(&self, worker: WorkerId, session: &mut dyn Session) -> Result<(), AttemptError> {
        tracing::debug!(%worker, "asks to be let in");
        if !self.has_checked_selectors.load(Ordering::Acquire) {
            let is_told = selectors::check_all(session.page(), &self.context.recipe, &self.context.recipe_name).await?;
            self.has_checked_selectors.store(is_told, Ordering::Release);
        }
        self.login.log_in(session.page()).await
    }

    /// Fetches the order of an attempt.
    pub(crate) async fn walk(&self, session: &mut dyn Session, attempt: &Attempt) -> Result<Receipt, AttemptError> {
        let mut redirect_count = 0;
        loop {
            let order = self.context.order_page(&attempt.order.po);
            let collector = OrderCollector::new(&self.context, &self.login, session.page(), attempt);
            match collector.collect().await {
                Ok(receipt) => {
                    self.login.saw_order(order);
                    return Ok(Receipt { lane: Some(Lane::Tab), ..receipt });
                }
                Err(error) => {
                    if error.receipt.as_ref().is_some_and(|receipt| !receipt.folder.is_empty()) {
                        self.login.saw_order(order.clone()); // its page was shown before the attempt failed
                    }
                    self.login.interpret_failure(session.page(), &order, error, &mut redirect_count).await?;
                }
            }
        }
    }

    /// As [`crate::backend::Site::capture_evidence`].
    pub(crate) async fn capture_evidence(
        &self,
        session: &mut dyn Session,
        attempt: &Attempt,
        error: &AttemptError,
    ) -> Option<String> {
        if self.evidence.is_off() {
            return None;
        }
        let seen = evidence::look(session, attempt, error, &self.login).await;
        evidence::keep(&self.evidence, attempt, seen).await
    }
}
