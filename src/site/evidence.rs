//! What is kept of a failed attempt: what the page showed, and what the driver said, without anything that lets in.

mod store;

use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;

use super::classify::without_query;
use crate::model::FailureKind;
use crate::ports::{Attempt, AttemptError, Page, Session, SessionError};

pub(super) use store::Store;
pub use store::evidence_folder;

const SOURCE: &str = include_str!("scripts/source.js");

/// Of a page's source so many characters are kept.
const MAX_SOURCE: usize = 256 * 1024;

/// Shorter values of cookies are flags, which blot out half the page and let nobody in.
const SHORTEST_SECRET: usize = 6;

/// How long writing may take: nobody waits for a disk that does not answer.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);

const REMOVED: &str = "[removed]";

/// Everything that was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    record: Record,
    source: Option<String>,
    screenshot: Option<Vec<u8>>,
}

/// `failure.json`.
#[derive(Debug, Default, Serialize)]
struct Record {
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
    /// Why something could not be had.
    lacking: Option<String>,
}

/// Looks at a session whose attempt has failed.
///
/// Each command is bounded by its own deadline, and after the first one that fails no other is sent: there is no limit
/// over all of them, since one that is broken off would cost the session.
pub(super) async fn look(
    session: &mut dyn Session,
    attempt: &Attempt,
    error: &AttemptError,
    password: Option<&SecretString>,
) -> Seen {
    let mut secrets: Vec<String> = password.map(|password| password.expose_secret().to_owned()).into_iter().collect();
    let mut seen = Seen::default();
    if session.is_usable() {
        let looked = look_at_page(session.page(), &mut seen, &mut secrets).await;
        seen.record.lacking = looked.err().map(|why| why.to_string());
    } else {
        seen.record.lacking = Some("the browser could not be spoken to any more".to_owned());
    }
    let Record { url, title, http_status, lacking, .. } = std::mem::take(&mut seen.record);
    let clean = |text: &str| without(&secrets, &without_queries(text));
    seen.record = Record {
        po_number: attempt.order.po.to_string(),
        attempt: attempt.no.0,
        worker: attempt.worker.to_string(),
        at: Some(Timestamp::now()),
        kind: Some(error.kind),
        message: clean(&error.message),
        url: url.map(|url| clean(&url)),
        title: title.map(|title| clean(&title)),
        http_status,
        driver: clean(&session.last_words()),
        lacking: lacking.map(|why| clean(&why)),
    };
    seen.source = seen.source.map(|source| without(&secrets, &source));
    seen
}

async fn look_at_page(page: &mut dyn Page, seen: &mut Seen, secrets: &mut Vec<String>) -> Result<(), SessionError> {
    match page.cookies().await {
        Ok(cookies) => {
            let values = cookies.iter().map(|cookie| cookie.value.expose_secret());
            secrets.extend(values.filter(|value| value.len() >= SHORTEST_SECRET).map(str::to_owned));
        }
        // a page without an address of its own, such as the browser's own error page, has none
        Err(SessionError::Refused(_)) => {}
        Err(other) => return Err(other),
    }
    let shown = page.evidence().await?;
    seen.record.url = Some(without_query(&shown.url).to_owned());
    seen.record.title = Some(shown.title);
    seen.record.http_status = shown.status;
    match page.evaluate(SOURCE, vec![Value::from(MAX_SOURCE)]).await? {
        Value::String(source) => seen.source = Some(source),
        _ => tracing::debug!("the page gave no source"),
    }
    seen.screenshot = Some(page.screenshot().await?);
    Ok(())
}

/// `text` without any of `secrets`, however they are written in a page.
fn without(secrets: &[String], text: &str) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let attribute = html.replace('"', "&quot;");
        for spelling in [form.replace('+', "%20"), form, attribute, html, secret.clone()] {
            text = text.replace(&spelling, REMOVED);
        }
    }
    text
}

/// `text` with every address in it cut before its query and fragment, which may hold tokens.
fn without_queries(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, address) = rest.split_at(at);
        let end = address.find(|c: char| c.is_whitespace() || "\"'<>`)]}|\\".contains(c)).unwrap_or(address.len());
        kept.push_str(before);
        kept.push_str(without_query(&address[..end]));
        rest = &address[end..];
    }
    kept.push_str(rest);
    kept
}

/// Writes it down and says where. What cannot be written is not worth an attempt.
pub(super) async fn keep(store: &Store, attempt: &Attempt, seen: Seen) -> Option<String> {
    let (store, name) = (store.clone(), format!("{}-{}", attempt.order.po, attempt.no));
    let written = tokio::task::spawn_blocking(move || store.keep(&name, &seen));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_removed_in_every_spelling() {
        let secrets = vec!["p<w&\"1 +".to_owned()];
        for text in ["p<w&\"1 +", "p%3Cw%26%221+%2B", "p%3Cw%26%221%20%2B", "p&lt;w&amp;\"1 +", "p&lt;w&amp;&quot;1 +"]
        {
            assert_eq!(without(&secrets, &format!("a{text}b")), "a[removed]b", "{text}");
        }
    }

    #[test]
    fn addresses_lose_what_may_be_a_token() {
        let text = "GET https://a.test/x?t=1#f, then \"http://b.test/y?u=2\" and https://c.test/z";
        assert_eq!(without_queries(text), "GET https://a.test/x then \"http://b.test/y\" and https://c.test/z");
        assert_eq!(without_queries("no address? none"), "no address? none");
    }
}
