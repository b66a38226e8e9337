//! What is kept of a failed attempt: what the page showed, and what the driver said, without anything that gives
//! access.

pub(crate) mod redact;
pub(crate) mod store;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::login::SharedLogin;
use crate::backend::{Attempt, AttemptError, Page, Session, SessionError};
use crate::fs::blocking::blocking;
use crate::model::FailureKind;
use crate::site::evidence::redact::Redactor;

pub(crate) use store::EvidenceStore;
pub use store::evidence_folder;

const SOURCE: &str = include_str!("source.js");

/// Of a page's source so many bytes are kept.
const MAX_SOURCE: usize = 256 * 1024;

/// How long writing may take: nobody waits for a disk that does not answer.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// Everything that was seen.
#[derive(Debug, Default)]
pub(crate) struct Capture {
    record: EvidenceRecord,
    source: Option<String>,
    screenshot: Option<Vec<u8>>,
}

/// `failure.json`.
#[derive(Debug, Default, Serialize)]
struct EvidenceRecord {
    po_number: String,
    attempt: u32,
    worker: String,
    at: Option<Timestamp>,
    kind: Option<FailureKind>,
    message: String,
    url: Option<String>,
    title: Option<String>,
    http_status: Option<u16>,
    driver: String,
    /// Why something could not be captured.
    lacking: Option<String>,
}

/// Looks at a session whose attempt has failed.
///
/// Each command is bounded by its own deadline, and after one that is not answered no other is sent: there is no limit
/// over all of them, since one that is interrupted would cost the session. None is sent once the run aborts.
pub(crate) async fn look(
    session: &mut dyn Session,
    attempt: &Attempt,
    error: &AttemptError,
    login: &SharedLogin,
) -> Capture {
    let mut looking = CaptureSession { cookies: login.cookies(), ..CaptureSession::default() };
    if session.is_usable() {
        if let Err(why) = looking.at(session.page(), &attempt.cancel).await {
            looking.lacking.push(why.to_string());
        }
    } else {
        looking.lacking.push("the browser could not be spoken to any more".to_owned());
    }
    let CaptureSession { cookies, url, title, http_status, source, screenshot, lacking } = looking;
    let removal = Redactor::of(login.password(), &cookies);
    let record = EvidenceRecord {
        po_number: attempt.order.po.to_string(),
        attempt: attempt.no.0,
        worker: attempt.worker.to_string(),
        at: Some(Timestamp::now()),
        kind: Some(error.kind),
        message: removal.message(&error.message),
        url: url.map(|url| removal.message(&url)),
        title: title.map(|title| removal.message(&title)),
        http_status,
        driver: removal.message(&session.driver_output()),
        lacking: Some(lacking.join("; ")).filter(|why| !why.is_empty()).map(|why| removal.message(&why)),
    };
    let source = source.map(|(source, is_whole)| removal.source(&source, is_whole, MAX_SOURCE));
    Capture { record, source, screenshot }
}

/// What a page has shown so far, as it was shown.
#[derive(Default)]
struct CaptureSession {
    cookies: Vec<SecretString>,
    url: Option<String>,
    title: Option<String>,
    http_status: Option<u16>,
    /// And whether it is all of it.
    source: Option<(String, bool)>,
    screenshot: Option<Vec<u8>>,
    lacking: Vec<String>,
}

impl CaptureSession {
    /// # Errors
    /// Why the driver was not asked any further. What it merely refuses is noted as lacking.
    async fn at(&mut self, page: &mut dyn Page, cancel: &CancellationToken) -> Result<(), SessionError> {
        let go_on = || match cancel.is_cancelled() {
            false => Ok(()),
            true => Err(SessionError::Refused("the run was stopped meanwhile".to_owned())),
        };
        go_on()?;
        let mut cookies = page.cookies().await;
        if let Err(SessionError::Refused(_)) = cookies {
            // a dialog that stood open refuses one command, and is closed by it
            cookies = page.cookies().await;
        }
        let cookies = self.note_refusal("its cookies", cookies)?;
        let has_cookies = cookies.is_some();
        self.cookies.extend(cookies.into_iter().flatten().map(|cookie| cookie.value));
        go_on()?;
        if let Some(shown) = self.note_refusal("its address", page.document().await)? {
            (self.url, self.title, self.http_status) = (Some(shown.url), Some(shown.title), shown.status);
        }
        go_on()?;
        // pages of the browser's own have no cookies; of any other what would have to be removed must be known
        if has_cookies || self.url.as_ref().is_some_and(|url| !url.starts_with("http")) {
            let source = page.evaluate(SOURCE, vec![Value::from(MAX_SOURCE)]).await;
            if let Some(Value::Array(answer)) = self.note_refusal("its source", source)?
                && let [Value::String(source), Value::Bool(is_whole)] = answer.as_slice()
            {
                self.source = Some((source.clone(), *is_whole));
            }
        }
        go_on()?;
        self.screenshot = self.note_refusal("a picture of it", page.screenshot().await)?;
        Ok(())
    }

    /// A driver that refuses one thing may give the next: only one that is silent or gone is not asked any more.
    fn note_refusal<T>(&mut self, what: &str, answer: Result<T, SessionError>) -> Result<Option<T>, SessionError> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(SessionError::Refused(why)) => {
                self.lacking.push(format!("{what}: {why}"));
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }
}

/// Writes it down and says where. What cannot be written is not worth an attempt.
pub(crate) async fn keep(store: &EvidenceStore, attempt: &Attempt, seen: Capture) -> Option<String> {
    let (store, name) = (store.clone(), format!("{}-{}", attempt.order.po, attempt.no));
    let written = blocking("writing evidence", move || store.keep(&name, &seen));
    match tokio::time::timeout(WRITE_DEADLINE, written).await {
        Ok(Ok(Ok(kept))) => kept,
        Ok(Ok(Err(why))) => {
            tracing::warn!(po = %attempt.order.po, %why, "the evidence of a failed attempt cannot be written");
            None
        }
        Ok(Err(_)) | Err(_) => {
            tracing::warn!(po = %attempt.order.po, "the evidence of a failed attempt was not written in time");
            None
        }
    }
}
