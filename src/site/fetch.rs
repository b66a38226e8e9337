//! How one attachment becomes a file in its order's folder.

use url::Url;

use super::classify::{is_same_host, without_query};
use super::ground::Ground;
use super::sight::{Key, Listed, Sight};
use super::trouble;
use crate::download::{Bounds, DownloadError, Landing, OrderFolder, await_arrival, choose_names, extension, verify};
use crate::model::{Failure, FailureKind, FileOrigin, FileRecord};
use crate::ports::{Attempt, Click, Page, SessionError};

/// How often an element is looked for that was replaced between the look and the click.
const MAX_CLICKS: usize = 3;

/// The setting of the largest attachment that is wanted.
const MAX_SIZE: &str = "max_size";

/// Where an attachment is fetched from and to.
pub(super) struct Fetching<'a> {
    pub(super) ground: &'a Ground,
    pub(super) attempt: &'a Attempt,
    pub(super) landing: &'a Landing,
    pub(super) folder: &'a OrderFolder,
    pub(super) origin: FileOrigin,
    /// How large it may be, and the setting that says so.
    pub(super) max_bytes: (u64, &'static str),
}

/// What became of an attachment.
pub(super) enum Fetched {
    Placed(FileRecord),
    /// It is not wanted; the reason says why.
    LeftOut(String),
}

impl Fetching<'_> {
    /// Clicks, waits, verifies, places; leaves out what is not wanted as early as that can be told.
    pub(super) async fn fetch(&self, page: &mut dyn Page, listed: &Listed) -> Result<Fetched, Failure> {
        let label = Some(listed.label.as_str()).filter(|label| !label.is_empty());
        if let Some(reason) = self.ground.filter.refuses(label, extension(&listed.label).as_deref()) {
            return Ok(Fetched::LeftOut(reason));
        }
        if self.attempt.cancel.is_cancelled() {
            return Err(trouble::of_file(DownloadError::Interrupted));
        }
        if let Some(record) = self.had(listed).await {
            return Ok(Fetched::Placed(record));
        }
        self.ground.pace.turn(&self.attempt.cancel).await;
        if self.attempt.cancel.is_cancelled() {
            return Err(trouble::of_file(DownloadError::Interrupted));
        }
        let how = match &listed.key {
            Key::Link(address) => {
                self.check_address(address)?;
                Click::Save
            }
            Key::Button(..) => Click::Script,
        };
        // news of earlier downloads is not this one's
        page.download_events().await.map_err(of_session)?;
        if !self.click(page, listed, how).await.map_err(of_session)? {
            return Err(Failure::new(
                FailureKind::DownloadStalled,
                "the page listed it and then no longer showed it: it is looked for again",
            ));
        }
        self.bring(page, listed).await.map_err(trouble::of_file)
    }

    /// The file that an earlier attempt brought, if it still lies in the order's folder as it was placed.
    async fn had(&self, listed: &Listed) -> Option<FileRecord> {
        let earlier = self.attempt.have.iter().find(|file| file.listings.contains(&listed.id))?;
        let record = self.folder.find(earlier).await?;
        tracing::debug!(po = %self.attempt.order.po, path = record.path, "an earlier attempt has brought it");
        Some(FileRecord { listings: vec![listed.id.clone()], ..record })
    }

    /// How large it may be, and the setting that says so.
    fn most_bytes(&self) -> (u64, &'static str) {
        match self.ground.filter.max_size {
            Some(size) if size.as_u64() < self.max_bytes.0 => (size.as_u64(), MAX_SIZE),
            _ => self.max_bytes,
        }
    }

    async fn bring(&self, page: &mut dyn Page, listed: &Listed) -> Result<Fetched, DownloadError> {
        let bounds = Bounds {
            patience: self.ground.deadlines.download,
            max_bytes: self.most_bytes(),
            may_come_from: &|address| self.may_come_from(address),
        };
        let arrived = match await_arrival(page, self.landing.path(), &bounds, &self.attempt.cancel).await {
            // a browser cuts a download on a full disk, too, and does not say so
            Err(DownloadError::Cut) => {
                self.landing.check_writable().await?;
                return Err(DownloadError::Cut);
            }
            Err(DownloadError::TooLarge { limit, setting: MAX_SIZE }) => {
                return Ok(Fetched::LeftOut(format!("it is larger than {limit} bytes")));
            }
            other => other?,
        };
        let names = choose_names(&listed.label, &arrived.suggested, &arrived.url);
        let verified = verify(&arrived, names, &self.ground.recipe.login.file_markers).await?;
        // a label without an ending told nothing; the name that the file gets does, or it is of no type
        let ending = extension(&verified.name).unwrap_or_else(|| "none".to_owned());
        if let Some(reason) = self.ground.filter.refuses(Some(&verified.name), Some(&ending)) {
            return Ok(Fetched::LeftOut(reason)); // it goes with its landing folder
        }
        let record = self.folder.place(verified, self.origin, listed.id.clone()).await?;
        tracing::debug!(po = %self.attempt.order.po, path = record.path, size = record.size, "placed a file");
        Ok(Fetched::Placed(record))
    }

    /// Clicks the attachment where it is now: pages replace their elements.
    async fn click(&self, page: &mut dyn Page, listed: &Listed, how: Click) -> Result<bool, SessionError> {
        for _ in 0..MAX_CLICKS {
            let now = Sight::attachments_of(page, &self.ground.recipe, self.origin).await?;
            let Some(now) = now.iter().find(|now| now.key == listed.key) else { return Ok(false) };
            if page.click(&now.css, now.nth, how).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A link is followed on the portal and on hosts that the recipe allows, or a page could make a login's browser
    /// fetch anything.
    fn check_address(&self, address: &str) -> Result<(), Failure> {
        self.may_come_from(address).map_err(|host| {
            Failure::new(
                FailureKind::AccessDenied,
                format!(
                    "its link leads to {host}, outside the portal, and was not followed: if it may be, add the host to \
                     address.allowed_hosts in the site recipe"
                ),
            )
        })
    }

    /// Whether an attachment may come from there; the error names the host, or what stands in its place.
    fn may_come_from(&self, address: &str) -> Result<(), String> {
        // a page's own script may have made the file: its bytes are in the page already
        let inner = address.strip_prefix("blob:").unwrap_or(address);
        let Ok(url) = Url::parse(inner) else { return Err("no address at all".to_owned()) };
        let is_allowed = |host: &str| self.ground.recipe.address.allowed_hosts.iter().any(|allowed| allowed == host);
        match (url.scheme(), url.host_str()) {
            ("http" | "https", _) if is_same_host(&url, &self.ground.base) => Ok(()),
            ("https", Some(host)) if is_allowed(host) => Ok(()),
            ("http" | "https", Some(host)) => Err(host.to_owned()),
            (scheme, _) => Err(format!("an address that begins with {}:", without_query(scheme))),
        }
    }
}

fn of_session(error: SessionError) -> Failure {
    trouble::of_file(DownloadError::Session(error))
}
