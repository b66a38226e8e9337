//! The walk of one order in frames: its page is read, the addresses of its files are caught, and they come by HTTP. The
//! same steps as in the tab (`site::order::collect`), with the same rules; what they do not settle at once is left to it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use futures_util::StreamExt;
use tokio::time::Instant;
use url::Url;

use super::files::{AddressedFile, FileClient, HttpFile, no_file, of_download};
use super::host::{Frame, FrameOpener};
use super::messages::{Catch, CaughtAddress, FrameNews, FramePage};
use super::reason::TabReason;
use crate::backend::{Attempt, AttemptError};
use crate::download::{OrderDir, StagingDir};
use crate::model::{FailureKind, FileOrigin, FileRecord, ListingId, Receipt};
use crate::site::context::PortalContext;
use crate::site::error;
use crate::site::lane::learned::Learned;
use crate::site::order::budget::TimeBudget;
use crate::site::order::collect::MAX_REQUISITIONS;
use crate::site::order::draft::ReceiptDraft;
use crate::site::order::fetch::{AttachmentFetch, Brought, FetchResult};
use crate::site::order::open::{ListingPage, OpenedPage, check_number};
use crate::site::order::requisitions::{RequisitionLink, Requisitions, is_named};
use crate::site::page::classify::{PageKind, classify, describe};
use crate::site::page::emptiness;
use crate::site::page::identity::ShownOn;
use crate::site::page::identity::listed::ListedAttachment;
use crate::site::page::readiness::Reading;
use crate::site::page::snapshot::PageSnapshot;

/// So many buttons are clicked before their files are fetched: addresses may be good for seconds only.
const CLICKED_AHEAD: usize = 8;

/// How a walk ended that did not bring the whole order.
#[derive(Debug)]
pub(crate) enum WalkEnd {
    /// The tab lane is to judge.
    ToTab(TabReason),
    /// The portal asked for a login.
    LoginInDoubt,
    /// No frame was opened for it, and nothing else was tried.
    NotOpened(AttemptError),
    /// The attempt ends with this.
    Failed(AttemptError),
}

impl WalkEnd {
    /// The run, or the attempt's time, is over.
    pub(crate) fn interrupted() -> Self {
        let why = "the run was stopped before the order was finished";
        Self::Failed(AttemptError::new(FailureKind::Interrupted, why))
    }
}

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
    shared: WalkContext<'a>,
    attempt: &'a Attempt,
    budget: TimeBudget,
    draft: ReceiptDraft,
    seen: BTreeSet<ListingId>,
    requisitions: Requisitions,
}

/// Where files go.
#[derive(Clone, Copy)]
struct Destination<'a> {
    staging: &'a StagingDir,
    folder: &'a OrderDir,
}

/// A page that lists attachments, read in a frame.
struct PageInFrame {
    frame: Frame,
    place: ListingPage,
    snapshot: PageSnapshot,
}

impl<'a> FrameWalk<'a> {
    /// The walk of an attempt that began at `begun`.
    pub(crate) fn new(shared: WalkContext<'a>, attempt: &'a Attempt, begun: Instant) -> Self {
        let context = shared.context;
        let url = context.order_page(&attempt.order.po).to_string();
        Self {
            budget: TimeBudget::new(begun, context.deadlines.attempt),
            draft: ReceiptDraft::new(&attempt.order.po, url, context.filter.to_string()),
            shared,
            attempt,
            seen: BTreeSet::new(),
            requisitions: Requisitions::default(),
        }
    }

    /// Fetches the order. Of a walk that does not bring all of it, the receipt says what is in its folder.
    pub(crate) async fn collect(mut self) -> Result<Receipt, (WalkEnd, Receipt)> {
        let ended = self.run().await;
        match ended {
            Ok(()) => Ok(self.draft.receipt),
            Err(end) => Err((end, self.draft.receipt)),
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
    async fn news(&self, frame: &mut Frame) -> Result<FrameNews, WalkEnd> {
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
            let failed = failed.first().map(|request| format!("its request for {} failed", request.path));
            let control = control.as_ref().map(crate::site::page::readiness::controls::FoundControl::doubt);
            if let Some(doubt) = failed.or(control).or_else(|| emptiness::doubt(&signs, &context.recipe)) {
                return Err(WalkEnd::ToTab(TabReason::Empty(doubt)));
            }
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
        let new: Vec<_> = page.snapshot.attachments.iter().enumerate();
        let new: Vec<_> = new.filter(|(_, listed)| self.seen.insert(listed.id.clone())).map(|(at, _)| at).collect();
        let new_count = new.len();
        self.draft.receipt.listed_count += listed_count.max(new_count);
        self.draft.receipt.repeated_count += listed_count.saturating_sub(new_count);
        self.fetch_each(page, new, to).await
    }

    /// Fetches those of a page's attachments that are at `new`.
    async fn fetch_each(&mut self, page: PageInFrame, new: Vec<usize>, to: Destination<'_>) -> Result<(), WalkEnd> {
        let PageInFrame { frame, place, snapshot } = page;
        let (context, brought) = (self.shared.context, BTreeSet::new());
        let fetch = AttachmentFetch {
            context,
            attempt: self.attempt,
            staging: to.staging,
            folder: to.folder,
            origin: place.origin,
            max_bytes: self.room(),
            // the tab lane may have to try again
            until: self.budget.until(Instant::now(), true),
            page_url: &place.url,
            brought: &brought,
        };
        let mut wanted = VecDeque::new();
        for (at, listed) in new.into_iter().filter_map(|at| Some((at, snapshot.attachments.get(at)?))) {
            match fetch.known(listed).await.map_err(|why| of_download(why, listed))? {
                Some(FetchResult::LeftOut(reason)) => self.draft.leave_out(listed, place.origin, reason),
                Some(FetchResult::Placed { record, .. }) => self.draft.keep(record),
                None => wanted.push_back((at, listed)),
            }
        }
        let most_clicks = if context.pace.is_limited() { 1 } else { CLICKED_AHEAD };
        let mut frame = Some(frame);
        while !wanted.is_empty() {
            let mut some = Vec::new();
            while let Some((at, listed)) = wanted.pop_front() {
                some.push((at, listed));
                if some.iter().filter(|(_, listed)| listed.address.is_none()).count() >= most_clicks {
                    break;
                }
            }
            let files = self.addresses(frame.as_mut(), &fetch, &snapshot, some).await?;
            if wanted.iter().all(|(_, listed)| listed.address.is_some()) {
                frame = None; // its page has told all
            }
            self.bring(&fetch, &place, files).await?;
        }
        let is_in_doubt = |listed: &ListedAttachment| {
            let of_it = |file: &&FileRecord| file.listings.contains(&listed.id) && file.listings.len() > 1;
            listed.key.is_by_place() && self.draft.receipt.files.iter().any(|file| of_it(&file))
        };
        match snapshot.attachments.iter().find(|listed| is_in_doubt(listed)) {
            // the page may have moved one to the other's place
            Some(listed) => Err(no_file(listed, "others of its name brought the same bytes")),
            None => Ok(()),
        }
    }

    /// Where the files of these attachments are. Buttons are clicked for it.
    async fn addresses(
        &self,
        frame: Option<&mut Frame>,
        fetch: &AttachmentFetch<'_>,
        snapshot: &PageSnapshot,
        wanted: Vec<(usize, &ListedAttachment)>,
    ) -> Result<Vec<AddressedFile>, WalkEnd> {
        let mut clicks = Vec::new();
        for (key, listed) in wanted.iter().filter(|(_, listed)| listed.address.is_none()) {
            // before its address is made, which may be good for seconds only
            fetch.wait_for_turn(listed).await.map_err(|why| of_download(why, listed))?;
            clicks.push(Catch { key: *key, css: listed.css.clone(), nth: listed.nth });
        }
        let mut caught = match frame {
            Some(frame) if !clicks.is_empty() => self.catch(frame, fetch, snapshot, clicks).await?,
            _ => BTreeMap::new(),
        };
        let address = |(key, listed): (usize, &ListedAttachment)| {
            let (address, is_caught) = match &listed.address {
                Some(address) => (Url::parse(address).ok(), false),
                None => (caught.remove(&key), true),
            };
            let address = address.filter(|url| matches!(url.scheme(), "http" | "https"));
            let address = address.ok_or_else(|| uncaught(listed, "it is no web address"))?;
            Ok(AddressedFile { listed: listed.clone(), address, is_caught })
        };
        wanted.into_iter().map(address).collect()
    }

    /// Clicks buttons, and looks at the page once more: whatever has newly appeared counts.
    async fn catch(
        &self,
        frame: &mut Frame,
        fetch: &AttachmentFetch<'_>,
        snapshot: &PageSnapshot,
        clicks: Vec<Catch>,
    ) -> Result<BTreeMap<usize, Url>, WalkEnd> {
        let mut open: BTreeSet<usize> = clicks.iter().map(|click| click.key).collect();
        let mut addresses = BTreeMap::new();
        frame.catch(clicks);
        loop {
            match self.news(frame).await? {
                FrameNews::Caught { key, caught } if open.remove(&key) => {
                    let Some(listed) = snapshot.attachments.get(key) else { continue };
                    let CaughtAddress::Address { url } = &caught else {
                        return Err(uncaught(listed, &format!("{caught:?}")));
                    };
                    let address = Url::parse(url).map_err(|_invalid| uncaught(listed, "it is no address"))?;
                    addresses.insert(key, address);
                }
                FrameNews::Looked { found } if open.is_empty() => {
                    let place = ShownOn { origin: fetch.origin, url: fetch.page_url };
                    let recipe = &self.shared.context.recipe;
                    let now = PageSnapshot::read(recipe, place, found, snapshot.look.evidence.clone());
                    let keys = |page: &PageSnapshot| page.attachments.iter().map(|file| file.key.clone()).collect::<Vec<_>>();
                    let is_same = keys(&now) == keys(snapshot);
                    return if is_same { Ok(addresses) } else { Err(WalkEnd::ToTab(TabReason::Changed)) };
                }
                other => return Err(out_of_order(&other)),
            }
        }
    }

    /// Fetches files side by side, and places them in the order of their page.
    async fn bring(
        &mut self,
        fetch: &AttachmentFetch<'_>,
        place: &ListingPage,
        files: Vec<AddressedFile>,
    ) -> Result<(), WalkEnd> {
        let client = self.shared.files.clone();
        let transfers = files.iter().map(|file| async { (file, client.fetch(fetch, file).await) });
        // the slots of the order say how many of them are under way
        let mut transfers = futures_util::stream::iter(transfers).buffered(files.len().max(1));
        let mut first_end = None;
        while let Some((file, result)) = transfers.next().await {
            let listed = &file.listed;
            let end = match result {
                Ok(HttpFile::LeftOut(reason)) => {
                    self.draft.leave_out(listed, place.origin, reason);
                    None
                }
                Ok(HttpFile::Brought(brought)) => self.place(fetch, listed, *brought).await.err(),
                Err(end) => Some(end),
            };
            match (end, &first_end) {
                (Some(WalkEnd::Failed(error)), None) => {
                    self.draft.miss(listed, place, &error);
                    first_end = Some(WalkEnd::Failed(error));
                }
                (Some(_), Some(WalkEnd::Failed(error))) => self.draft.not_tried(listed, place, error),
                (Some(end), None) => first_end = Some(end),
                _ => {}
            }
        }
        first_end.map_or(Ok(()), Err)
    }

    async fn place(
        &mut self,
        fetch: &AttachmentFetch<'_>,
        listed: &ListedAttachment,
        brought: Brought,
    ) -> Result<(), WalkEnd> {
        if brought.verified.size > self.room().0 {
            return Err(no_file(listed, "the files of the order are larger than order_max_size allows"));
        }
        let placed = fetch.place(listed, brought).await.map_err(|why| of_download(why, listed))?;
        if let FetchResult::Placed { record, .. } = placed {
            self.draft.keep(record);
        }
        Ok(())
    }

    /// How large the next file may be, and by which setting.
    fn room(&self) -> (u64, &'static str) {
        self.shared.context.room(&self.draft.receipt)
    }
}

fn uncaught(listed: &ListedAttachment, why: &str) -> WalkEnd {
    WalkEnd::ToTab(TabReason::Uncaught(format!("{} ({why})", listed.label)))
}

/// News that end a walk, or that nobody waits for at this point.
fn out_of_order(news: &FrameNews) -> WalkEnd {
    WalkEnd::ToTab(match news {
        FrameNews::Moved => TabReason::Moved,
        FrameNews::Denied => TabReason::Denied,
        FrameNews::Broken { why } | FrameNews::Unsettled { why, .. } => TabReason::Unreadable(why.clone()),
        FrameNews::Settled { .. } | FrameNews::Caught { .. } | FrameNews::Looked { .. } => {
            TabReason::Unreadable("news out of order".to_owned())
        }
    })
}
