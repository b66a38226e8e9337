//! The portal as the engine sees it.

use std::sync::Arc;

use super::evidence::{self, Store};
use super::ground::Ground;
use super::login::Login;
use super::parse::RecipeError;
use super::walk::Walk;
use super::{selectors, trouble};
use crate::config::{Deadlines, SiteConfig};
use crate::download::{self, Claim};
use crate::model::{Outcome, PoTask, Receipt, RunId, WorkerId};
use crate::ports::{Attempt, AttemptError, Fut, LoginKeep, Session, Site};

/// A portal of the shape that a [`super::Recipe`] describes. One for all workers: they share its login.
#[derive(Debug)]
pub struct CoupaSite {
    ground: Arc<Ground>,
    login: Login,
    evidence: Store,
    _claim: Arc<Claim>,
}

impl CoupaSite {
    /// The portal of `config`, whose files go to the claimed folder: nobody else works there as long as this lives. What
    /// is kept of failed attempts goes to [`super::evidence_folder`] of `run`.
    ///
    /// # Errors
    /// [`RecipeError`] when there is no base address or the recipe cannot be used.
    pub fn new(config: &SiteConfig, claim: Arc<Claim>, deadlines: Deadlines, run: &RunId) -> Result<Self, RecipeError> {
        let ground = Arc::new(Ground::new(config, claim.out().to_owned(), deadlines)?);
        let login = Login::new(Arc::clone(&ground), config.credentials.clone());
        let evidence = Store::new(claim.out(), run, config.evidence_max_size);
        Ok(Self { ground, login, evidence, _claim: claim })
    }

    /// The same, which first tries the login that is kept there, and looks there for a new one when it has ended.
    #[must_use]
    pub fn with_kept_login(self, keep: Arc<dyn LoginKeep>) -> Self {
        Self { login: self.login.with_kept(keep), ..self }
    }
}

impl Site for CoupaSite {
    fn enter<'a>(&'a self, worker: WorkerId, session: &'a mut dyn Session) -> Fut<'a, Result<(), AttemptError>> {
        Box::pin(async move {
            tracing::debug!(%worker, "asks to be let in");
            selectors::try_all(session.page(), &self.ground).await?;
            self.login.enter(session.page()).await
        })
    }

    fn collect<'a>(
        &'a self,
        session: &'a mut dyn Session,
        attempt: &'a Attempt,
    ) -> Fut<'a, Result<Receipt, AttemptError>> {
        Box::pin(Walk::new(&self.ground, session.page(), attempt).collect())
    }

    fn witness<'a>(
        &'a self,
        session: &'a mut dyn Session,
        attempt: &'a Attempt,
        error: &'a AttemptError,
    ) -> Fut<'a, Option<String>> {
        Box::pin(async move {
            if self.evidence.is_off() {
                return None;
            }
            let seen = evidence::look(session, attempt, error, &self.login).await;
            evidence::keep(&self.evidence, attempt, seen).await
        })
    }

    fn conclude<'a>(&'a self, task: &'a PoTask, mut outcome: Outcome) -> Fut<'a, Result<Outcome, AttemptError>> {
        Box::pin(async move {
            let receipt = outcome.receipt_mut();
            if receipt.url.is_empty() {
                // no attempt came back to say it: the browser ended, or the order was cancelled before
                receipt.url = self.ground.order_page(&task.po).to_string();
            }
            download::conclude(&self.ground.out, &task.po, outcome).await.map_err(trouble::of_download)
        })
    }
}
