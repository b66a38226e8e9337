//! How one attachment becomes a file in its order's folder.

use url::Url;

use super::classify::{is_same_host, without_query};
use super::sight::{Key, Listed, Sight};
use super::trouble;
use super::walk::Ground;
use crate::download::{DownloadError, Landing, OrderFolder, await_arrival, choose_names, verify};
use crate::model::{Failure, FailureKind, FileOrigin, FileRecord};
use crate::ports::{Attempt, Click, Page, SessionError};

/// How often an element is looked for that was replaced between the look and the click.
const MAX_CLICKS: usize = 3;

/// Where an attachment is fetched from and to.
pub(super) struct Fetching<'a> {
    pub(super) ground: &'a Ground,
    pub(super) attempt: &'a Attempt,
    pub(super) landing: &'a Landing,
    pub(super) folder: &'a OrderFolder,
    pub(super) origin: FileOrigin,
}

impl Fetching<'_> {
    /// Clicks, waits, verifies, places.
    pub(super) async fn fetch(&self, page: &mut dyn Page, listed: &Listed) -> Result<FileRecord, Failure> {
        if self.attempt.cancel.is_cancelled() {
            return Err(trouble::of_file(DownloadError::Interrupted));
        }
        if let Some(record) = self.had(listed).await {
            return Ok(record);
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

    async fn bring(&self, page: &mut dyn Page, listed: &Listed) -> Result<FileRecord, DownloadError> {
        let patience = self.ground.deadlines.download;
        let arrived = match await_arrival(page, self.landing.path(), patience, &self.attempt.cancel).await {
            // a browser cuts a download on a full disk, too, and does not say so
            Err(DownloadError::Cut) => {
                self.landing.check_writable().await?;
                return Err(DownloadError::Cut);
            }
            other => other?,
        };
        let names = choose_names(&listed.label, &arrived.suggested, &arrived.url);
        let verified = verify(&arrived, names, &self.ground.recipe.login.file_markers).await?;
        let record = self.folder.place(verified, self.origin, listed.id.clone()).await?;
        tracing::debug!(po = %self.attempt.order.po, path = record.path, size = record.size, "placed a file");
        Ok(record)
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
        let refuse = |why: String| Err(Failure::new(FailureKind::AccessDenied, why));
        let Ok(url) = Url::parse(address) else {
            return refuse("its link has no address".to_owned());
        };
        match (url.scheme(), url.host_str()) {
            ("http" | "https", _) if is_same_host(&url, &self.ground.base) => Ok(()),
            ("http" | "https", Some(host))
                if self.ground.recipe.address.allowed_hosts.iter().any(|allowed| allowed == host) =>
            {
                Ok(())
            }
            ("http" | "https", Some(host)) => refuse(format!(
                "its link leads to {host}, outside the portal, and was not followed: if it may be, add the host to \
                 address.allowed_hosts in the site recipe"
            )),
            (scheme, _) => refuse(format!("its link begins with {}: and was not followed", without_query(scheme))),
        }
    }
}

fn of_session(error: SessionError) -> Failure {
    trouble::of_file(DownloadError::Session(error))
}
