//! The portal as the engine sees it.

use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use super::login::Login;
use super::parse::{RecipeError, load};
use super::trouble;
use super::walk::{Ground, Walk};
use crate::config::{Deadlines, SiteConfig};
use crate::download::{self, Claim, DownloadError};
use crate::model::{Outcome, PoTask, Receipt, WorkerId};
use crate::ports::{Attempt, AttemptError, Fut, Session, Site};

/// A portal of the shape that a [`super::Recipe`] describes. One for all workers: they share its login.
#[derive(Debug)]
pub struct CoupaSite {
    ground: Arc<Ground>,
    login: Login,
    _claim: Claim,
}

impl CoupaSite {
    /// The portal of `config`, whose files go to `out`: nobody else may work there until it is dropped. Blocks for as
    /// long as removing what a killed run has left there takes.
    ///
    /// # Errors
    /// [`SiteError::Recipe`] when there is no base address or the recipe cannot be used, [`SiteError::Output`] when the
    /// output folder cannot be written or another program works in it.
    pub fn open(config: &SiteConfig, out: &Path, deadlines: Deadlines) -> Result<Self, SiteError> {
        let ground = Arc::new(Ground {
            recipe: load(&config.recipe)?,
            base: config.base_url.clone().ok_or(RecipeError::NoAddress)?,
            out: out.to_owned(),
            deadlines,
            requisition: config.requisition,
        });
        let login = Login::new(Arc::clone(&ground), config.credentials.clone());
        Ok(Self { ground, login, _claim: Claim::take(out)? })
    }
}

/// A portal could not be opened; nothing was started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SiteError {
    /// There is no base address, or the recipe cannot be used.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The output folder cannot be written, or another program works in it.
    #[error(transparent)]
    Output(#[from] DownloadError),
}

impl Site for CoupaSite {
    fn enter<'a>(&'a self, worker: WorkerId, session: &'a mut dyn Session) -> Fut<'a, Result<(), AttemptError>> {
        Box::pin(async move {
            tracing::debug!(%worker, "asks to be let in");
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
