//! Gives each attachment its turn, and those that may have been innocent another one after the others.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::blame::{Circumstances, Suspect, Verdict, judge};
use super::budget::TimeBudget;
use super::draft::ReceiptDraft;
use super::fetch::{AttachmentFetch, FetchResult};
use super::open::{ListingPage, OpenedPage, PageOpener};
use crate::backend::{Attempt, AttemptError, Page};
use crate::download::{DownloadError, OrderDir, StagingDir};
use crate::model::{FailureKind, FileRecord, ListingId};
use crate::site::context::PortalContext;
use crate::site::login::SharedLogin;
use crate::site::page::classify::classify;
use crate::site::page::identity::listed::ListedAttachment;
use crate::site::page::snapshot::PageSnapshot;

/// How long a portal that answered with a server error is left alone before the same file is asked for again.
const AFTER_SERVER_ERROR: Duration = Duration::from_secs(1);

/// From this attempt on, an order's page that is shown proves that the portal is up, also when no file comes.
const ENOUGH_ATTEMPTS: u32 = 3;

/// The turns of one attempt's attachments.
pub(crate) struct FileTurns<'a> {
    context: &'a PortalContext,
    login: &'a SharedLogin,
    attempt: &'a Attempt,
    pub(crate) opener: PageOpener<'a>,
    pub(crate) budget: TimeBudget,
    pub(crate) draft: ReceiptDraft,
    postponed: Vec<Postponed>,
    /// Whether another page may list more.
    pub(crate) are_pages_left: bool,
    /// Files in a row that the portal answered with a server error.
    server_errors: u32,
    /// Where the browser was after the page had been opened.
    shown_at: String,
    /// Listings whose file may be that of another one of the same name.
    uncertain: BTreeSet<ListingId>,
    /// Where the files of this attempt came from.
    brought: BTreeSet<String>,
}

/// An attachment that gets another turn after the others.
struct Postponed {
    place: ListingPage,
    listed: ListedAttachment,
    /// How many files had come from the portal by then.
    arrival_count: u64,
    is_server_error: bool,
}

/// Where files go.
#[derive(Clone, Copy)]
pub(crate) struct Destination<'a> {
    pub(crate) staging: &'a StagingDir,
    pub(crate) folder: &'a OrderDir,
}

/// Which turn of an attachment it is.
#[derive(Clone, Copy)]
enum Turn {
    First {
        are_others_waiting: bool,
    },
    /// After all others.
    Last {
        waiting_count: usize,
        earlier_arrivals: u64,
    },
}

impl<'a> FileTurns<'a> {
    pub(crate) fn new(
        context: &'a PortalContext,
        login: &'a SharedLogin,
        page: &'a mut dyn Page,
        attempt: &'a Attempt,
    ) -> Self {
        // also of an order whose page never comes, or is not understood: that is the one that people want to look at
        let url = context.order_page(&attempt.order.po).to_string();
        let budget = TimeBudget::new(attempt.begun, context.deadlines.attempt);
        Self {
            context,
            login,
            attempt,
            opener: PageOpener::new(context, page, &attempt.cancel, budget),
            budget,
            draft: ReceiptDraft::new(&attempt.order.po, url, context.filter.to_string()),
            postponed: Vec::new(),
            are_pages_left: false,
            server_errors: 0,
            shown_at: String::new(),
            uncertain: BTreeSet::new(),
            brought: BTreeSet::new(),
        }
    }

    /// Opens a page, and takes note of where that led.
    pub(crate) async fn open(&mut self, place: &ListingPage) -> Result<OpenedPage, AttemptError> {
        let opened = self.opener.open(place).await?;
        self.shown_at = self.opener.page.url().await?;
        Ok(opened)
    }

    /// Fetches each of `new`, which `place` lists.
    ///
    /// # Errors
    /// What ends the attempt.
    pub(crate) async fn fetch_each(
        &mut self,
        place: &ListingPage,
        mut new: Vec<ListedAttachment>,
        to: Destination<'_>,
    ) -> Result<(), AttemptError> {
        self.draft.expect(&new, place);
        if self.attempt.have.is_empty() {
            // what is there already is in this receipt only after it was found again
            self.attempt.interim.set(self.draft.interim());
        }
        PageSnapshot::mark_equals(self.opener.page, &new).await?;
        let equals: Vec<_> = new.iter().filter(|listed| listed.key.is_by_place()).cloned().collect();
        new.sort_by_key(|listed| self.context.was_throttled(&listed.id)); // or it would end each attempt before the others
        let mut rest = new.into_iter();
        while let Some(listed) = rest.next() {
            let turn = Turn::First { are_others_waiting: rest.len() > 0 };
            self.fetch_one(place, &listed, to, turn).await?;
        }
        self.fetch_hidden(place, &equals, to).await
    }

    /// Fetches attachments again that share their name with others and got another one's bytes: the page may have moved
    /// them meanwhile. On a page that was just opened each place is the one that was read.
    async fn fetch_hidden(
        &mut self,
        place: &ListingPage,
        equals: &[ListedAttachment],
        to: Destination<'_>,
    ) -> Result<(), AttemptError> {
        for listed in equals {
            let is_in_doubt = |file: &FileRecord| {
                file.listings.contains(&listed.id)
                    && file.listings.len() > 1
                    && file.listings.iter().any(|id| self.uncertain.contains(id))
            };
            if self.draft.receipt.files.iter().any(is_in_doubt) {
                tracing::debug!(po = %self.attempt.order.po, listing = listed.label, "same bytes twice: fetching again");
                self.reopen(place, to.staging).await?;
                self.fetch_one(place, listed, to, Turn::First { are_others_waiting: false }).await?;
            }
        }
        Ok(())
    }

    /// Gives those that may have been innocent another turn, on a page that is opened again: that it is shown says that
    /// the login is in force and the portal up.
    pub(crate) async fn fetch_postponed(&mut self, to: Destination<'_>) -> Result<(), AttemptError> {
        let mut rest = std::mem::take(&mut self.postponed).into_iter();
        while let Some(Postponed { place, listed, arrival_count, is_server_error }) = rest.next() {
            if is_server_error {
                self.pause(AFTER_SERVER_ERROR).await;
            }
            self.reopen(&place, to.staging).await?;
            let turn = Turn::Last { waiting_count: rest.len(), earlier_arrivals: arrival_count };
            self.fetch_one(&place, &listed, to, turn).await?;
        }
        Ok(())
    }

    async fn pause(&mut self, span: Duration) {
        tokio::select! {
            () = sleep(span) => {}
            () = self.attempt.cancel.cancelled() => {}
        }
    }

    /// Fetches one attachment and takes note of what became of it.
    ///
    /// # Errors
    /// What ends the attempt.
    async fn fetch_one(
        &mut self,
        place: &ListingPage,
        listed: &ListedAttachment,
        to: Destination<'_>,
        turn: Turn,
    ) -> Result<(), AttemptError> {
        let begun = Instant::now();
        if self.budget.is_over(begun) {
            let error = self.opener.out_of_time();
            self.draft.miss(listed, place, &error);
            return Err(error);
        }
        let until = match turn {
            Turn::First { are_others_waiting } => {
                let are_waiting = are_others_waiting || self.are_pages_left || !self.postponed.is_empty();
                self.budget.until(begun, are_waiting)
            }
            Turn::Last { waiting_count, .. } => self.budget.until(begun, waiting_count > 0),
        };
        let fetching = AttachmentFetch {
            context: self.context,
            attempt: self.attempt,
            staging: to.staging,
            folder: to.folder,
            origin: place.origin,
            max_bytes: self.room(),
            until,
            page_url: &place.url,
            brought: &self.brought,
        };
        let arrival_count = self.context.arrival_count();
        let error = match fetching.fetch(self.opener.page, listed).await {
            Ok(FetchResult::Placed { record, is_certain, address }) => {
                self.server_errors = 0;
                if !is_certain {
                    self.uncertain.insert(listed.id.clone());
                }
                self.draft.keep(record);
                self.draft.receipt.folder = to.folder.relative();
                self.attempt.interim.set(self.draft.interim());
                self.brought.extend(address);
                // a file that the browser has shown is where the page was
                return self.come_back(place, to.staging).await;
            }
            Ok(FetchResult::LeftOut(reason)) => {
                self.draft.leave_out(listed, place.origin, reason);
                return self.come_back(place, to.staging).await;
            }
            Err(error) => error,
        };
        let is_late = error.kind() == FailureKind::DownloadStalled;
        let is_server_error = Suspect::of(&error) == Suspect::Server;
        let circumstances = self.circumstances(&error, listed, turn, (begun, until)).await;
        let error = match judge(error, circumstances) {
            Verdict::Miss(error) => error,
            Verdict::Postpone(error) => {
                let (place, listed) = (place.clone(), listed.clone());
                self.postponed.push(Postponed { place, listed, arrival_count, is_server_error });
                error
            }
            Verdict::Stop(error) => {
                self.draft.miss(listed, place, &error);
                return Err(self.opener.slowed_by(error));
            }
        };
        let error = self.opener.slowed_by(error);
        self.draft.miss(listed, place, &error);
        if is_late { self.leave(place, to.staging).await } else { self.come_back(place, to.staging).await }
    }

    /// What is known now that tells whose fault `error` is.
    async fn circumstances(
        &mut self,
        error: &DownloadError,
        listed: &ListedAttachment,
        turn: Turn,
        (begun, until): (Instant, Instant),
    ) -> Circumstances {
        let suspect = Suspect::of(error);
        let is_logged_in = if suspect == Suspect::Login {
            let order = self.context.order_page(&self.attempt.order.po);
            self.login.is_in_force(self.opener.page, &order).await
        } else {
            None
        };
        self.server_errors = if suspect == Suspect::Server { self.server_errors + 1 } else { 0 };
        let (have_come, is_alone) = match turn {
            Turn::First { are_others_waiting } => (false, !are_others_waiting),
            Turn::Last { earlier_arrivals, .. } => (self.context.arrival_count() > earlier_arrivals, true),
        };
        let is_throttled = suspect == Suspect::Throttle;
        let throttled_alone = if is_throttled { self.context.note_throttled(&listed.id, is_alone) } else { 0 };
        Circumstances {
            is_last_turn: matches!(turn, Turn::Last { .. }),
            is_logged_in,
            are_files_given: have_come || self.attempt.no.0 >= ENOUGH_ATTEMPTS,
            server_errors: self.server_errors,
            throttled_alone,
            had_most_time: self.budget.was_most(begun, Instant::now()),
            can_have_more_time: !self.budget.is_last(until),
        }
    }

    /// Leaves the page after a click that no download followed: one that begins late would be taken for the next one's.
    ///
    /// # Errors
    /// The portal's problem, if that is why there was no file: a script that gets a login page instead of an
    /// address stays silent, or shows it.
    async fn leave(&mut self, place: &ListingPage, staging: &StagingDir) -> Result<(), AttemptError> {
        let left = PageSnapshot::take(self.opener.page, &self.context.recipe, place.shown_on()).await?;
        let shown = classify(&self.context.recipe, &place.url, &left.look);
        if shown.is_trouble() && !shown.is_redirected() {
            self.opener.require(shown, &format!("an attachment of {}", place.what)).await?;
        }
        self.reopen(place, staging).await
    }

    /// Opens the page again when a click has left it; `#` leaves nothing.
    async fn come_back(&mut self, place: &ListingPage, staging: &StagingDir) -> Result<(), AttemptError> {
        let now = self.opener.page.url().await?;
        if now.strip_suffix('#').unwrap_or(&now) == self.shown_at.strip_suffix('#').unwrap_or(&self.shown_at) {
            return Ok(());
        }
        self.reopen(place, staging).await
    }

    /// Opens the page again, unless there is no time left for anything on it.
    async fn reopen(&mut self, place: &ListingPage, staging: &StagingDir) -> Result<(), AttemptError> {
        if self.budget.is_over(Instant::now()) {
            return Ok(());
        }
        self.opener.page.set_download_dir(staging.path()).await?;
        self.open(place).await.map(drop)
    }

    /// How large the next file may be, and by which setting.
    fn room(&self) -> (u64, &'static str) {
        self.context.room(&self.draft.receipt)
    }
}
