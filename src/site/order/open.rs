//! Opens a page that lists attachments: requests it, waits until it has settled, classifies it, and reads the responses
//! that explain it.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use url::Url;

use crate::backend::{AttemptError, Page};
use crate::model::{Failure, FailureKind, FileOrigin};
use crate::site::context::PortalContext;
use crate::site::error;
use crate::site::page::classify::{PageKind, classify};
use crate::site::page::emptiness::{Emptiness, look_longer};
use crate::site::page::responses::{Responses, complaint};
use crate::site::page::snapshot::PageSnapshot;

/// A page of the portal that lists attachments.
#[derive(Clone)]
pub(crate) struct ListingPage {
    pub(crate) url: Url,
    pub(crate) origin: FileOrigin,
    pub(crate) what: String,
}

/// Opens the pages of one order in its session.
pub(crate) struct PageOpener<'a> {
    pub(crate) context: &'a PortalContext,
    pub(crate) page: &'a mut dyn Page,
    cancel: &'a CancellationToken,
    /// HTTP responses since the last page was opened.
    responses: Responses,
}

impl<'a> PageOpener<'a> {
    pub(crate) fn new(context: &'a PortalContext, page: &'a mut dyn Page, cancel: &'a CancellationToken) -> Self {
        Self { context, page, cancel, responses: Responses::default() }
    }

    /// Goes to a page, makes sure that it is the one that was asked for, and waits until it has come to rest.
    pub(crate) async fn open(&mut self, place: &ListingPage) -> Result<PageSnapshot, AttemptError> {
        self.context.pace.turn(self.cancel).await;
        let begun = Instant::now();
        self.check_cancelled().map_err(error::of_failure)?;
        self.read_responses().await?;
        self.responses.clear();
        self.page.goto(place.url.as_str()).await.map_err(|error| error::of_session(error, &self.context.base))?;
        let early = PageSnapshot::take(self.page, &self.context.recipe, place.origin).await?;
        match classify(&self.context.recipe, &place.url, &early.look) {
            // a page may need its scripts before it can be told
            PageKind::Wanted | PageKind::Unknown(_) => {}
            other => self.require(other, &place.what).await?,
        }
        self.check_cancelled().map_err(error::of_failure)?;
        let stability = self.context.stability(begun.elapsed());
        let is_at_rest = self.page.settle(&PageSnapshot::settling(&self.context.recipe), stability).await?;
        let mut snapshot = PageSnapshot::take(self.page, &self.context.recipe, place.origin).await?;
        let shown = classify(&self.context.recipe, &place.url, &snapshot.look);
        self.check_calls(&shown, &snapshot, &place.what).await?;
        self.require(shown, &place.what).await?;
        self.context.confirm_login();
        if !snapshot.attachments.is_empty() {
            snapshot.is_at_rest = is_at_rest;
            return Ok(snapshot);
        }
        // "no attachments" is a verdict, and this page has not given one yet
        let finding = if is_at_rest {
            let second = look_longer(self.page, self.context, &place.url, place.origin).await?;
            snapshot = second.snapshot;
            second.finding
        } else {
            Emptiness::Restless("it kept changing".to_owned())
        };
        let kind =
            finding.kind(&snapshot).unwrap_or_else(|| classify(&self.context.recipe, &place.url, &snapshot.look));
        self.check_calls(&kind, &snapshot, &place.what).await?;
        if let Emptiness::Restless(why) = finding {
            return Err(AttemptError::new(
                FailureKind::StepTimeout,
                format!("the page of {} listed no attachment yet, and {why}: it is opened again", place.what),
            ));
        }
        self.require(kind, &place.what).await?;
        Ok(snapshot)
    }

    /// Looks again at a page that was still changing, with all the patience of the first time: more may be listed by now.
    pub(crate) async fn look_again(&mut self, place: &ListingPage) -> Result<PageSnapshot, AttemptError> {
        let stability = self.context.stability(Duration::ZERO);
        self.page.settle(&PageSnapshot::settling(&self.context.recipe), stability).await?;
        Ok(PageSnapshot::take(self.page, &self.context.recipe, place.origin).await?)
    }

    /// Makes sure that the page shown is the one that was asked for.
    ///
    /// # Errors
    /// What it is instead, with the portal's wish when to come back.
    pub(crate) async fn require(&mut self, shown: PageKind, what: &str) -> Result<(), AttemptError> {
        let mut retry_after = None;
        if complaint(&shown).is_some() {
            self.context.pace.slow_down();
            self.read_responses().await?;
            retry_after = self.responses.wish(&shown);
        }
        shown.require(what).map_err(|failure| AttemptError { retry_after, ..error::of_failure(failure) })
    }

    /// Makes sure that a page which lists nothing does not owe that to a call of its scripts that was refused.
    async fn check_calls(&mut self, shown: &PageKind, snapshot: &PageSnapshot, what: &str) -> Result<(), AttemptError> {
        if snapshot.attachments.is_empty() && matches!(shown, PageKind::Wanted | PageKind::Unknown(_)) {
            self.read_responses().await?;
            if let Some(error) = self.responses.excuse(&self.context.recipe, &self.context.base, what) {
                return Err(self.slowed_by(error));
            }
        }
        Ok(())
    }

    /// Takes note of what was answered meanwhile.
    async fn read_responses(&mut self) -> Result<(), AttemptError> {
        let answers = self.page.responses().await?;
        self.responses.extend(answers);
        Ok(())
    }

    /// Asks less often from now on, if the portal complained otherwise than by a page.
    pub(crate) fn slowed_by(&self, error: AttemptError) -> AttemptError {
        if matches!(error.kind, FailureKind::Throttled | FailureKind::SiteDown) {
            self.context.pace.slow_down();
        }
        error
    }

    pub(crate) fn check_cancelled(&self) -> Result<(), Failure> {
        if self.cancel.is_cancelled() {
            return Err(Failure::new(FailureKind::Interrupted, "the run was stopped before the order was finished"));
        }
        Ok(())
    }
}
