//! The walk of one order: open its page, understand it, fetch what it lists, look at its requisition, say what is
//! there.

use std::collections::BTreeSet;

use tokio::time::{Instant, timeout_at};

use super::open::{ListingPage, OpenedPage};
use super::requisitions::{RequisitionLink, Requisitions, is_of};
use super::turns::{Destination, FileTurns};
use crate::backend::{Attempt, AttemptError, Page};
use crate::config::RequisitionRule;
use crate::download::{OrderDir, StagingDir, extension};
use crate::model::{FailureKind, FileOrigin, ListingId, Receipt};
use crate::site::context::PortalContext;
use crate::site::error;
use crate::site::login::SharedLogin;
use crate::site::page::classify::{PageKind, classify, without_query};
use crate::site::page::readiness::Awaited;
use crate::site::page::snapshot::PageSnapshot;

/// How often a page is looked at again for attachments that have newly appeared: a page that grows for ever must not
/// keep a worker for ever.
const MAX_ROUNDS: usize = 4;

/// So many requisitions of an order are followed.
const MAX_REQUISITIONS: usize = 50;

/// One walk.
pub(crate) struct OrderCollector<'a> {
    context: &'a PortalContext,
    attempt: &'a Attempt,
    turns: FileTurns<'a>,
    seen: BTreeSet<ListingId>,
    requisitions: Requisitions,
    /// Why there may be more than was listed, for when all that was listed has been seen to.
    open_question: Option<AttemptError>,
}

impl<'a> OrderCollector<'a> {
    pub(crate) fn new(
        context: &'a PortalContext,
        login: &'a SharedLogin,
        page: &'a mut dyn Page,
        attempt: &'a Attempt,
    ) -> Self {
        let turns = FileTurns::new(context, login, page, attempt);
        Self {
            context,
            attempt,
            turns,
            seen: BTreeSet::new(),
            requisitions: Requisitions::default(),
            open_question: None,
        }
    }

    /// Fetches the order. Ends by itself before the attempt's deadline, with a receipt: a command that is under way then is
    /// dropped, and with it the session.
    pub(crate) async fn collect(mut self) -> Result<Receipt, AttemptError> {
        let ended = timeout_at(self.turns.budget.last(), self.run()).await;
        let ended = ended.unwrap_or_else(|_elapsed| Err(self.turns.opener.out_of_time()));
        let error = match ended {
            Ok(()) => match self.turns.draft.shortfall() {
                None => return Ok(self.turns.draft.receipt),
                Some(error) => error,
            },
            Err(error) => error,
        };
        let receipt = self.turns.draft.conclude(&error);
        Err(AttemptError { receipt: Some(Box::new(receipt)), ..error })
    }

    async fn run(&mut self) -> Result<(), AttemptError> {
        self.turns.opener.check_cancelled().map_err(error::of_failure)?;
        let attempt = self.attempt;
        let po = &attempt.order.po;
        let staging = StagingDir::open(&self.context.out).await.map_err(error::of_download)?;
        let (url, what) = (self.context.order_page(po), format!("order {po}"));
        let place = ListingPage { url, origin: FileOrigin::Order, po: po.clone(), what };
        self.turns.opener.page.set_download_dir(staging.path()).await?;
        let opened = self.turns.open(&place).await?;
        let supplier = opened.snapshot.supplier.clone();
        let folder = OrderDir::open(&self.context.out, supplier.as_deref(), po).await.map_err(error::of_download)?;
        self.turns.draft.receipt.supplier = supplier;
        self.turns.draft.receipt.folder = folder.relative();
        let to = Destination { staging: &staging, folder: &folder };
        let fetched = self.fetch_pages(&place, opened, to).await;
        self.turns.draft.receipt.folder = folder.relative();
        fetched
    }

    async fn fetch_pages(
        &mut self,
        place: &ListingPage,
        opened: OpenedPage,
        to: Destination<'_>,
    ) -> Result<(), AttemptError> {
        self.requisitions.add(&opened.snapshot, &self.context.base, &self.context.recipe);
        self.turns.are_pages_left =
            !self.requisitions.pages.is_empty() && self.context.requisition != RequisitionRule::Never;
        self.fetch_all(place, opened, to).await?;
        if self.wants_requisition() {
            self.walk_requisitions(to).await?;
        }
        self.turns.are_pages_left = false;
        self.turns.fetch_postponed(to).await?;
        self.open_question.take().map_or(Ok(()), Err)
    }

    /// Fetches what `opened` lists, then what has newly appeared, and takes note of how much was listed.
    async fn fetch_all(
        &mut self,
        place: &ListingPage,
        mut opened: OpenedPage,
        to: Destination<'_>,
    ) -> Result<(), AttemptError> {
        if let Some(doubt) = opened.doubt.take() {
            self.leave_open(error::of_failure(doubt));
        }
        self.turns.draft.begin_page();
        self.fetch_rounds(place, opened, to).await
    }

    async fn fetch_rounds(
        &mut self,
        place: &ListingPage,
        opened: OpenedPage,
        to: Destination<'_>,
    ) -> Result<(), AttemptError> {
        let seen_before = self.seen.len();
        let mut most_listed = 0;
        let OpenedPage { mut snapshot, mut awaited, mut unlisted, .. } = opened;
        self.name_others(&mut snapshot, place);
        for _ in 0..MAX_ROUNDS {
            if place.origin == FileOrigin::Order {
                self.requisitions.add(&snapshot, &self.context.base, &self.context.recipe);
            }
            most_listed = most_listed.max(snapshot.listed_count);
            let new: Vec<_> =
                snapshot.attachments.iter().filter(|listed| !self.seen.contains(&listed.id)).cloned().collect();
            self.seen.extend(new.iter().map(|listed| listed.id.clone()));
            self.turns.draft.count_listed(most_listed, self.seen.len() - seen_before);
            // a request that is still pending was waited for as long as a page may take
            let is_final = awaited.as_ref().is_none_or(Awaited::is_final);
            if new.is_empty() && (is_final || self.turns.budget.is_over(Instant::now())) {
                break;
            }
            if new.is_empty() {
                OpenedPage { snapshot, awaited, unlisted, .. } = self.turns.opener.look_again(place).await?;
            } else {
                self.turns.fetch_each(place, new, to).await?;
                snapshot = PageSnapshot::take(self.turns.opener.page, &self.context.recipe, place.shown_on()).await?;
            }
            let mut shown = classify(&self.context.recipe, &place.url, &snapshot.look);
            if shown.is_redirected() {
                // by a link to somewhere else, or since the login has ended: the order's own page tells
                OpenedPage { snapshot, awaited, unlisted, .. } = self.turns.open(place).await?;
                shown = PageKind::Wanted;
            }
            if shown.is_trouble() {
                // what was listed is there, but whether more would be listed now cannot be seen
                shown.require(&place.what).map_err(error::of_failure)?;
            } else if shown != PageKind::Wanted {
                snapshot.attachments.clear(); // the last click has led away; all that the page listed has been seen to
                break;
            }
            self.turns.opener.check_number(&snapshot, place)?;
            self.name_others(&mut snapshot, place);
        }
        if snapshot.attachments.iter().any(|listed| !self.seen.contains(&listed.id)) {
            return Err(AttemptError::new(
                FailureKind::StepTimeout,
                format!("the page of {} lists more attachments each time it is read", place.what),
            ));
        }
        if let Some(unlisted) = unlisted {
            self.turns.draft.miss_unlisted(place, &unlisted);
        }
        // one that is always in motion, and the same each time, has been read
        if let Some(awaited) = awaited.filter(|awaited| *awaited != Awaited::Change) {
            let message = format!("the list on the page of {} may be incomplete: {awaited}", place.what);
            self.leave_open(AttemptError::new(awaited.kind(), message));
        }
        Ok(())
    }

    /// Records attachments that are not files.
    fn name_others(&mut self, snapshot: &mut PageSnapshot, place: &ListingPage) {
        for other in std::mem::take(&mut snapshot.others) {
            self.turns.draft.name_other(other, place);
        }
    }

    fn wants_requisition(&self) -> bool {
        // the files that the order lists count, wanted or not: it is the order that has nothing, and not the filter
        let mut names = self.turns.draft.file_names();
        match self.context.requisition {
            RequisitionRule::Never => false,
            RequisitionRule::WhenEmpty => names.next().is_none(),
            RequisitionRule::WhenNoPdf => !names.any(|name| extension(name).as_deref() == Some("pdf")),
            RequisitionRule::Always => true,
        }
    }

    /// Fetches what the order's requisitions list.
    async fn walk_requisitions(&mut self, to: Destination<'_>) -> Result<(), AttemptError> {
        let has_own = self.turns.draft.receipt.listed_count > 0;
        let Requisitions { mut pages, outside } = std::mem::take(&mut self.requisitions);
        if let Some(address) = outside.first() {
            let shown = without_query(address);
            self.leave_open(AttemptError::new(
                FailureKind::PageChanged,
                format!("the address of the order's requisition is outside the portal ({shown}) and is not followed"),
            ));
        }
        if pages.len() > MAX_REQUISITIONS {
            let message =
                format!("the order links to {} requisitions, of which {MAX_REQUISITIONS} are followed", pages.len());
            self.leave_open(AttemptError::new(FailureKind::PageChanged, message));
            pages.truncate(MAX_REQUISITIONS);
        }
        let mut pages = pages.into_iter();
        while let Some(link) = pages.next() {
            self.turns.are_pages_left = pages.len() > 0;
            let Err(error) = self.walk_requisition(&link, to).await else { continue };
            match error.kind {
                // it may well be another order's
                FailureKind::AccessDenied | FailureKind::OrderMissing | FailureKind::PageChanged if link.is_mention => {
                    tracing::debug!(po = %self.attempt.order.po, reason = %error, "a mentioned requisition cannot be seen");
                }
                FailureKind::AccessDenied | FailureKind::OrderMissing => {
                    let has = if has_own {
                        "more attachments may be on its requisition, but"
                    } else {
                        "the order has no attachments of its own, and"
                    };
                    self.leave_open(AttemptError::new(FailureKind::RequisitionDenied, format!("{has} {error}")));
                }
                // the others may be as they should be
                FailureKind::PageChanged | FailureKind::StepTimeout => self.leave_open(error),
                _ => return Err(error),
            }
        }
        Ok(())
    }

    async fn walk_requisition(&mut self, link: &RequisitionLink, to: Destination<'_>) -> Result<(), AttemptError> {
        let po = &self.attempt.order.po;
        let what = format!("the requisition of order {po}");
        let place = ListingPage { url: link.url.clone(), origin: FileOrigin::Requisition, po: po.clone(), what };
        let opened = self.turns.open(&place).await?;
        if !is_of(self.turns.opener.page, &opened.snapshot, link, po, self.context).await? {
            let (orders, path) = (opened.snapshot.numbers.join(", "), place.url.path());
            if link.is_mention {
                tracing::warn!(%po, path, orders, "a requisition of other orders is left out");
                return Ok(());
            }
            return Err(AttemptError::new(
                FailureKind::PageChanged,
                format!(
                    "order {po} links to {path} as its requisition, which names another order, {orders}, so its files \
                     are not taken: if it does not belong to the order, add a selector for that link to order.mentions \
                     or order.aside in the recipe; if it does, change requisition.orders"
                ),
            ));
        }
        self.fetch_all(&place, opened, to).await
    }

    /// Notes why there may be more than was listed. The first reason counts.
    fn leave_open(&mut self, question: AttemptError) {
        self.open_question.get_or_insert(question);
    }
}
