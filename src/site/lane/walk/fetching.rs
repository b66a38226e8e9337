//! The files of one page of an order: their addresses are caught in its frame, and they are fetched, verified and placed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;
use url::Url;

use super::files::{AddressedFile, HttpFile, no_file, of_download};
use super::order::{Destination, FrameWalk, PageInFrame, out_of_order};
use super::reason::{TabReason, WalkEnd};
use crate::model::FileRecord;
use crate::site::lane::frames::host::Frame;
use crate::site::lane::frames::messages::{Catch, CaughtAddress, FrameNews};
use crate::site::order::fetch::{AttachmentFetch, Brought, FetchResult};
use crate::site::order::open::ListingPage;
use crate::site::page::identity::ShownOn;
use crate::site::page::identity::listed::ListedAttachment;
use crate::site::page::snapshot::PageSnapshot;

/// So many buttons are clicked before their files are fetched: addresses may be good for seconds only.
const CLICKED_AHEAD: usize = 8;

impl FrameWalk<'_> {
    /// Fetches those of a page's attachments that are at `new`.
    pub(crate) async fn fetch_each(
        &mut self,
        page: PageInFrame,
        new: Vec<usize>,
        to: Destination<'_>,
    ) -> Result<(), WalkEnd> {
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
        for at in new {
            let Some(listed) = snapshot.attachments.get(at) else { continue };
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
        for (key, listed) in &wanted {
            if listed.address.is_some() {
                continue;
            }
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
                    let keys =
                        |page: &PageSnapshot| page.attachments.iter().map(|file| file.key.clone()).collect::<Vec<_>>();
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
        let client = &self.shared.files.clone();
        // the slots of the order say how many of them are under way
        let mut transfers = FuturesOrdered::new();
        for file in &files {
            let transfer = async move { (file, client.fetch(fetch, file).await) };
            transfers.push_back(transfer.boxed());
        }
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
            self.draft.receipt.folder = fetch.folder.relative();
            self.attempt.interim.set(self.draft.interim());
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
