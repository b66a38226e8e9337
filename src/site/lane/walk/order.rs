//! The walk of one order in frames: its page is read, the addresses of its files are caught, and they come by HTTP. The
//! same steps as in the tab (`site::order::collect`), with the same rules; what they do not settle at once is left to it.

use std::collections::BTreeSet;

use super::files::FileClient;
use super::reason::{TabReason, Unfinished, WalkEnd};
use crate::backend::{Attempt, BoxFuture};
use crate::download::{OrderDir, StagingDir};
use crate::model::{FileOrigin, ListingId, Receipt};
use crate::site::context::PortalContext;
use crate::site::error;
use crate::site::lane::frames::host::{Frame, FrameOpener};
use crate::site::lane::frames::messages::{FrameNews, FramePage};
use crate::site::lane::learned::Learned;
use crate::site::order::budget::TimeBudget;
use crate::site::order::collect::MAX_REQUISITIONS;
use crate::site::order::draft::ReceiptDraft;
use crate::site::order::open::{ListingPage, OpenedPage, check_number};
use crate::site::order::requisitions::{RequisitionLink, Requisitions, is_named};
use crate::site::page::classify::{PageKind, classify, describe};
use crate::site::page::emptiness;
use crate::site::page::readiness::Reading;
use crate::site::page::snapshot::PageSnapshot;

/// What all walks of a lane share.
#[derive(Clone)]
pub(crate) struct WalkContext<'a> {
    pub(crate) context: &'a PortalContext,
    pub(crate) learned: &'a Learned,
    pub(crate) frames: FrameOpener,
    pub(crate) files: FileClient<'a>,
}

/// One walk.
pub(crate) struct FrameWalk<'a> {
    pub(crate) shared: WalkContext<'a>,
    pub(crate) attempt: &'a Attempt,
    pub(crate) budget: TimeBudget,
    pub(crate) draft: ReceiptDraft,
    seen: BTreeSet<ListingId>,
    requisitions: Requisitions,
}

/// Fetches the order of an attempt. Of a walk that does not bring all of it, the receipt says what is
/// in its folder.
pub(crate) fn collect<'a>(
    shared: WalkContext<'a>,
    attempt: &'a Attempt,
) -> BoxFuture<'a, Result<Receipt, Box<Unfinished>>> {
    Box::pin(FrameWalk::new(shared, attempt).collect())
}

/// Where files go.
#[derive(Clone, Copy)]
pub(crate) struct Destination<'a> {
    pub(crate) staging: &'a StagingDir,
    pub(crate) folder: &'a OrderDir,
}

/// A page that lists attachments, read in a frame.
pub(crate) struct PageInFrame {
    pub(crate) frame: Frame,
    pub(crate) place: ListingPage,
    pub(crate) snapshot: PageSnapshot,
}

impl<'a> FrameWalk<'a> {
    fn new(shared: WalkContext<'a>, attempt: &'a Attempt) -> Self {
        let context = shared.context;
        let url = context.order_page(&attempt.order.po).to_string();
        Self {
            budget: TimeBudget::new(attempt.begun, context.deadlines.attempt),
            draft: ReceiptDraft::new(&attempt.order.po, url, context.filter.to_string()),
            shared,
            attempt,
            seen: BTreeSet::new(),
            requisitions: Requisitions::default(),
        }
    }

    async fn collect(mut self) -> Result<Receipt, Box<Unfinished>> {
        let ended = self.run().await;
        match ended {
            Ok(()) => Ok(self.draft.receipt),
            Err(end) => {
                let receipt = match &end {
                    WalkEnd::Failed(error) => self.draft.conclude(error),
                    WalkEnd::ToTab(_) | WalkEnd::LoginInDoubt | WalkEnd::NotOpened(_) => self.draft.receipt,
                };
                Err(Box::new(Unfinished { end, receipt }))
            }
        }
    }

    async fn run(&mut self) -> Result<(), WalkEnd> {
        let (context, attempt) = (self.shared.context, self.attempt);
        let po = &attempt.order.po;
        let (url, what) = (context.order_page(po), format!("order {po}"));
        let page = self.open(ListingPage { url, origin: FileOrigin::Order, po: po.clone(), what }).await?;
        let supplier = page.snapshot.supplier.clone();
        let failed = |why| WalkEnd::Failed(error::of_download(why));
        let staging = StagingDir::open(&context.out).await.map_err(failed)?;
        let folder = OrderDir::open(&context.out, supplier.as_deref(), po).await.map_err(failed)?;
        self.draft.receipt.supplier = supplier;
        let to = Destination { staging: &staging, folder: &folder };
        let fetched = self.fetch_pages(page, to).await;
        self.draft.receipt.folder = folder.relative();
        fetched
    }

    async fn fetch_pages(&mut self, page: PageInFrame, to: Destination<'_>) -> Result<(), WalkEnd> {
        let context = self.shared.context;
        self.requisitions.add(&page.snapshot, &context.base, &context.recipe);
        self.fetch_page(page, to).await?;
        if self.draft.wants_requisition(context.requisition) {
            self.walk_requisitions(to).await?;
        }
        Ok(())
    }

    async fn walk_requisitions(&mut self, to: Destination<'_>) -> Result<(), WalkEnd> {
        let to_tab = |why: &str| WalkEnd::ToTab(TabReason::Requisition(why.to_owned()));
        let Requisitions { pages, outside } = std::mem::take(&mut self.requisitions);
        if !outside.is_empty() || pages.len() > MAX_REQUISITIONS {
            return Err(to_tab("there are more than can be followed"));
        }
        let po = &self.attempt.order.po;
        for RequisitionLink { url, is_mention } in pages {
            let link = RequisitionLink { url: url.clone(), is_mention };
            let what = format!("the requisition of order {po}");
            let page = self.open(ListingPage { url, origin: FileOrigin::Requisition, po: po.clone(), what }).await?;
            match is_named(&page.snapshot, &link, po, &self.shared.context.recipe) {
                Some(true) => self.fetch_page(page, to).await?,
                Some(false) if is_mention => tracing::warn!(%po, "a requisition of other orders is left out"),
                Some(false) => return Err(to_tab("it names another order")),
                None => return Err(to_tab("it does not say whose it is")),
            }
        }
        Ok(())
    }

    /// Opens a page in a frame and reads it, if it is the one that was asked for and shows all that it lists.
    async fn open(&mut self, place: ListingPage) -> Result<PageInFrame, WalkEnd> {
        let context = self.shared.context;
        context.pace.turn(&self.attempt.cancel).await;
        let mut frame = self.shared.frames.open(&place.url, place.origin);
        let page = match self.news(&mut frame).await? {
            FrameNews::Settled { page } => *page,
            FrameNews::Unsettled { why, waiting } => {
                self.shared.learned.note_waiting(self.attempt.task, &waiting);
                return Err(WalkEnd::ToTab(TabReason::Unsettled(why)));
            }
            FrameNews::Denied => return Err(WalkEnd::ToTab(TabReason::Denied)),
            other => return Err(out_of_order(&other)),
        };
        let snapshot = self.read(&place, page)?;
        self.shared.learned.note_shown();
        context.confirm_login();
        Ok(PageInFrame { frame, place, snapshot })
    }

    /// The next news of a frame.
    pub(crate) async fn news(&self, frame: &mut Frame) -> Result<FrameNews, WalkEnd> {
        tokio::select! {
            biased;
            () = self.attempt.cancel.cancelled() => Err(WalkEnd::interrupted()),
            news = frame.news() => match news {
                Some(Ok(news)) => Ok(news),
                Some(Err(why)) => Err(WalkEnd::NotOpened(why)),
                None => Err(WalkEnd::ToTab(TabReason::ConductorGone)),
            },
        }
    }

    /// What a page that has settled lists. Decides on data alone.
    fn read(&self, place: &ListingPage, page: FramePage) -> Result<PageSnapshot, WalkEnd> {
        let context = self.shared.context;
        let FramePage { document, found, signs, control, failed } = page;
        let snapshot = PageSnapshot::read(&context.recipe, place.shown_on(), found, document);
        let kind = classify(&context.recipe, &place.url, &snapshot.look);
        match kind {
            PageKind::Wanted => {}
            PageKind::Login | PageKind::Elsewhere(_) => return Err(WalkEnd::LoginInDoubt),
            PageKind::Throttled => {
                context.pace.slow_down();
                let throttled = kind.require(&place.what).map_err(error::of_failure);
                return Err(throttled.map_or_else(WalkEnd::Failed, |()| WalkEnd::ToTab(TabReason::Changed)));
            }
            PageKind::NotFound(_)
            | PageKind::NotAllowed(_)
            | PageKind::Down(_)
            | PageKind::Unreached(_)
            | PageKind::Unknown(_) => {
                return Err(WalkEnd::ToTab(TabReason::NotWanted(describe(&snapshot.look.evidence))));
            }
        }
        if check_number(&context.recipe, &snapshot, place).is_err() {
            return Err(WalkEnd::ToTab(TabReason::OtherNumber));
        }
        if let Some(mark) = &signs.busy {
            return Err(WalkEnd::ToTab(TabReason::Unsettled(format!("{mark} said that something was still to come"))));
        }
        if snapshot.attachments.is_empty() {
            // that there is nothing is the hardest verdict: the tab proves it, with all that HTTP said
            let failed = failed.first().map(|request| format!("its request for {} failed", request.path));
            let control = control.as_ref().map(crate::site::page::readiness::controls::FoundControl::doubt);
            let doubt = failed.or(control).or_else(|| emptiness::doubt(&signs, &context.recipe));
            let doubt = doubt.unwrap_or_else(|| "a frame does not prove that there is nothing".to_owned());
            return Err(WalkEnd::ToTab(TabReason::Empty(doubt)));
        }
        let reading = Reading { snapshot, kind: PageKind::Wanted, signs, failed, awaited: None };
        let OpenedPage { snapshot, unlisted, .. } = OpenedPage::new(reading, control, &context.recipe);
        match unlisted {
            Some(unlisted) => Err(WalkEnd::ToTab(TabReason::Unlisted(unlisted.why))),
            None => Ok(snapshot),
        }
    }

    /// Fetches what a page lists, and takes note of how much that is.
    async fn fetch_page(&mut self, mut page: PageInFrame, to: Destination<'_>) -> Result<(), WalkEnd> {
        for other in std::mem::take(&mut page.snapshot.others) {
            self.draft.name_other(other, &page.place);
        }
        let listed_count = page.snapshot.listed_count;
        let new = page.snapshot.attachments.iter().enumerate();
        let new: Vec<_> = new.filter(|(_, listed)| self.seen.insert(listed.id.clone())).collect();
        let listed: Vec<_> = new.iter().map(|(_, listed)| (*listed).clone()).collect();
        self.draft.expect(&listed, &page.place);
        let new: Vec<_> = new.into_iter().map(|(at, _)| at).collect();
        let new_count = new.len();
        self.draft.receipt.listed_count += listed_count.max(new_count);
        self.draft.receipt.repeated_count += listed_count.saturating_sub(new_count);
        self.fetch_each(page, new, to).await
    }
}

/// News that end a walk, or that nobody waits for at this point.
pub(crate) fn out_of_order(news: &FrameNews) -> WalkEnd {
    WalkEnd::ToTab(match news {
        FrameNews::Moved => TabReason::Moved,
        FrameNews::Denied => TabReason::Denied,
        FrameNews::Broken { why } | FrameNews::Unsettled { why, .. } => TabReason::Unreadable(why.clone()),
        FrameNews::Settled { .. } | FrameNews::Caught { .. } | FrameNews::Looked { .. } => {
            TabReason::Unreadable("news out of order".to_owned())
        }
    })
}
