//! The walk of one order: open its page, understand it, fetch what it lists, look at its requisition, say what is there.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use crate::site::order::open::{ListingPage, OpenedPage, PageOpener};

use super::fetch::{AttachmentFetch, FetchResult};
use crate::backend::{Attempt, AttemptError, Page};
use crate::config::RequisitionRule;
use crate::download::{OrderDir, StagingDir, extension, opaque_id};
use crate::model::{ExcludedFile, Failure, FailureKind, Fault, FileOrigin, ListingId, MissingFile, Receipt};
use crate::site::context::PortalContext;
use crate::site::error;
use crate::site::page::classify::{PageKind, classify, is_same_host, without_query};
use crate::site::page::readiness::Awaited;
use crate::site::page::snapshot::{ListedAttachment, PageSnapshot};
use crate::site::page::unlisted::Unlisted;

/// How often a page is looked at again for attachments that have newly appeared: a page that grows for ever must not
/// keep a worker for ever.
const MAX_ROUNDS: usize = 4;

/// One walk.
pub(crate) struct OrderCollector<'a> {
    context: &'a PortalContext,
    attempt: &'a Attempt,
    opener: PageOpener<'a>,
    seen: BTreeSet<ListingId>,
    receipt: Receipt,
}

impl<'a> OrderCollector<'a> {
    pub(crate) fn new(context: &'a PortalContext, page: &'a mut dyn Page, attempt: &'a Attempt) -> Self {
        // also of an order whose page never comes, or is not understood: that is the one that people want to look at
        let url = context.order_page(&attempt.order.po).to_string();
        let receipt = Receipt { url, filter: context.filter.to_string(), ..Receipt::default() };
        let opener = PageOpener::new(context, page, &attempt.cancel);
        Self { context, attempt, opener, seen: BTreeSet::new(), receipt }
    }

    /// Fetches the order.
    pub(crate) async fn collect(mut self) -> Result<Receipt, AttemptError> {
        let ended = self.run().await;
        let receipt = self.receipt;
        let error = match ended {
            Ok(()) => match shortfall(&receipt) {
                None => return Ok(receipt),
                Some(error) => error,
            },
            Err(error) => error,
        };
        Err(AttemptError { receipt: Some(receipt), ..error })
    }

    async fn run(&mut self) -> Result<(), AttemptError> {
        self.opener.check_cancelled().map_err(error::of_failure)?;
        let attempt = self.attempt;
        let po = &attempt.order.po;
        let staging = StagingDir::open(&self.context.out).await.map_err(error::of_download)?;
        let place =
            ListingPage { url: self.context.order_page(po), origin: FileOrigin::Order, what: format!("order {po}") };
        self.opener.page.set_download_dir(staging.path()).await?;
        let opened = self.opener.open(&place).await?;
        let supplier = opened.snapshot.supplier.clone();
        let folder = OrderDir::open(&self.context.out, supplier.as_deref(), po).await.map_err(error::of_download)?;
        self.receipt.supplier = supplier;
        self.receipt.folder = folder.relative();
        let (requisition, doubt) = (opened.snapshot.requisition.clone(), opened.doubt.clone());
        let fetched = self.fetch_all(&place, opened, &staging, &folder).await;
        self.receipt.folder = folder.relative();
        fetched?;
        if let Some(address) = requisition
            && self.wants_requisition()
        {
            let fetched = self.walk_requisition(&address, &staging, &folder).await;
            self.receipt.folder = folder.relative();
            fetched?;
        }
        // what its requisition has was fetched all the same
        doubt.map_or(Ok(()), Err).map_err(error::of_failure)
    }

    /// Fetches what `opened` lists, then what has newly appeared, and takes note of how much was listed.
    async fn fetch_all(
        &mut self,
        place: &ListingPage,
        opened: OpenedPage,
        staging: &StagingDir,
        folder: &OrderDir,
    ) -> Result<(), AttemptError> {
        let seen_before = self.seen.len();
        let mut most_listed = 0;
        let fetched = self.fetch_rounds(place, opened, staging, folder, &mut most_listed).await;
        let new_count = self.seen.len() - seen_before;
        self.receipt.listed_count += most_listed.max(new_count);
        self.receipt.repeated_count += most_listed.saturating_sub(new_count);
        fetched
    }

    async fn fetch_rounds(
        &mut self,
        place: &ListingPage,
        opened: OpenedPage,
        staging: &StagingDir,
        folder: &OrderDir,
        most_listed: &mut usize,
    ) -> Result<(), AttemptError> {
        let OpenedPage { mut snapshot, mut awaited, mut unlisted, .. } = opened;
        for _ in 0..MAX_ROUNDS {
            *most_listed = (*most_listed).max(snapshot.listed_count);
            let new: Vec<_> =
                snapshot.attachments.iter().filter(|listed| !self.seen.contains(&listed.id)).cloned().collect();
            // a request that is still pending was waited for as long as a page may take
            if new.is_empty() && matches!(awaited, None | Some(Awaited::Requests(_))) {
                break;
            }
            self.seen.extend(new.iter().map(|listed| listed.id.clone()));
            if new.is_empty() {
                OpenedPage { snapshot, awaited, unlisted, .. } = self.opener.look_again(place).await?;
            } else {
                self.fetch_each(place, new, staging, folder).await?;
                snapshot = PageSnapshot::take(self.opener.page, &self.context.recipe, place.origin).await?;
            }
            let mut shown = classify(&self.context.recipe, &place.url, &snapshot.look);
            if shown.is_redirected() {
                // by a link to somewhere else, or since the login has ended: the order's own page tells
                OpenedPage { snapshot, awaited, unlisted, .. } = self.opener.open(place).await?;
                shown = PageKind::Wanted;
            }
            if shown.is_trouble() {
                // what was listed is there, but whether more would be listed now cannot be seen
                shown.require(&place.what).map_err(error::of_failure)?;
            } else if shown != PageKind::Wanted {
                snapshot.attachments.clear(); // the last click has led away; all that the page listed has been seen to
                break;
            }
        }
        if snapshot.attachments.iter().any(|listed| !self.seen.contains(&listed.id)) {
            return Err(AttemptError::new(
                FailureKind::StepTimeout,
                format!("the page of {} lists more attachments each time it is looked at", place.what),
            ));
        }
        if let Some(unlisted) = unlisted {
            self.miss_unlisted(place, &unlisted);
        }
        match awaited {
            // always in motion, and the same each time
            None | Some(Awaited::Change) => Ok(()),
            Some(awaited) => Err(AttemptError::new(
                FailureKind::StepTimeout,
                format!("the page of {} may list more, since {awaited}", place.what),
            )),
        }
    }

    /// Takes note of what the page has and does not list.
    fn miss_unlisted(&mut self, place: &ListingPage, unlisted: &Unlisted) {
        let Unlisted { count, why, kind } = unlisted;
        let name = if *count == 1 { "1 more attachment".to_owned() } else { format!("{count} more attachments") };
        tracing::warn!(po = %self.attempt.order.po, name, reason = why, "the list of a page is not whole");
        let failure = Failure::new(*kind, format!("{why}: open {} in a browser", without_query(place.url.as_str())));
        let listing = opaque_id(&format!("unlisted {:?} {why}", place.origin));
        self.receipt.listed_count += count;
        self.receipt.missing.push(MissingFile { name, listing, source: place.origin, failure });
    }

    async fn fetch_each(
        &mut self,
        place: &ListingPage,
        new: Vec<ListedAttachment>,
        staging: &StagingDir,
        folder: &OrderDir,
    ) -> Result<(), AttemptError> {
        let mut rest = new.into_iter();
        while let Some(listed) = rest.next() {
            let fetching = AttachmentFetch {
                context: self.context,
                attempt: self.attempt,
                staging,
                folder,
                origin: place.origin,
                max_bytes: self.room(),
            };
            let error = match fetching.fetch(self.opener.page, &listed).await {
                Ok(FetchResult::Placed(record)) => {
                    self.keep(record);
                    continue;
                }
                Ok(FetchResult::LeftOut(reason)) => {
                    self.leave_out(&listed, place.origin, reason);
                    continue;
                }
                Err(error) => self.opener.slowed_by(error),
            };
            let failure = error.to_failure();
            let mut stop = (failure.kind.fault() != Fault::Task).then_some(error);
            if failure.kind == FailureKind::DownloadStalled {
                stop = self.leave(place, staging).await.err();
            } else if stop.is_none() {
                stop = self.come_back(place, staging).await.err();
            }
            self.miss(&listed, place.origin, failure);
            if let Some(error) = stop {
                for listed in rest.by_ref() {
                    self.miss(
                        &listed,
                        place.origin,
                        Failure::new(error.kind, "not tried: the attempt ended before it"),
                    );
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Leaves the page after a click that no download followed: one that begins late would be taken for the next one's.
    ///
    /// # Errors
    /// What the portal's trouble is, if that is why there was none: a script that gets a login page instead of an
    /// address stays silent, or shows it.
    async fn leave(&mut self, place: &ListingPage, staging: &StagingDir) -> Result<(), AttemptError> {
        let left = PageSnapshot::take(self.opener.page, &self.context.recipe, place.origin).await?;
        let shown = classify(&self.context.recipe, &place.url, &left.look);
        if shown.is_trouble() && !shown.is_redirected() {
            self.opener.require(shown, &format!("an attachment of {}", place.what)).await?;
        }
        self.reopen(place, staging).await
    }

    /// Opens the page again when a click has led out of the portal, or to where the browser does not go.
    async fn come_back(&mut self, place: &ListingPage, staging: &StagingDir) -> Result<(), AttemptError> {
        let shown = self.opener.page.url().await?;
        match Url::parse(&shown) {
            Ok(shown) if is_same_host(&shown, &self.context.base) => Ok(()),
            Ok(_) | Err(_) => self.reopen(place, staging).await,
        }
    }

    async fn reopen(&mut self, place: &ListingPage, staging: &StagingDir) -> Result<(), AttemptError> {
        self.opener.page.set_download_dir(staging.path()).await?;
        self.opener.open(place).await.map(drop)
    }

    /// How large the next file may be, and by which setting.
    fn room(&self) -> (u64, &'static str) {
        let there: u64 = self.receipt.files.iter().map(|file| file.size).sum();
        let left = self.context.order_max.as_u64().saturating_sub(there);
        let file_max = self.context.file_max.as_u64();
        if left < file_max { (left, "order_max_size") } else { (file_max, "file_max_size") }
    }

    fn keep(&mut self, record: crate::model::FileRecord) {
        // two attachments with one name and the same bytes are one file
        match self.receipt.files.iter_mut().find(|file| file.path == record.path) {
            Some(file) => file.listings.extend(record.listings),
            None => self.receipt.files.push(record),
        }
    }

    fn leave_out(&mut self, listed: &ListedAttachment, source: FileOrigin, reason: String) {
        let (name, listing) = (listed.label.clone(), listed.id.clone());
        tracing::debug!(po = %self.attempt.order.po, name, reason, "an attachment is left out");
        self.receipt.left_out.push(ExcludedFile { name, listing, source, reason });
    }

    fn miss(&mut self, listed: &ListedAttachment, source: FileOrigin, failure: Failure) {
        let name = if listed.label.is_empty() { "an attachment without a name" } else { &listed.label };
        tracing::warn!(po = %self.attempt.order.po, name, kind = %failure.kind, reason = %failure.message, "an attachment is missing");
        let (name, listing) = (name.to_owned(), listed.id.clone());
        self.receipt.missing.push(MissingFile { name, listing, source, failure });
    }

    fn wants_requisition(&self) -> bool {
        // what the order lists counts, wanted or not: it is the order that has nothing, and not the filter
        let Receipt { files, missing, left_out, .. } = &self.receipt;
        let names = files.iter().map(|file| &file.name).chain(missing.iter().map(|missing| &missing.name));
        let mut names = names.chain(left_out.iter().map(|file| &file.name));
        match self.context.requisition {
            RequisitionRule::Never => false,
            RequisitionRule::WhenEmpty => names.next().is_none(),
            RequisitionRule::WhenNoPdf => !names.any(|name| extension(name).as_deref() == Some("pdf")),
            RequisitionRule::Always => true,
        }
    }

    async fn walk_requisition(
        &mut self,
        address: &str,
        staging: &StagingDir,
        folder: &OrderDir,
    ) -> Result<(), AttemptError> {
        let has_files = self.receipt.listed_count > 0;
        let what = format!("the requisition of order {}", self.attempt.order.po);
        let url = match Url::parse(address) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && is_same_host(&url, &self.context.base) => url,
            _ => {
                let shown = without_query(address);
                return Err(AttemptError::new(
                    FailureKind::PageChanged,
                    format!(
                        "the order's requisition has an address outside the portal ({shown}), which is not followed"
                    ),
                ));
            }
        };
        let place = ListingPage { url, origin: FileOrigin::Requisition, what };
        let opened = match self.opener.open(&place).await {
            Ok(opened) => opened,
            Err(error) if matches!(error.kind, FailureKind::AccessDenied | FailureKind::OrderMissing) => {
                if has_files {
                    tracing::warn!(po = %self.attempt.order.po, reason = %error, "the requisition was not looked at");
                    return Ok(());
                }
                let message = format!("the order has no attachments, and {error}");
                return Err(AttemptError::new(FailureKind::RequisitionDenied, message));
            }
            Err(error) => return Err(error),
        };
        let doubt = opened.doubt.clone();
        self.fetch_all(&place, opened, staging, folder).await?;
        doubt.map_or(Ok(()), Err).map_err(error::of_failure)
    }
}

/// What is missing, as the attempt's error. Of several kinds the one that another try may mend decides.
fn shortfall(receipt: &Receipt) -> Option<AttemptError> {
    let may_mend = |missing: &&MissingFile| {
        matches!(missing.failure.kind, FailureKind::DownloadStalled | FailureKind::DownloadCorrupt)
    };
    let worst = receipt.missing.iter().find(may_mend).or(receipt.missing.first())?;
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for missing in &receipt.missing {
        by_reason.entry(&missing.failure.message).or_default().push(&missing.name);
    }
    let reasons: Vec<_> = by_reason.iter().map(|(reason, names)| format!("{}: {reason}", names.join(", "))).collect();
    let total = receipt.missing.len() + receipt.files.len();
    let message = format!("{} of {total} attachments are missing ({})", receipt.missing.len(), reasons.join("; "));
    Some(AttemptError::new(worst.failure.kind, message))
}
