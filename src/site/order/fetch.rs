//! How one attachment becomes a file in its order's folder.

use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use crate::backend::{Attempt, Click, Initiator, Page, SessionError};
use crate::download::{
    DownloadError, DownloadLimits, LoginSigns, OrderDir, StagingDir, TransferLimits, VerifyRules, await_arrival,
    candidate_names, extension, verify,
};
use crate::model::{FileOrigin, FileRecord};
use crate::site::context::PortalContext;
use crate::site::page::classify::{is_same_host, without_query};
use crate::site::page::responses::is_login;
use crate::site::page::snapshot::{ListedAttachment, ListingKey, PageSnapshot};

/// How often an element is looked for that was replaced between the look and the click.
const MAX_CLICKS: usize = 3;

/// How often a link is followed that gave not a byte, and gives the file when asked why.
const MAX_REFUSALS: usize = 2;

/// Asks for a file as a script does, and lets go of it as soon as it is answered. What the answer is stands among the
/// page's answers.
const ASK_WHY: &str = "const asked = new AbortController(); setTimeout(() => asked.abort(), 5000); \
    return fetch(arguments[0], { mode: 'no-cors', credentials: 'include', cache: 'no-store', signal: asked.signal }) \
    .then(() => { asked.abort(); return true; }).catch(() => false)";

/// The setting of the largest attachment that is wanted.
const MAX_SIZE: &str = "max_size";

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
}

/// What became of an attachment.
pub(crate) enum FetchResult {
    Placed(FileRecord),
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
        let label = Some(listed.label.as_str()).filter(|label| !label.is_empty());
        if let Some(reason) = self.context.filter.refuses(label, extension(&listed.label).as_deref()) {
            return Ok(FetchResult::LeftOut(reason));
        }
        if self.attempt.cancel.is_cancelled() {
            return Err(DownloadError::Interrupted);
        }
        if let Some(record) = self.had(listed).await {
            return Ok(FetchResult::Placed(record));
        }
        self.context.pace.turn(&self.attempt.cancel).await;
        if self.attempt.cancel.is_cancelled() {
            return Err(DownloadError::Interrupted);
        }
        let how = match &listed.key {
            ListingKey::Link(address) => {
                // or a page could make a login's browser fetch anything
                self.may_come_from(address).map_err(|host| DownloadError::NotFollowed { host })?;
                Click::Save
            }
            ListingKey::Button(..) => Click::Script,
        };
        // news of earlier downloads is not this one's
        page.download_events().await?;
        page.responses().await?;
        for _ in 0..MAX_REFUSALS {
            if !self.click(page, listed, how).await? {
                return Err(DownloadError::Vanished);
            }
            match (self.bring(page, listed).await, &listed.key) {
                (Err(DownloadError::Refused), ListingKey::Link(address)) => {
                    self.ask_why(page, address).await?;
                }
                (brought, _) => return brought,
            }
        }
        Err(DownloadError::Refused)
    }

    /// Asks why a link gave not a byte: browsers tell nothing of answers to links that they save. One request, and only
    /// after a refusal.
    ///
    /// # Errors
    /// What the portal answers; `Refused` when that could not be learnt. None when it would give the file now.
    async fn ask_why(&self, page: &mut dyn Page, address: &str) -> Result<(), DownloadError> {
        page.responses().await?;
        let asked = page.evaluate(ASK_WHY, vec![Value::from(address)]).await?;
        let answers = page.responses().await?;
        tracing::debug!(po = %self.attempt.order.po, %asked, "asked why a file was refused");
        let calls = answers.into_iter().filter(|answer| answer.initiator == Initiator::Script);
        // a redirect leads elsewhere, and other scripts ask as well: the last answer from where the file may come from
        let of_it = without_query(address);
        let calls: Vec<_> = calls.filter(|answer| self.may_come_from(&answer.url).is_ok()).collect();
        let answer = calls.iter().find(|answer| answer.url == of_it).or(calls.last()).cloned();
        match answer {
            Some(answer) if answer.status >= 400 => {
                Err(DownloadError::Answered { status: answer.status, retry_after: answer.retry_after })
            }
            Some(_) => Ok(()),
            None => Err(DownloadError::Refused),
        }
    }

    /// The file that an earlier attempt brought, if it still lies in the order's folder as it was placed.
    async fn had(&self, listed: &ListedAttachment) -> Option<FileRecord> {
        let earlier = self.attempt.have.iter().find(|file| file.listings.contains(&listed.id))?;
        let record = self.folder.find(earlier).await?;
        tracing::debug!(po = %self.attempt.order.po, path = record.path, "an earlier attempt has brought it");
        Some(FileRecord { listings: vec![listed.id.clone()], ..record })
    }

    /// How large it may be, and the setting that says so.
    fn most_bytes(&self) -> (u64, &'static str) {
        match self.context.filter.max_size {
            Some(size) if size.as_u64() < self.max_bytes.0 => (size.as_u64(), MAX_SIZE),
            _ => self.max_bytes,
        }
    }

    async fn bring(&self, page: &mut dyn Page, listed: &ListedAttachment) -> Result<FetchResult, DownloadError> {
        let bounds = DownloadLimits {
            transfer: TransferLimits {
                patience: self.context.deadlines.download,
                max_bytes: self.most_bytes(),
                min_rate: self.context.download_min_rate.as_u64(),
                until: self.until,
            },
            may_come_from: &|address| self.may_come_from(address),
            is_login: &|address| is_login(address, &self.context.recipe, &self.context.base),
        };
        let arrived = match await_arrival(page, self.staging.path(), &bounds, &self.attempt.cancel).await {
            // a browser cuts a download on a full disk, too, and does not say so
            Err(cut @ (DownloadError::Cut | DownloadError::Refused)) => {
                self.staging.check_writable().await?;
                return Err(cut);
            }
            Err(DownloadError::TooLarge { limit, setting: MAX_SIZE }) => {
                return Ok(FetchResult::LeftOut(format!("it is larger than {limit} bytes")));
            }
            other => other?,
        };
        let names = candidate_names(&listed.label, &arrived.suggested, &arrived.url);
        let recipe = &self.context.recipe;
        let login = LoginSigns { markers: &recipe.login.file_markers, paths: &recipe.address.login_paths };
        let rules = VerifyRules { login, strict_types: self.context.strict_types };
        let verified = verify(&arrived, names, rules).await?;
        self.context.count_arrival();
        if let Some(found) = &verified.mismatch {
            let (po, name) = (&self.attempt.order.po, &verified.name);
            tracing::warn!(%po, name, "the attachment {name} is {found}, not what its name says: kept as the portal has it");
        }
        // a label without an ending told nothing; the name that the file gets does, or it is of no type
        let ending = extension(&verified.name).unwrap_or_else(|| "none".to_owned());
        if let Some(reason) = self.context.filter.refuses(Some(&verified.name), Some(&ending)) {
            return Ok(FetchResult::LeftOut(reason)); // it goes with its landing folder
        }
        let record = self.folder.place(verified, self.origin, listed.id.clone()).await?;
        tracing::debug!(po = %self.attempt.order.po, path = record.path, size = record.size, "placed a file");
        Ok(FetchResult::Placed(record))
    }

    /// Clicks the attachment where it is now: pages replace their elements.
    async fn click(&self, page: &mut dyn Page, listed: &ListedAttachment, how: Click) -> Result<bool, SessionError> {
        for _ in 0..MAX_CLICKS {
            let now = PageSnapshot::attachments_of(page, &self.context.recipe, self.origin).await?;
            let Some(now) = now.iter().find(|now| now.key == listed.key) else { return Ok(false) };
            if page.click(&now.css, now.nth, how).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether an attachment may come from there; the error names the host, or what stands in its place.
    fn may_come_from(&self, address: &str) -> Result<(), String> {
        // a page's own script may have made the file: its bytes are in the page already
        let inner = address.strip_prefix("blob:").unwrap_or(address);
        let Ok(url) = Url::parse(inner) else { return Err("no address at all".to_owned()) };
        let is_allowed = |host: &str| self.context.recipe.address.allowed_hosts.iter().any(|allowed| allowed == host);
        match (url.scheme(), url.host_str()) {
            ("http" | "https", _) if is_same_host(&url, &self.context.base) => Ok(()),
            ("https", Some(host)) if is_allowed(host) => Ok(()),
            ("http" | "https", Some(host)) => Err(host.to_owned()),
            (scheme, _) => Err(format!("an address that begins with {}:", without_query(scheme))),
        }
    }
}
