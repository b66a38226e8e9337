//! Opening a page that lists attachments: gone to, waited for, understood, and what was answered to it heard.

use std::time::{Duration, Instant};

use url::Url;

use crate::backend::AttemptError;
use crate::model::{FailureKind, FileOrigin};
use crate::site::error;
use crate::site::order::collect::OrderCollector;
use crate::site::page::classify::{PageKind, classify};
use crate::site::page::emptiness::{Emptiness, look_longer};
use crate::site::page::responses::complaint;
use crate::site::page::snapshot::PageSnapshot;

/// A page of the portal that lists attachments.
pub(crate) struct ListingPage {
    pub(crate) url: Url,
    pub(crate) origin: FileOrigin,
    pub(crate) what: String,
}

impl OrderCollector<'_> {
    /// Goes to a page, makes sure that it is the one that was asked for, and waits until it has come to rest.
    pub(crate) async fn open(&mut self, place: &ListingPage) -> Result<PageSnapshot, AttemptError> {
        self.ground.pace.turn(&self.attempt.cancel).await;
        let begun = Instant::now();
        self.check_cancelled().map_err(error::of_failure)?;
        self.hear().await?;
        self.heard.clear();
        self.page.goto(place.url.as_str()).await.map_err(|error| error::of_session(error, &self.ground.base))?;
        let early = PageSnapshot::take(self.page, &self.ground.recipe, place.origin).await?;
        match classify(&self.ground.recipe, &place.url, &early.look) {
            // a page may need its scripts before it can be told
            PageKind::Wanted | PageKind::Unknown(_) => {}
            other => self.require(other, &place.what).await?,
        }
        self.check_cancelled().map_err(error::of_failure)?;
        let quiet = self.ground.quiet(begun.elapsed());
        let is_at_rest = self.page.settle(&PageSnapshot::settling(&self.ground.recipe), quiet).await?;
        let mut sight = PageSnapshot::take(self.page, &self.ground.recipe, place.origin).await?;
        let shown = classify(&self.ground.recipe, &place.url, &sight.look);
        self.check_calls(&shown, &sight, &place.what).await?;
        self.require(shown, &place.what).await?;
        self.ground.prove_login();
        if !sight.attachments.is_empty() {
            sight.is_at_rest = is_at_rest;
            return Ok(sight);
        }
        // "no attachments" is a verdict, and this page has not given one yet
        let finding = if is_at_rest {
            let second = look_longer(self.page, self.ground, &place.url, place.origin).await?;
            sight = second.sight;
            second.finding
        } else {
            Emptiness::Restless("it kept changing".to_owned())
        };
        let kind = finding.kind(&sight).unwrap_or_else(|| classify(&self.ground.recipe, &place.url, &sight.look));
        self.check_calls(&kind, &sight, &place.what).await?;
        if let Emptiness::Restless(why) = finding {
            return Err(AttemptError::new(
                FailureKind::StepTimeout,
                format!("the page of {} listed no attachment yet, and {why}: it is opened again", place.what),
            ));
        }
        self.require(kind, &place.what).await?;
        Ok(sight)
    }

    /// Looks again at a page that was still changing, with all the patience of the first time: more may be listed by now.
    pub(crate) async fn look_again(&mut self, place: &ListingPage) -> Result<PageSnapshot, AttemptError> {
        let quiet = self.ground.quiet(Duration::ZERO);
        self.page.settle(&PageSnapshot::settling(&self.ground.recipe), quiet).await?;
        Ok(PageSnapshot::take(self.page, &self.ground.recipe, place.origin).await?)
    }

    /// Makes sure that the page shown is the one that was asked for.
    ///
    /// # Errors
    /// What it is instead, with the portal's wish when to come back.
    pub(crate) async fn require(&mut self, shown: PageKind, what: &str) -> Result<(), AttemptError> {
        let mut retry_after = None;
        if complaint(&shown).is_some() {
            self.ground.pace.slow_down();
            self.hear().await?;
            retry_after = self.heard.wish(&shown);
        }
        shown.require(what).map_err(|failure| AttemptError { retry_after, ..error::of_failure(failure) })
    }

    /// Makes sure that a page which lists nothing does not owe that to a call of its scripts that was refused.
    async fn check_calls(&mut self, shown: &PageKind, sight: &PageSnapshot, what: &str) -> Result<(), AttemptError> {
        if sight.attachments.is_empty() && matches!(shown, PageKind::Wanted | PageKind::Unknown(_)) {
            self.hear().await?;
            if let Some(error) = self.heard.excuse(&self.ground.recipe, &self.ground.base, what) {
                return Err(self.complained(error));
            }
        }
        Ok(())
    }

    /// Takes note of what was answered meanwhile.
    async fn hear(&mut self) -> Result<(), AttemptError> {
        let answers = self.page.responses().await?;
        self.heard.extend(answers);
        Ok(())
    }

    /// Asks less often from now on, if the portal complained otherwise than by a page.
    pub(crate) fn complained(&self, error: AttemptError) -> AttemptError {
        if matches!(error.kind, FailureKind::Throttled | FailureKind::SiteDown) {
            self.ground.pace.slow_down();
        }
        error
    }
}
