//! One transfer: ask, follow redirects, receive, and go on where it was cut.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::decode::BodyDecoder;
use super::disposition::suggested_name;
use super::error::TransferError;
use super::identity::ClientIdentity;
use super::redirect::{MAX_REDIRECTS, check, host_of, is_redirect, referer, target};
use super::slots::{OrderSlots, TransferSlot};
use super::staged::{StagedFile, WholeFile};
use crate::download::progress::ProgressWatch;
use crate::download::{DownloadError, DownloadLimits, FinishedDownload, LoginSigns};
use crate::net::{HttpClient, HttpRequest, HttpResponse, retry_after};

/// How often a file is asked for again after its connection was cut.
const MAX_RESUMES: u32 = 3;
/// The wait before the first of these; it doubles each time. A cut connection is rarely intended by the portal.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// A file that was changed so long before it was sent has a date that tells its versions apart (RFC 9110, 8.8.2.2).
const OLD_ENOUGH: i64 = 60;

/// How often an address is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressLifetime {
    /// Once: it is asked for once and never again, not even for the rest of a file.
    Once,
    /// Any number of times.
    Lasting,
}

/// What a transfer may do.
pub struct TransferRules<'a> {
    /// What holds for the downloads of a browser holds here as well.
    pub limits: DownloadLimits<'a>,
    /// How the portal's login page is recognised.
    pub login: LoginSigns<'a>,
}

/// A transfer to be made.
pub struct Transfer<'a> {
    /// The client of the run.
    pub client: &'a HttpClient,
    /// The slots of the order.
    pub slots: &'a OrderSlots,
    /// The identity of the requests.
    pub identity: &'a ClientIdentity,
    /// The page that lists the file.
    pub page: &'a Url,
    /// The file's address.
    pub address: &'a Url,
    /// How often it is good for.
    pub lifetime: AddressLifetime,
    /// What it may do.
    pub rules: &'a TransferRules<'a>,
}

/// A file that came.
#[derive(Clone, PartialEq, Eq)]
pub struct Transferred {
    /// As a browser's download would be told.
    pub download: FinishedDownload,
    /// SHA-256 of the bytes as they came in, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// How often the transfer was cut and went on.
    pub resumed_count: u32,
    /// Whether an answer has replaced a cookie of the session: the cookies that the browser has are old by now.
    pub is_session_changed: bool,
}

/// Without the address, which may be valid only once.
impl fmt::Debug for Transferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transferred")
            .field("path", &self.download.path)
            .field("size", &self.download.size)
            .field("sha256", &self.sha256)
            .finish_non_exhaustive()
    }
}

/// What is kept from one request for a file to the next.
struct Progress {
    identity: ClientIdentity,
    slot: TransferSlot,
    staged: StagedFile,
    /// What the rest can be asked for with.
    validator: Option<String>,
    is_session_changed: bool,
}

/// What is known of a body that came to its end.
struct Received {
    url: Url,
    suggested: String,
    declared: Option<String>,
    is_length_told: bool,
}

impl Transfer<'_> {
    /// Fetches the file into `folder`, where it stays. On every error, and when the future is dropped, nothing stays
    /// there.
    ///
    /// Waits for a slot first. Files are checked for being the portal's login page; everything else that
    /// [`crate::download::verify`] looks at is still to be looked at.
    ///
    /// # Errors
    /// [`TransferError`]. A one-time address is used up by every error but `BlockedHost`, `Elsewhere`, `Unreachable`,
    /// `Disk` and `Interrupted` before the request.
    pub async fn run(&self, folder: &Path, cancel: &CancellationToken) -> Result<Transferred, TransferError> {
        let (received, begun) = (AtomicU64::new(0), Instant::now());
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(TransferError::Interrupted),
            ended = timeout_at(self.rules.limits.transfer.until, self.fetch(folder, &received)) => match ended {
                Ok(ended) => ended,
                Err(_) => {
                    Err(TransferError::OutOfTime { received: received.load(Ordering::Relaxed), after: begun.elapsed() })
                }
            },
        }
    }

    async fn fetch(&self, folder: &Path, received: &AtomicU64) -> Result<Transferred, TransferError> {
        self.check(self.address)?;
        let mut progress = Progress {
            identity: self.identity.clone(),
            slot: self.slots.take(&host_of(self.address)).await,
            staged: StagedFile::create(folder, self.rules.limits.transfer.max_bytes).await?,
            validator: None,
            is_session_changed: false,
        };
        let mut resumed_count = 0;
        let mut pause = FIRST_PAUSE;
        let Received { url, suggested, declared, is_length_told } = loop {
            match self.receive(&mut progress, received).await {
                Ok(received) => break received,
                Err(TransferError::Cut { received, why })
                    if self.lifetime == AddressLifetime::Lasting && resumed_count < MAX_RESUMES =>
                {
                    tracing::debug!(received, why, "a transfer was cut and continues");
                }
                Err(other) => return Err(other),
            }
            resumed_count += 1;
            sleep(pause).await;
            pause *= 2;
        };
        if self.rules.login.match_page(progress.staged.head()) {
            return Err(TransferError::LoginEnded);
        }
        let WholeFile { id, path, size, sha256 } = progress.staged.finish().await?;
        let download = FinishedDownload { id, path, url: url.into(), suggested, size, is_length_told, declared };
        Ok(Transferred { download, sha256, resumed_count, is_session_changed: progress.is_session_changed })
    }

    /// Refuses an address before anything is sent there.
    fn check(&self, url: &Url) -> Result<(), TransferError> {
        if let Some(host) = self.client.blocked(url) {
            return Err(TransferError::BlockedHost { host });
        }
        check(url, &self.rules.limits)
    }

    /// Asks for the file, or for its rest, and follows redirects.
    async fn ask(&self, progress: &mut Progress) -> Result<(HttpResponse, Url), TransferError> {
        let mut url = self.address.clone();
        for _ in 0..=MAX_REDIRECTS {
            let request = self.request(&url, progress);
            let answer = self.client.send(request, self.rules.limits.transfer.patience).await;
            let answer = answer.map_err(|why| TransferError::of_client(why, progress.staged.size()))?;
            for set_cookie in answer.headers("set-cookie") {
                progress.is_session_changed |= progress.identity.store(set_cookie, &url);
            }
            if !is_redirect(answer.status()) {
                return Ok((answer, url));
            }
            url = target(&url, answer.headers("location").next())?;
            self.check(&url)?;
            progress.slot.move_to(&host_of(&url)).await;
        }
        Err(TransferError::BadRedirect { why: "too many redirects" })
    }

    fn request(&self, url: &Url, progress: &Progress) -> HttpRequest {
        let Progress { identity, staged, validator, .. } = progress;
        let mut request = HttpRequest::get(url)
            .header("user-agent", identity.user_agent())
            .header("accept", "*/*")
            .header("accept-encoding", "identity"); // files are compressed already, and a part of a compressed one is none
        if let Some(languages) = identity.languages() {
            request = request.header("accept-language", languages);
        }
        if let Some(referer) = referer(self.page, url) {
            request = request.header("referer", &referer);
        }
        if let Some(cookies) = identity.cookies_for(url) {
            request = request.secret_header("cookie", &cookies);
        }
        match validator {
            Some(validator) if staged.size() > 0 => {
                request.header("range", &format!("bytes={}-", staged.size())).header("if-range", validator)
            }
            _ => request,
        }
    }

    /// One request, and its body to the end.
    async fn receive(&self, progress: &mut Progress, counter: &AtomicU64) -> Result<Received, TransferError> {
        let (mut answer, url) = self.ask(progress).await?;
        let has_asked_for_rest = progress.validator.take().is_some() && progress.staged.size() > 0;
        match answer.status() {
            206 | 416 if has_asked_for_rest => {
                if answer.status() == 416 || !is_rest(answer.header("content-range"), progress.staged.size()) {
                    progress.staged.restart().await?;
                    let why = "the rest belongs to another file".to_owned();
                    return Err(TransferError::Cut { received: 0, why });
                }
            }
            200 | 203 => progress.staged.restart().await?,
            status => return Err(refusal(status, answer.header("retry-after"))),
        }
        let decoder = BodyDecoder::new(answer.header("content-encoding"));
        let mut decoder = decoder.map_err(|coding| TransferError::Encoded { coding })?;
        if answer.status() == 206 && !decoder.is_plain() {
            return Err(TransferError::Encoded { coding: "a part of gzip".to_owned() });
        }
        let length = answer.length();
        if decoder.is_plain() {
            progress.staged.check_size(length.unwrap_or_default())?;
            progress.validator = validator(&answer);
        }
        self.receive_body(&mut answer, &mut decoder, &mut progress.staged, counter).await?;
        let declared = answer.header("content-type").and_then(media_type);
        let disposition = answer.headers("content-disposition").next();
        let suggested = suggested_name(disposition, &url, declared.as_deref());
        // the end of a compressed body is checked by its checksum
        let is_length_told = length.is_some() || !decoder.is_plain();
        Ok(Received { url, suggested, declared, is_length_told })
    }

    async fn receive_body(
        &self,
        answer: &mut HttpResponse,
        decoder: &mut BodyDecoder,
        staged: &mut StagedFile,
        counter: &AtomicU64,
    ) -> Result<(), TransferError> {
        let mut came: u64 = 0;
        let mut watch = ProgressWatch::new(Instant::now());
        let cut = |staged: &StagedFile, why| TransferError::Cut { received: staged.size(), why };
        loop {
            let chunk = answer.chunk(self.rules.limits.transfer.patience).await;
            let Some(chunk) = chunk.map_err(|why| TransferError::of_client(why, staged.size()))? else { break };
            for piece in decoder.pieces(chunk.as_ref()) {
                let bytes = decoder.decode(piece).map_err(|why| cut(staged, why))?;
                staged.append(&bytes).await?;
            }
            came += chunk.as_ref().len() as u64;
            counter.store(staged.size(), Ordering::Relaxed);
            watch.advance(came, Instant::now());
            // a chunk has just come, and the whole transfer has a separate deadline
            let checked = watch.check(&self.rules.limits.transfer, Instant::now());
            if let Err(DownloadError::TooSlow { came, after }) = checked {
                return Err(TransferError::TooSlow { came, after });
            }
        }
        let last = decoder.finish().map_err(|why| cut(staged, why))?;
        staged.append(&last).await
    }
}

/// What this status means instead of a file.
fn refusal(status: u16, retry_after: Option<&str>) -> TransferError {
    let retry_after = retry_after::wished(status, retry_after);
    match status {
        401 => TransferError::LoginEnded,
        403 => TransferError::Refused,
        429 => TransferError::Throttled { status, retry_after },
        503 if retry_after.is_some() => TransferError::Throttled { status, retry_after },
        _ => TransferError::Answered { status },
    }
}

/// A media type in lower case, without its parameters.
fn media_type(header: &str) -> Option<String> {
    let media_type = header.split([';', ',']).next().unwrap_or_default().trim().to_ascii_lowercase();
    (!media_type.is_empty()).then_some(media_type)
}

/// What makes sure that the rest of a file is of the same version: a strong `ETag`, or the date of its last change if
/// that was long enough before it was sent. None where the server gives no parts.
fn validator(answer: &HttpResponse) -> Option<String> {
    if answer.header("accept-ranges").is_some_and(|units| units.eq_ignore_ascii_case("none")) {
        return None;
    }
    if let Some(tag) = answer.header("etag").filter(|tag| tag.starts_with('"') && tag.len() > 2) {
        return Some(tag.to_owned());
    }
    let date =
        |name: &str| -> Option<Timestamp> { rfc2822::DateTimeParser::new().parse_timestamp(answer.header(name)?).ok() };
    let changed = date("last-modified")?;
    let is_old = date("date")?.as_second() - changed.as_second() >= OLD_ENOUGH;
    is_old.then(|| answer.header("last-modified").map(str::to_owned)).flatten()
}

/// Whether a part (`bytes 500-999/1000`) begins where the first one ended, and goes to the end.
fn is_rest(content_range: Option<&str>, begins: u64) -> bool {
    let parse = || {
        let (range, total) = content_range?.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        let is_to_the_end = total.trim() == "*" || total.trim().parse() == Ok(last.checked_add(1)?);
        Some(first == begins && is_to_the_end)
    };
    parse().unwrap_or_default()
}
