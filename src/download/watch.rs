//! When a browser has really finished a file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::DownloadError;
use crate::backend::{DownloadEvent, Initiator, Page, ResponseInfo, SessionError};

/// How often the browser is asked for news. The driver has no way to call back: it must be asked. Each question costs
/// some 2 ms of the driver, and most attachments take less than 100 ms.
const ASK_EVERY: Duration = Duration::from_millis(40);

/// How long a download may still begin after a script of the page was answered with an error: it may have been another
/// script's, or be asked again.
const AFTER_ERROR: Duration = Duration::from_secs(2);

/// A file that the browser has finished and whose bytes are all on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedDownload {
    /// The download's id.
    pub id: String,
    /// Where the file lies.
    pub path: PathBuf,
    /// Its address after all redirects; may hold a one-time token, so it is never shown.
    pub url: String,
    /// The name that the browser suggests; hostile.
    pub suggested: String,
    /// Bytes.
    pub size: u64,
    /// Whether the portal told beforehand how many there would be.
    pub is_length_told: bool,
    /// What the portal says it is, where that is known: of links that were saved it is not.
    pub declared: Option<String>,
}

/// What is known of the one download that is waited for.
struct InFlight {
    id: String,
    url: String,
    suggested: String,
    received: u64,
    completed: Option<u64>,
    is_length_told: bool,
}

/// What a download may be.
pub struct DownloadLimits<'a> {
    /// How long it may take to begin, and stand still.
    pub patience: Duration,
    /// Most bytes, and the setting that says so.
    pub max_bytes: (u64, &'static str),
    /// Whether it may come from this address, which is its last one after all redirects; the error names the host.
    pub may_come_from: &'a (dyn Fn(&str) -> Result<(), String> + Sync),
    /// Whether this address is the portal's login page.
    pub is_login: &'a (dyn Fn(&str) -> bool + Sync),
}

impl DownloadLimits<'_> {
    /// Why no file comes, if this answer of the portal says so.
    fn error(&self, answer: &ResponseInfo) -> Option<DownloadError> {
        let is_theirs = (self.may_come_from)(&answer.url).is_ok();
        match answer.status {
            status @ 400.. if is_theirs => {
                Some(DownloadError::Answered { status, retry_after: answer.retry_after.clone() })
            }
            _ => (self.is_login)(&answer.url).then_some(DownloadError::LoginPage),
        }
    }

    fn check(&self, ours: &InFlight) -> Result<(), DownloadError> {
        let size = ours.completed.unwrap_or_default().max(ours.received);
        let (limit, setting) = self.max_bytes;
        if size > limit { Err(DownloadError::TooLarge { limit, setting }) } else { Ok(()) }
    }
}

/// Waits for the download that the click before this call sets off, landing in `folder`.
///
/// One download at a time: the first that begins is the one. A second one set off by the same click is stopped, or it
/// would be taken for that of the next click. On every error the download is stopped and its partial file goes away
/// with the landing folder.
///
/// # Errors
/// `NotBegun` and `Standstill` after the patience, `Answered` and `LoginPage` as soon as the page or a script of it was
/// answered so instead, `Elsewhere` and `TooLarge` by `bounds`, `Refused` and `Cut` when the browser gives up before and
/// after the first byte, `WrongSize` when the disk holds another number of bytes than the browser reports, `Interrupted` when `cancel` is
/// cancelled, `Session`.
pub async fn await_arrival(
    page: &mut dyn Page,
    folder: &Path,
    bounds: &DownloadLimits<'_>,
    cancel: &CancellationToken,
) -> Result<FinishedDownload, DownloadError> {
    let patience = bounds.patience;
    let mut underway: Option<InFlight> = None;
    let mut last_news = Instant::now();
    let mut shown: Vec<ResponseInfo> = Vec::new();
    let mut suspected: Option<(Instant, DownloadError)> = None;
    loop {
        if cancel.is_cancelled() {
            stop(page, underway.as_ref()).await?;
            return Err(DownloadError::Interrupted);
        }
        for event in page.download_events().await? {
            match (event, &mut underway) {
                (DownloadEvent::Began { id, url, name }, None) => {
                    if let Err(host) = (bounds.may_come_from)(&url) {
                        page.cancel_download(&id).await?;
                        return Err(DownloadError::Elsewhere { host });
                    }
                    underway = Some(InFlight {
                        id,
                        url,
                        suggested: name,
                        received: 0,
                        completed: None,
                        is_length_told: false,
                    });
                    last_news = Instant::now();
                }
                (DownloadEvent::Began { id, .. }, Some(ours)) if ours.id != id => page.cancel_download(&id).await?,
                (DownloadEvent::Progress { id, received }, Some(ours)) if ours.id == id && received > ours.received => {
                    ours.received = received;
                    last_news = Instant::now();
                }
                (DownloadEvent::Completed { id, size, is_length_told }, Some(ours)) if ours.id == id => {
                    ours.completed = Some(size);
                    ours.is_length_told = is_length_told;
                    last_news = Instant::now();
                }
                (DownloadEvent::Canceled { id }, Some(ours)) if ours.id == id => {
                    return Err(if ours.received == 0 { DownloadError::Refused } else { DownloadError::Cut });
                }
                (DownloadEvent::BlockedHost { host }, None) => return Err(SessionError::BlockedHost { host }.into()),
                // news of a download that was stopped before
                (
                    DownloadEvent::Began { .. }
                    | DownloadEvent::Progress { .. }
                    | DownloadEvent::Completed { .. }
                    | DownloadEvent::Canceled { .. }
                    | DownloadEvent::BlockedHost { .. },
                    _,
                ) => {}
            }
        }
        for answer in page.responses().await? {
            let error = if underway.is_none() { bounds.error(&answer) } else { None };
            match (answer.initiator, error) {
                (Initiator::Navigation, Some(error)) => return Err(error),
                (Initiator::Script, Some(error)) => suspected = Some((Instant::now(), error)),
                (Initiator::Navigation, None) => shown.push(answer),
                (Initiator::Script, None) => {}
            }
        }
        if underway.is_none()
            && let Some((_, error)) = suspected.take_if(|(since, _)| since.elapsed() >= AFTER_ERROR)
        {
            return Err(error);
        }
        if let Some(ours) = &underway
            && let Err(refused) = bounds.check(ours)
        {
            stop(page, underway.as_ref()).await?;
            return Err(refused);
        }
        if let Some(InFlight { id, url, suggested, completed: Some(size), is_length_told, .. }) = &underway {
            let path = folder.join(id);
            // the event can be ahead of the rename that gives the file its name
            let found = tokio::fs::metadata(&path).await.map(|found| found.len()).ok();
            if found == Some(*size) {
                return Ok(FinishedDownload {
                    id: id.clone(),
                    path,
                    url: url.clone(),
                    suggested: suggested.clone(),
                    size: *size,
                    is_length_told: *is_length_told,
                    declared: declared(&shown, url),
                });
            }
            if last_news.elapsed() >= patience {
                return Err(DownloadError::WrongSize { expected: *size, found: found.unwrap_or_default() });
            }
        } else if last_news.elapsed() >= patience {
            stop(page, underway.as_ref()).await?;
            return Err(match underway {
                Some(ours) => DownloadError::Standstill { received: ours.received, after: patience },
                None => DownloadError::NotBegun { after: patience },
            });
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// What the portal says of the file at `url`.
fn declared(shown: &[ResponseInfo], url: &str) -> Option<String> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    shown.iter().rev().find(|answer| answer.url == path)?.media_type.clone()
}

async fn stop(page: &mut dyn Page, underway: Option<&InFlight>) -> Result<(), DownloadError> {
    if let Some(InFlight { id, completed: None, .. }) = underway {
        page.cancel_download(id).await?;
    }
    Ok(())
}
