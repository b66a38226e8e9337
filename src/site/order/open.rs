//! Opens a page that lists attachments: requests it, waits until it has settled, classifies it, and reads the responses
//! that explain it.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::budget::TimeBudget;
use crate::backend::{AttemptError, FailedRequest, Page};
use crate::model::{Failure, FailureKind, FileOrigin, PoNumber};
use crate::site::Recipe;
use crate::site::context::PortalContext;
use crate::site::error;
use crate::site::page::classify::{PageKind, classify};
use crate::site::page::emptiness;
use crate::site::page::identity::ShownOn;
use crate::site::page::number::is_number_of;
use crate::site::page::readiness::controls::{self, ControlKind, FoundControl};
use crate::site::page::readiness::unlisted::{Unlisted, could_be_list};
use crate::site::page::readiness::{Awaited, PageReader, Reading};
use crate::site::page::responses::{Responses, complaint};
use crate::site::page::snapshot::PageSnapshot;
use crate::text::rounded;

/// How often a page is clicked to show more of its list: an endless list must not keep a worker for ever.
const MAX_CLICKS: usize = 60;

/// A page of the portal that lists attachments.
#[derive(Clone)]
pub(crate) struct ListingPage {
    pub(crate) url: Url,
    pub(crate) origin: FileOrigin,
    /// The order that it belongs to.
    pub(crate) po: PoNumber,
    pub(crate) what: String,
}

impl ListingPage {
    pub(crate) fn shown_on(&self) -> ShownOn<'_> {
        ShownOn { origin: self.origin, url: &self.url }
    }
}

/// A page of the portal that was read.
pub(crate) struct OpenedPage {
    pub(crate) snapshot: PageSnapshot,
    /// What it was still waiting for when the time was up.
    pub(crate) awaited: Option<Awaited>,
    /// What it says that it has and does not list.
    pub(crate) unlisted: Option<Unlisted>,
    /// Why it may have attachments although it lists none and has come to rest.
    pub(crate) doubt: Option<Failure>,
    /// A control that was not clicked, or clicked without effect.
    rest: Option<FoundControl>,
    /// A request of its scripts that got no response at all.
    unanswered: Option<String>,
}

impl OpenedPage {
    fn new(reading: Reading, rest: Option<FoundControl>, recipe: &Recipe) -> Self {
        let Reading { snapshot, kind: _, signs, failed, awaited } = reading;
        let unlisted = Unlisted::find(&signs, &failed, rest.as_ref(), recipe);
        // what another host of the site is asked for may be blocked for good, unless it was about the list
        let is_own = |request: &FailedRequest| request.path.starts_with('/') || could_be_list(request, recipe);
        let unanswered = failed.into_iter().find(|request| request.status == 0 && is_own(request));
        let unanswered = unanswered.map(|request| request.path);
        Self { snapshot, awaited, unlisted, doubt: None, rest, unanswered }
    }
}

/// Whether all was read that the page shows. One that is always in motion is as far as it gets.
fn is_read(reading: &Reading) -> bool {
    matches!(reading.awaited, None | Some(Awaited::Change))
}

/// Opens the pages of one order in its session.
pub(crate) struct PageOpener<'a> {
    pub(crate) context: &'a PortalContext,
    pub(crate) page: &'a mut dyn Page,
    cancel: &'a CancellationToken,
    budget: TimeBudget,
    /// HTTP responses since the last page was opened.
    responses: Responses,
    /// When that was.
    begun: Instant,
}

impl<'a> PageOpener<'a> {
    pub(crate) fn new(
        context: &'a PortalContext,
        page: &'a mut dyn Page,
        cancel: &'a CancellationToken,
        budget: TimeBudget,
    ) -> Self {
        Self { context, page, cancel, budget, responses: Responses::default(), begun: Instant::now() }
    }

    /// Goes to a page, makes sure that it is the requested one, waits until it counts as read, and clicks what
    /// shows more of its list.
    pub(crate) async fn open(&mut self, place: &ListingPage) -> Result<OpenedPage, AttemptError> {
        self.context.pace.turn(self.cancel).await;
        self.begun = Instant::now();
        self.check_cancelled().map_err(error::of_failure)?;
        if self.budget.is_over(self.begun) {
            return Err(self.out_of_time());
        }
        let reader = self.reader(place);
        self.read_responses().await?;
        self.responses.clear();
        self.page.goto(place.url.as_str()).await.map_err(|error| error::of_session(error, &self.context.base))?;
        let early = PageSnapshot::take(self.page, &self.context.recipe, place.shown_on()).await?;
        match classify(&self.context.recipe, &place.url, &early.look) {
            // a page may need its scripts before it can be told
            PageKind::Wanted | PageKind::Unknown(_) => {}
            other => self.require(other, &place.what).await?,
        }
        self.check_cancelled().map_err(error::of_failure)?;
        let mut opened = self.read(&reader, place).await?;
        self.context.confirm_login();
        if opened.snapshot.attachments.is_empty() {
            // "no attachments" is a verdict, and this page has not given one yet
            opened = self.read_empty(&reader, place, opened).await?;
        }
        Ok(opened)
    }

    /// Looks again at a page that was not yet read, with all the patience of the first time: more may be listed by now.
    pub(crate) async fn look_again(&mut self, place: &ListingPage) -> Result<OpenedPage, AttemptError> {
        let reader = self.reader(place);
        self.read(&reader, place).await
    }

    /// Reads `place` as long as the attempt's budget allows from now on.
    fn reader<'b>(&self, place: &'b ListingPage) -> PageReader<'b>
    where
        'a: 'b,
    {
        let until = self.budget.page_until(Instant::now());
        PageReader { context: self.context, url: &place.url, origin: place.origin, begun: self.begun, until }
    }

    /// Reads the page that is shown, all of its list.
    async fn read(&mut self, reader: &PageReader<'_>, place: &ListingPage) -> Result<OpenedPage, AttemptError> {
        let mut reading = reader.read(self.page).await?;
        self.check(&reading, place).await?;
        let mut lost = None;
        for _ in 0..MAX_CLICKS {
            if !is_read(&reading) {
                break;
            }
            if reader.is_over() {
                let has_more = controls::next(self.page, &self.context.recipe).await?.is_some();
                reading.awaited = has_more.then_some(Awaited::OutOfTime);
                break;
            }
            let (before, earlier) = (reading.snapshot.listed_count, reading.snapshot.attachments.clone());
            let Some(control) = controls::click_next(self.page, &self.context.recipe).await? else { break };
            tracing::debug!(url = %place.url.path(), text = control.text, "clicked a control that shows more");
            self.check_cancelled().map_err(error::of_failure)?;
            reading = reader.read_after_click(self.page).await?;
            self.check(&reading, place).await?;
            lost = lost.or_else(|| Unlisted::after_click(&control.text, &earlier, &reading.snapshot.attachments));
            if control.kind == ControlKind::More && reading.snapshot.listed_count <= before {
                break;
            }
        }
        let rest = if is_read(&reading) { controls::next(self.page, &self.context.recipe).await? } else { None };
        let mut opened = OpenedPage::new(reading, rest, &self.context.recipe);
        opened.unlisted = lost.or(opened.unlisted);
        Ok(opened)
    }

    /// Watches a page that lists nothing for longer, and says whether it has nothing.
    async fn read_empty(
        &mut self,
        reader: &PageReader<'_>,
        place: &ListingPage,
        mut opened: OpenedPage,
    ) -> Result<OpenedPage, AttemptError> {
        let recipe = &self.context.recipe;
        if opened.awaited.is_none() {
            let reading = reader.read_longer(self.page).await?;
            self.check(&reading, place).await?;
            if !reading.snapshot.attachments.is_empty() {
                return self.read(reader, place).await;
            }
            let doubt =
                opened.rest.as_ref().map(FoundControl::doubt).or_else(|| emptiness::doubt(&reading.signs, recipe));
            let earlier = opened.unlisted.take();
            opened = OpenedPage::new(reading, opened.rest, recipe);
            opened.unlisted = earlier.or(opened.unlisted);
            if let Some(doubt) = doubt {
                let kind = emptiness::unproven(&opened.snapshot.look.evidence, &doubt);
                self.check_calls(&kind, &opened.snapshot, &place.what).await?;
                opened.doubt = kind.require(&place.what).err();
            }
        }
        if let Some(path) = opened.unanswered.take() {
            opened.awaited = Some(Awaited::Requests(vec![path]));
        }
        if let Some(awaited) = &opened.awaited {
            self.check_calls(&PageKind::Wanted, &opened.snapshot, &place.what).await?;
            let next = if awaited.kind() == FailureKind::StepTimeout { ": it is opened again" } else { "" };
            return Err(AttemptError::new(
                awaited.kind(),
                format!("the page of {} lists no attachments yet, and {awaited}{next}", place.what),
            ));
        }
        Ok(opened)
    }

    /// Makes sure that what was read is the requested page, and that no call of its scripts was refused to
    /// which a page that lists nothing may owe that.
    async fn check(&mut self, reading: &Reading, place: &ListingPage) -> Result<(), AttemptError> {
        self.check_calls(&reading.kind, &reading.snapshot, &place.what).await?;
        self.require(reading.kind.clone(), &place.what).await?;
        self.check_number(&reading.snapshot, place)
    }

    /// Makes sure that an order's page shows no other order.
    ///
    /// # Errors
    /// [`FailureKind::PageChanged`] with both numbers.
    pub(crate) fn check_number(&self, snapshot: &PageSnapshot, place: &ListingPage) -> Result<(), AttemptError> {
        match (place.origin, snapshot.numbers.first()) {
            (FileOrigin::Order, Some(shown)) if !self.is_number_of(shown, &place.po) => Err(AttemptError::new(
                FailureKind::PageChanged,
                format!(
                    "the page of {} shows another number, {shown}, so its files are not this order's: if the portal's \
                     addresses contain an internal id, the sheet must hold that id; if {shown} is not the order's \
                     number, change order.number in the recipe",
                    place.what
                ),
            )),
            _ => Ok(()),
        }
    }

    fn is_number_of(&self, shown: &str, po: &PoNumber) -> bool {
        is_number_of(shown, po, self.context.recipe.order.numbers.prefix_counts)
    }

    /// Makes sure that the page shown is the requested one.
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

    /// The attempt's time is used up.
    pub(crate) fn out_of_time(&self) -> AttemptError {
        let limit = rounded(self.context.deadlines.attempt);
        AttemptError::new(
            FailureKind::StepTimeout,
            format!(
                "the order took longer than {limit}; the files that arrived are kept; task_timeout allows more time \
                 per attempt"
            ),
        )
    }

    pub(crate) fn check_cancelled(&self) -> Result<(), Failure> {
        if self.cancel.is_cancelled() {
            return Err(Failure::new(FailureKind::Interrupted, "the run was stopped before the order was finished"));
        }
        Ok(())
    }
}
