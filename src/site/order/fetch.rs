//! How one attachment becomes a file in its order's folder.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::ways::effect::{ClickEffect, ClickOutlook};
use super::ways::{self, Way, millis};
use crate::backend::{Attempt, Click, DownloadEvent, Initiator, Page, SessionError};
use crate::download::{
    DownloadError, DownloadLimits, FinishedDownload, OrderDir, Outlook, StagingDir, TransferLimits, Verified,
    VerifyRules, await_arrival, candidate_names, extension, verify,
};
use crate::model::{FileOrigin, FileRecord};
use crate::site::context::PortalContext;
use crate::site::page::classify::without_query;
use crate::site::page::identity::ShownOn;
use crate::site::page::identity::listed::ListedAttachment;
use crate::site::page::responses::is_login;
use crate::site::page::snapshot::PageSnapshot;

/// How often an element is looked for that was replaced between the look and the click.
const MAX_CLICKS: usize = 3;

/// How often a link is followed that gave not a byte, and gives the file when asked why.
const MAX_REFUSALS: usize = 2;

/// Asks for a file as a script does, and drops it as soon as it is answered. The answer is among the
/// page's answers.
const ASK_WHY: &str = "const asked = new AbortController(); setTimeout(() => asked.abort(), arguments[1]); \
    return fetch(arguments[0], { mode: 'no-cors', credentials: 'include', cache: 'no-store', signal: asked.signal }) \
    .then(() => { asked.abort(); return true; }).catch(() => false)";

/// How long what the browser shows may take to come from its memory, before it is asked for again.
const KEPT_WITHIN: Duration = Duration::from_secs(10);

/// How long that answer is waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The setting of the largest attachment that is wanted.
pub(crate) const MAX_SIZE: &str = "max_size";

/// Where an attachment is fetched from and to.
pub(crate) struct AttachmentFetch<'a> {
    pub(crate) context: &'a PortalContext,
    pub(crate) attempt: &'a Attempt,
    pub(crate) staging: &'a StagingDir,
    pub(crate) folder: &'a OrderDir,
    pub(crate) origin: FileOrigin,
    /// How large it may be, and the setting that says so.
    pub(crate) max_bytes: (u64, &'static str),
    /// When it must be complete.
    pub(crate) until: Instant,
    /// The page that lists it.
    pub(crate) page_url: &'a Url,
    /// Where the attempt's other files came from.
    pub(crate) brought: &'a BTreeSet<String>,
}

/// A file that came.
pub(crate) struct Brought {
    pub(crate) verified: Verified,
    /// Where it came from.
    pub(crate) address: String,
    /// Whether the element was the one that was marked, or needs no mark.
    pub(crate) is_certain: bool,
}

/// What became of one way.
enum WayEnd {
    Brought(Box<Brought>),
    LeftOut(String),
}

/// What became of an attachment.
pub(crate) enum FetchResult {
    Placed {
        record: FileRecord,
        /// Whether it is certain that it is the file of this listing, and not that of another one of the same name.
        is_certain: bool,
        /// Where it came from, if it came now.
        address: Option<String>,
    },
    /// It is not wanted; the reason says why.
    LeftOut(String),
}

impl AttachmentFetch<'_> {
    /// Clicks, waits, verifies, places; leaves out what is not wanted as early as that can be told.
    pub(crate) async fn fetch(
        &self,
        page: &mut dyn Page,
        listed: &ListedAttachment,
    ) -> Result<FetchResult, DownloadError> {
        if let Some(known) = self.known(listed).await? {
            return Ok(known);
        }
        self.wait_for_turn(listed).await?;
        let mut ways = VecDeque::from(Way::known(listed));
        let mut held = None;
        let mut first_error = None;
        while let Some(way) = ways.pop_front() {
            tracing::debug!(po = %self.attempt.order.po, listing = listed.label, way = way.name(), "fetching");
            let error = match self.go(page, listed, &way).await {
                Ok(WayEnd::LeftOut(reason)) => return Ok(FetchResult::LeftOut(reason)),
                Ok(WayEnd::Brought(brought)) if is_doubtful(&brought, &way) && !ways.is_empty() => {
                    held.get_or_insert(brought);
                    continue;
                }
                Ok(WayEnd::Brought(brought)) => return self.place(listed, *brought).await,
                Err(error) => error,
            };
            if !ways::is_for_next_way(&error, &way) {
                return Err(error);
            }
            if let (Way::Click(_), DownloadError::NotStarted { .. }) = (&way, &error) {
                let effect = ClickEffect::read(page, &self.context.recipe).await?;
                if let Some(said) = effect.said.clone() {
                    first_error.get_or_insert(DownloadError::Said { said });
                }
                // a handler that shows a link's file elsewhere, or nothing at all
                if listed.is_link && listed.address.is_some() && !effect.is_left {
                    ways.push_back(Way::Address);
                }
                let is_allowed = |address: &str| self.context.may_come_from(address).is_ok();
                ways.extend(effect.ways(&listed.label, &self.context.recipe, is_allowed));
            }
            tracing::debug!(po = %self.attempt.order.po, listing = listed.label, %error, "an attempt at a file failed");
            if first_error.as_ref().is_none_or(is_vague) {
                first_error = Some(error);
            }
        }
        match (held, first_error) {
            (Some(brought), _) => self.place(listed, *brought).await,
            (None, error) => Err(error.unwrap_or(DownloadError::Vanished)),
        }
    }

    /// What becomes of the attachment without a request: it is not wanted, or an earlier attempt has brought it.
    pub(crate) async fn known(&self, listed: &ListedAttachment) -> Result<Option<FetchResult>, DownloadError> {
        let label = Some(listed.label.as_str()).filter(|label| !label.is_empty());
        if let Some(reason) = self.context.filter.refuses(label, extension(&listed.label).as_deref()) {
            return Ok(Some(FetchResult::LeftOut(reason)));
        }
        if self.attempt.cancel.is_cancelled() {
            return Err(DownloadError::Interrupted);
        }
        let had = self.had(listed).await;
        Ok(had.map(|record| FetchResult::Placed { record, is_certain: true, address: None }))
    }

    /// Waits until the portal may be asked for it, if it may be asked there at all.
    pub(crate) async fn wait_for_turn(&self, listed: &ListedAttachment) -> Result<(), DownloadError> {
        self.context.pace.turn(&self.attempt.cancel).await;
        if self.attempt.cancel.is_cancelled() {
            return Err(DownloadError::Interrupted);
        }
        if let (Some(address), true) = (&listed.address, listed.is_link) {
            // or a page could make a login's browser fetch anything
            self.context.may_come_from(address).map_err(|host| DownloadError::NotFollowed { host })?;
        }
        Ok(())
    }

    /// One way, from the first request to a verified file in the staging folder.
    async fn go(&self, page: &mut dyn Page, listed: &ListedAttachment, way: &Way) -> Result<WayEnd, DownloadError> {
        for _ in 0..MAX_REFUSALS {
            // news of earlier downloads is not this one's, and nobody waits for what has begun late
            for event in page.download_events().await? {
                if let DownloadEvent::Started { id, .. } = event {
                    page.cancel_download(&id).await?;
                }
            }
            page.responses().await?;
            let Some(now) = self.set_off(page, listed, way).await? else { return Err(DownloadError::Vanished) };
            let address = match way {
                Way::Click(Click::Save) | Way::Address => now.address.clone(),
                Way::Click(Click::Script) | Way::Shown(_) => None,
                Way::Preview(address) | Way::Guess(address) => Some(address.clone()),
            };
            match (self.bring(page, listed, way).await, address) {
                (Err(DownloadError::Refused), Some(address)) => self.ask_why(page, &address).await?,
                (Ok(Ok((verified, address))), _) => {
                    let is_certain = !listed.key.is_by_place() || now.is_marked;
                    return Ok(WayEnd::Brought(Box::new(Brought { verified, address, is_certain })));
                }
                (Ok(Err(reason)), _) => return Ok(WayEnd::LeftOut(reason)),
                (Err(error), _) => return Err(error),
            }
        }
        Err(DownloadError::Refused)
    }

    /// Does what a download is to follow, and tells what the page shows of the attachment now; none if it shows it no
    /// longer.
    async fn set_off(
        &self,
        page: &mut dyn Page,
        listed: &ListedAttachment,
        way: &Way,
    ) -> Result<Option<ListedAttachment>, DownloadError> {
        match way {
            Way::Click(how) => Ok(self.click(page, listed, *how).await?),
            Way::Address => {
                let now = self.find(page, listed).await?.unwrap_or_else(|| listed.clone());
                let address = now.address.as_deref().unwrap_or_default();
                self.context.may_come_from(address).map_err(|host| DownloadError::NotFollowed { host })?;
                ways::save(page, address).await?;
                Ok(Some(now))
            }
            Way::Preview(address) | Way::Guess(address) => {
                ways::save(page, address).await?;
                Ok(Some(listed.clone()))
            }
            Way::Shown(address) => {
                ways::save_shown(page, address, self.context.within_script(KEPT_WITHIN)).await?;
                Ok(Some(listed.clone()))
            }
        }
    }

    /// Asks why a link gave not a byte: browsers tell nothing of answers to links that they save. One request, and only
    /// after a refusal.
    ///
    /// # Errors
    /// What the portal answers; `Refused` when that could not be learnt. None when it would give the file now.
    async fn ask_why(&self, page: &mut dyn Page, address: &str) -> Result<(), DownloadError> {
        page.responses().await?;
        let limit = self.context.within_script(ANSWER_WITHIN);
        let asked = page.evaluate(ASK_WHY, vec![Value::from(address), millis(limit)]).await?;
        let answers = page.responses().await?;
        tracing::debug!(po = %self.attempt.order.po, %asked, "checked why a file was refused");
        let calls = answers.into_iter().filter(|answer| answer.initiator == Initiator::Script);
        // a redirect leads elsewhere, and other scripts ask as well: the last answer from where the file may come from
        let of_it = without_query(address);
        let calls: Vec<_> = calls.filter(|answer| self.context.may_come_from(&answer.url).is_ok()).collect();
        let answer = calls.iter().find(|answer| answer.url == of_it).or(calls.last()).cloned();
        match answer {
            Some(answer) if answer.status >= 400 => {
                Err(DownloadError::Answered { status: answer.status, retry_after: answer.retry_after })
            }
            Some(_) => Ok(()),
            None => Err(DownloadError::Refused),
        }
    }

    /// The file that an earlier attempt brought, if it is still in the order's folder as it was placed.
    async fn had(&self, listed: &ListedAttachment) -> Option<FileRecord> {
        if listed.key.is_by_place() {
            return None; // another time the place may be that of another file
        }
        let earlier = self.attempt.have.iter().find(|file| file.listings.contains(&listed.id))?;
        let record = self.folder.find(earlier).await?;
        tracing::debug!(po = %self.attempt.order.po, path = record.path, "an earlier attempt has fetched it");
        Some(FileRecord { listings: vec![listed.id.clone()], ..record })
    }

    /// How large it may be, and the setting that says so.
    fn most_bytes(&self) -> (u64, &'static str) {
        match self.context.filter.max_size {
            Some(size) if size.as_u64() < self.max_bytes.0 => (size.as_u64(), MAX_SIZE),
            _ => self.max_bytes,
        }
    }

    /// What a transfer of it may take.
    pub(crate) fn limits(&self) -> TransferLimits {
        TransferLimits {
            patience: self.context.deadlines.download,
            max_bytes: self.most_bytes(),
            min_rate: self.context.download_min_rate.as_u64(),
            until: self.until,
        }
    }

    /// Waits for the file, verifies it and tells where it came from, or says why it is not wanted.
    async fn bring(
        &self,
        page: &mut dyn Page,
        listed: &ListedAttachment,
        way: &Way,
    ) -> Result<Result<(Verified, String), String>, DownloadError> {
        let bounds = DownloadLimits {
            transfer: self.limits(),
            may_come_from: &|address| self.context.may_come_from(address),
            is_login: &|address| is_login(address, &self.context.recipe, &self.context.base),
        };
        // only a link with an address tells that it leads elsewhere: the forms of several buttons may well be sent to one address
        let is_of_another = |address: &str| {
            let own = listed.address.as_deref().filter(|_| listed.is_link);
            own.is_some_and(|own| own != address) && self.brought.contains(address)
        };
        let mut outlook = ClickOutlook::new(&self.context.recipe, &is_of_another);
        let outlook = matches!(way, Way::Click(_)).then_some(&mut outlook as &mut dyn Outlook);
        let arrived = match await_arrival(page, self.staging.path(), &bounds, outlook, &self.attempt.cancel).await {
            // a browser cuts a download on a full disk, too, and does not say so
            Err(cut @ (DownloadError::Cut | DownloadError::Refused)) => {
                self.staging.check_writable().await?;
                return Err(cut);
            }
            Err(DownloadError::TooLarge { limit, setting: MAX_SIZE }) => {
                return Ok(Err(format!("it is larger than {limit} bytes")));
            }
            other => other?,
        };
        let verified = self.accept(listed, &arrived, way).await?;
        Ok(verified.map(|verified| (verified, arrived.url)))
    }

    /// Verifies what has arrived, or says why it is not wanted: it goes with its landing folder.
    pub(crate) async fn accept(
        &self,
        listed: &ListedAttachment,
        arrived: &FinishedDownload,
        way: &Way,
    ) -> Result<Result<Verified, String>, DownloadError> {
        if matches!(way, Way::Address) && without_query(&arrived.url) == without_query(self.page_url.as_str()) {
            return Err(DownloadError::LedBack);
        }
        let names = candidate_names(&listed.label, &arrived.suggested, &arrived.url);
        let login = self.context.login_signs();
        // what does not name the file must at least be of its type
        let strict_types = self.context.strict_types || matches!(way, Way::Guess(_));
        let verified = verify(arrived, names, VerifyRules { login, strict_types }).await?;
        self.context.count_arrival();
        if let Some(found) = &verified.mismatch {
            let (po, name) = (&self.attempt.order.po, &verified.name);
            tracing::warn!(%po, name, "the attachment {name} is {found}, which does not match its name: kept as the \
                                       portal sent it");
        }
        // a label without an ending told nothing; the name that the file gets does, or it is of no type
        let ending = extension(&verified.name).unwrap_or_else(|| "none".to_owned());
        if let Some(reason) = self.context.filter.refuses(Some(&verified.name), Some(&ending)) {
            return Ok(Err(reason)); // removed with its staging folder
        }
        Ok(Ok(verified))
    }

    pub(crate) async fn place(
        &self,
        listed: &ListedAttachment,
        brought: Brought,
    ) -> Result<FetchResult, DownloadError> {
        let Brought { verified, address, is_certain } = brought;
        let record = self.folder.place(verified, self.origin, listed.id.clone()).await?;
        tracing::debug!(po = %self.attempt.order.po, path = record.path, size = record.size, "placed a file");
        Ok(FetchResult::Placed { record, is_certain, address: Some(address) })
    }

    /// Where the page shows the attachment now: pages replace their elements.
    async fn find(
        &self,
        page: &mut dyn Page,
        listed: &ListedAttachment,
    ) -> Result<Option<ListedAttachment>, SessionError> {
        let shown_on = ShownOn { origin: self.origin, url: self.page_url };
        let now = PageSnapshot::attachments_of(page, &self.context.recipe, shown_on).await?;
        Ok(now.into_iter().find(|now| now.key == listed.key))
    }

    /// Clicks the attachment where it is now.
    async fn click(
        &self,
        page: &mut dyn Page,
        listed: &ListedAttachment,
        how: Click,
    ) -> Result<Option<ListedAttachment>, SessionError> {
        for _ in 0..MAX_CLICKS {
            let Some(now) = self.find(page, listed).await? else { return Ok(None) };
            if page.click(&now.css, now.nth, how).await? {
                return Ok(Some(now));
            }
        }
        Ok(None)
    }
}

/// Whether an error says little.
fn is_vague(error: &DownloadError) -> bool {
    matches!(error, DownloadError::NotStarted { .. } | DownloadError::Vanished)
}

/// Whether a file may be something else than the attachment: its address stood in the page, and it is not what its name says.
pub(crate) fn is_doubtful(brought: &Brought, way: &Way) -> bool {
    matches!(way, Way::Address | Way::Preview(_)) && brought.verified.mismatch.is_some()
}
