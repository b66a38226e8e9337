//! When a browser has really finished a file.

use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::DownloadError;
use super::progress::{FinishedDownload, InFlight, TransferLimits};
use crate::backend::{BoxFuture, DownloadEvent, Initiator, Page, ResponseInfo, SessionError};

/// How often the browser is asked for events. The driver has no way to call back: it must be asked. Each question costs
/// some 2 ms of the driver, and most attachments take less than 100 ms.
const ASK_EVERY: Duration = Duration::from_millis(40);

/// When the page is first asked whether a download can still begin, and then how often. Nearly all begin before.
const LOOK_AFTER: Duration = Duration::from_millis(600);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long a download may still begin after a script or a frame of the page was answered with an error: it may have
/// been another one's, or be asked again.
const AFTER_ERROR: Duration = Duration::from_secs(2);

/// What a download may be.
pub struct DownloadLimits<'a> {
    /// Its size and speed. The patience is also how long it may take to begin.
    pub transfer: TransferLimits,
    /// Whether it may come from this address, which is its last one after all redirects; the error names the host.
    pub may_come_from: &'a (dyn Fn(&str) -> Result<(), String> + Sync),
    /// Whether this address is the portal's login page.
    pub is_login: &'a (dyn Fn(&str) -> bool + Sync),
}

/// Tells whether a download can still begin, and whether one that begins is that of this click.
pub trait Outlook: Send {
    /// Whether a download from `address` is what an earlier click has set off a second time.
    fn is_of_another(&self, address: &str) -> bool;

    /// Whether one can, as far as the page shows now. Asked from time to time after a click that nothing has followed
    /// yet.
    ///
    /// # Errors
    /// The session's.
    fn can_begin<'a>(&'a mut self, page: &'a mut dyn Page) -> BoxFuture<'a, Result<bool, SessionError>>;
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
}

/// Waits for the download that the click before this call sets off, to be saved in `folder`.
///
/// One download at a time: the first that begins is the one. A second one set off by the same click is stopped, or it
/// would be taken for that of the next click. On every error the download is stopped and its partial file goes away
/// with the staging folder.
///
/// # Errors
/// `NotStarted` after the patience, or as soon as `outlook` says that nothing comes; `Answered` and `LoginPage` as soon
/// as the page or a script of it was answered so instead, `Elsewhere`, `TooLarge`, `TooSlow`, `OutOfTime` and
/// `Standstill` by `bounds`, `Refused` and `Cut` when the browser gives up before and after the first byte, `WrongSize`
/// when the disk holds another number of bytes than the browser reports, `Interrupted` when `cancel` is cancelled,
/// `Session`.
pub async fn await_arrival(
    page: &mut dyn Page,
    folder: &Path,
    bounds: &DownloadLimits<'_>,
    mut outlook: Option<&mut dyn Outlook>,
    cancel: &CancellationToken,
) -> Result<FinishedDownload, DownloadError> {
    let patience = bounds.transfer.patience;
    let mut underway: Option<InFlight> = None;
    let clicked = Instant::now();
    let mut shown: Vec<ResponseInfo> = Vec::new();
    let mut suspected: Option<(Instant, DownloadError)> = None;
    let mut next_look = clicked + LOOK_AFTER;
    loop {
        // before the news are read: a download may begin in between
        let is_hopeless = match &mut outlook {
            Some(outlook) if underway.is_none() && suspected.is_none() && Instant::now() >= next_look => {
                next_look = Instant::now() + LOOK_EVERY;
                !outlook.can_begin(page).await?
            }
            _ => false,
        };
        if cancel.is_cancelled() {
            stop(page, underway.as_ref()).await?;
            return Err(DownloadError::Interrupted);
        }
        for event in page.download_events().await? {
            match (event, &mut underway) {
                (DownloadEvent::Started { id, url, .. }, None)
                    if outlook.as_ref().is_some_and(|outlook| outlook.is_of_another(&url)) =>
                {
                    page.cancel_download(&id).await?;
                }
                (DownloadEvent::Started { id, url, name }, None) => {
                    if let Err(host) = (bounds.may_come_from)(&url) {
                        page.cancel_download(&id).await?;
                        return Err(DownloadError::Elsewhere { host });
                    }
                    underway = Some(InFlight::new(id, url, name, Instant::now()));
                }
                (DownloadEvent::Started { id, .. }, Some(ours)) if ours.id != id => page.cancel_download(&id).await?,
                (DownloadEvent::Progress { id, received }, Some(ours)) if ours.id == id => {
                    ours.progress(received, Instant::now());
                }
                (DownloadEvent::Completed { id, size, is_length_told }, Some(ours)) if ours.id == id => {
                    ours.complete(size, is_length_told, Instant::now());
                }
                (DownloadEvent::Canceled { id }, Some(ours)) if ours.id == id => {
                    return Err(if ours.received() == 0 { DownloadError::Refused } else { DownloadError::Cut });
                }
                (DownloadEvent::BlockedHost { host }, None) => return Err(SessionError::BlockedHost { host }.into()),
                // news of a download that was stopped before
                (
                    DownloadEvent::Started { .. }
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
                (Initiator::Script | Initiator::Frame, Some(error)) => suspected = Some((Instant::now(), error)),
                (Initiator::Navigation | Initiator::Frame, None) => shown.push(answer),
                (Initiator::Script, None) => {}
            }
        }
        if underway.is_none()
            && let Some((_, error)) = suspected.take_if(|(since, _)| since.elapsed() >= AFTER_ERROR)
        {
            return Err(error);
        }
        match &mut underway {
            Some(ours) => {
                if let Err(refused) = ours.check(&bounds.transfer, Instant::now()) {
                    stop(page, underway.as_ref()).await?;
                    return Err(refused);
                }
            }
            None if is_hopeless && suspected.is_none() => {
                return Err(DownloadError::NotStarted { after: clicked.elapsed(), is_settled: true });
            }
            None if clicked.elapsed() >= patience => {
                return Err(DownloadError::NotStarted { after: patience, is_settled: false });
            }
            None if Instant::now() >= bounds.transfer.until => {
                return Err(DownloadError::OutOfTime { received: 0, after: clicked.elapsed() });
            }
            None => {}
        }
        if let Some(ours) = &underway
            && let InFlight { id, url, suggested, completed: Some(size), is_length_told, .. } = ours
        {
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
            if ours.silent_for(Instant::now()) >= patience {
                return Err(DownloadError::WrongSize { expected: *size, found: found.unwrap_or_default() });
            }
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// What the portal says about the file at `url`.
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
