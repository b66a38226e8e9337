//! Files of an order by HTTP: fetched side by side, verified and placed as those that a browser brings.

use std::sync::{Arc, Mutex, PoisonError};

use url::Url;

use super::reason::{TabReason, WalkEnd};
use crate::backend::AttemptError;
use crate::download::transfer::{
    AddressLifetime, ClientIdentity, OrderSlots, Transfer, TransferError, TransferRules, Transferred,
};
use crate::download::{DownloadError, DownloadLimits};
use crate::model::FailureKind;
use crate::net::HttpClient;
use crate::site::context::PortalContext;
use crate::site::error;
use crate::site::order::fetch::{AttachmentFetch, Brought, MAX_SIZE, is_doubtful};
use crate::site::order::ways::Way;
use crate::site::page::identity::listed::ListedAttachment;
use crate::site::page::responses::is_login;

/// As whom the files of a session are asked for: its cookies may change at any time.
#[derive(Clone, Debug, Default)]
pub(crate) struct SessionIdentity(Arc<Mutex<SessionCookies>>);

#[derive(Debug, Default)]
struct SessionCookies {
    identity: Option<ClientIdentity>,
    are_old: bool,
}

impl SessionIdentity {
    pub(crate) fn set(&self, identity: ClientIdentity) {
        *self.lock() = SessionCookies { identity: Some(identity), are_old: false };
    }

    /// Whether the portal has replaced a cookie that the browser has.
    pub(crate) fn is_old(&self) -> bool {
        self.lock().are_old
    }

    fn current(&self) -> Option<ClientIdentity> {
        self.lock().identity.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, SessionCookies> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An attachment, and where its file is.
#[derive(Clone)]
pub(crate) struct AddressedFile {
    pub(crate) listed: ListedAttachment,
    pub(crate) address: Url,
    /// Whether the address was made for a click.
    pub(crate) is_caught: bool,
}

impl AddressedFile {
    /// The way on which a browser would have brought the file.
    fn way(&self) -> Way {
        use crate::backend::Click;
        match (self.is_caught, self.listed.is_link) {
            (true, _) => Way::Click(Click::Script),
            (false, true) => Way::Click(Click::Save),
            (false, false) => Way::Address,
        }
    }
}

/// What is known after a transfer.
pub(crate) enum HttpFile {
    Brought(Box<Brought>),
    LeftOut(String),
}

/// Fetches files of one order.
#[derive(Clone)]
pub(crate) struct FileClient<'a> {
    pub(crate) context: &'a PortalContext,
    pub(crate) client: &'a HttpClient,
    pub(crate) identity: SessionIdentity,
    pub(crate) slots: OrderSlots,
}

impl FileClient<'_> {
    /// Fetches and verifies one file. It lies in the staging folder then.
    ///
    /// # Errors
    /// What the walk ends with. Most of all what is wrong here is for the tab lane to judge.
    pub(crate) async fn fetch(&self, fetch: &AttachmentFetch<'_>, file: &AddressedFile) -> Result<HttpFile, WalkEnd> {
        let AddressedFile { listed, address, is_caught } = file;
        if !is_caught {
            fetch.wait_for_turn(listed).await.map_err(|why| of_download(why, listed))?;
        }
        let Some(identity) = self.identity.current() else {
            return Err(WalkEnd::ToTab(TabReason::NoFile("the session's cookies are not known".to_owned())));
        };
        let context = self.context;
        let rules = TransferRules {
            limits: DownloadLimits {
                transfer: fetch.limits(),
                may_come_from: &|address| context.may_come_from(address),
                is_login: &|address| is_login(address, &context.recipe, &context.base),
            },
            login: context.login_signs(),
        };
        let transfer = Transfer {
            client: self.client,
            slots: &self.slots,
            identity: &identity,
            page: fetch.page_url,
            address,
            lifetime: if *is_caught { AddressLifetime::Once } else { AddressLifetime::Lasting },
            rules: &rules,
        };
        tracing::debug!(po = %fetch.attempt.order.po, listing = listed.label, "fetching by HTTP");
        let transferred = transfer.run(fetch.staging.path(), &fetch.attempt.cancel).await;
        let Transferred { mut download, is_session_changed, .. } = match transferred {
            Err(TransferError::TooLarge { limit, setting: MAX_SIZE }) => {
                return Ok(HttpFile::LeftOut(format!("it is larger than {limit} bytes")));
            }
            other => other.map_err(|why| self.of_transfer(why, fetch, listed))?,
        };
        if is_session_changed {
            self.identity.lock().are_old = true;
        }
        let way = file.way();
        if !is_caught {
            // browsers do not tell what was declared for a link that they save: the outcome is not to depend on the lane
            download.declared = None;
        }
        let verified = match fetch.accept(listed, &download, &way).await.map_err(|why| of_download(why, listed))? {
            Ok(verified) => verified,
            Err(reason) => return Ok(HttpFile::LeftOut(reason)),
        };
        let brought = Brought { verified, address: download.url, is_certain: true };
        if is_doubtful(&brought, &way) {
            return Err(no_file(listed, "it is not what its name says"));
        }
        Ok(HttpFile::Brought(Box::new(brought)))
    }

    fn of_transfer(&self, error: TransferError, fetch: &AttachmentFetch<'_>, listed: &ListedAttachment) -> WalkEnd {
        match error {
            TransferError::LoginEnded => WalkEnd::LoginInDoubt,
            TransferError::Throttled { .. } => {
                self.context.pace.slow_down();
                // one that is answered so again and again is for the tab lane to judge
                if self.context.was_throttled(&listed.id) {
                    return no_file(listed, &error.to_string());
                }
                self.context.note_throttled(&listed.id, false);
                let retry_after = error.retry_after();
                WalkEnd::Failed(AttemptError { retry_after, ..error::of_file(error.into()) })
            }
            TransferError::Interrupted => WalkEnd::interrupted(),
            TransferError::Disk(error) => WalkEnd::Failed(error::of_download(error)),
            other => {
                let po = &fetch.attempt.order.po;
                let (kind, is_expected) = (other.kind(), other.may_a_browser_succeed());
                tracing::debug!(%po, listing = listed.label, %kind, is_expected, why = %other, "a file did not come by HTTP");
                no_file(listed, &other.to_string())
            }
        }
    }
}

pub(crate) fn no_file(listed: &ListedAttachment, why: &str) -> WalkEnd {
    WalkEnd::ToTab(TabReason::NoFile(format!("{}: {why}", listed.label)))
}

pub(crate) fn of_download(error: DownloadError, listed: &ListedAttachment) -> WalkEnd {
    match error {
        DownloadError::LoginPage => WalkEnd::LoginInDoubt,
        DownloadError::Interrupted => WalkEnd::interrupted(),
        error if error.kind() == FailureKind::DiskFull => WalkEnd::Failed(error::of_download(error)),
        other => no_file(listed, &other.to_string()),
    }
}
