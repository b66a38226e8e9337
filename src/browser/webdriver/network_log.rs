//! The driver's log, read as the answers that a portal gave to the requests of a page.
//!
//! The network domain tells of every request with all its headers, those that let in among them. What is not needed to
//! tell one answer from another is dropped here, at once and unread: it is neither kept nor logged.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::backend::{Initiator, ResponseInfo, SessionError};
use crate::browser::webdriver::client::{SessionClient, WebDriverCommand};
use crate::browser::webdriver::vendor::Vendor;

/// A page that asks for ever must not fill the memory: of more answers than this the oldest are forgotten.
const MAX_KEPT: usize = 256;

/// Has the browser tell what it is answered. The bodies are not kept for anybody: without that a browser holds up to
/// 100 MB of them.
///
/// # Errors
/// `Lost`, `DriverUnresponsive`. A driver that does not know the command is no error: nothing is told then, and a warning says so.
pub(crate) async fn listen(line: &SessionClient, dialect: &Vendor, deadline: Duration) -> Result<(), SessionError> {
    let nothing = json!({ "maxTotalBufferSize": 0, "maxResourceBufferSize": 0, "maxPostDataSize": 0 });
    let body = json!({ "cmd": "Network.enable", "params": nothing });
    match line.send(WebDriverCommand::post("listen", dialect.devtools, &body), deadline).await {
        Ok(_) => Ok(()),
        Err(SessionError::Refused(why)) => {
            tracing::warn!(%why, "the browser does not tell what a portal answers: why files are refused stays unknown");
            Ok(())
        }
        Err(other) => Err(other),
    }
}

/// Answers that nobody has asked for yet.
#[derive(Debug, Default)]
pub(crate) struct NetworkLog(VecDeque<ResponseInfo>);

impl NetworkLog {
    /// Takes note of what a driver's answer to a question for its performance log holds.
    pub(crate) fn gather(&mut self, log: &Value) {
        let entries = log.as_array().map(Vec::as_slice).unwrap_or_default();
        for answer in entries.iter().filter_map(answer) {
            if self.0.len() == MAX_KEPT {
                self.0.pop_front();
            }
            self.0.push_back(answer);
        }
    }

    /// All of them, oldest first.
    pub(crate) fn take(&mut self) -> Vec<ResponseInfo> {
        std::mem::take(&mut self.0).into()
    }
}

#[derive(Deserialize)]
struct LogEntry {
    message: LogMessage,
}

#[derive(Deserialize)]
struct LogMessage {
    params: LogParams,
}

#[derive(Deserialize)]
struct LogParams {
    #[serde(rename = "type")]
    kind: String,
    response: Response,
}

#[derive(Deserialize)]
struct Response {
    url: String,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, LogHeader>,
}

/// A header's value. Anything but text is none.
#[derive(Deserialize)]
#[serde(untagged)]
enum LogHeader {
    Text(String),
    Other(IgnoredAny),
}

/// One entry of the log, if it is an answer to a page or to its script.
fn answer(entry: &Value) -> Option<ResponseInfo> {
    let text = entry.get("message")?.as_str()?;
    if !text.contains("\"Network.responseReceived\"") {
        return None; // spares parsing the rest, which is nearly all
    }
    let LogParams { kind, response } = serde_json::from_str::<LogEntry>(text).ok()?.message.params;
    let asker = match kind.as_str() {
        "Document" => Initiator::Navigation,
        "XHR" | "Fetch" => Initiator::Script,
        _ => return None,
    };
    if !response.url.starts_with("http") {
        return None; // a page of the browser's own
    }
    let header = |wanted: &str| {
        response.headers.iter().find_map(|(name, value)| match value {
            LogHeader::Text(text) if name.eq_ignore_ascii_case(wanted) => Some(text.trim().to_owned()),
            LogHeader::Text(_) | LogHeader::Other(_) => None,
        })
    };
    let media_type = header("content-type").map(|text| {
        let media_type = text.split([';', ',']).next().unwrap_or_default();
        media_type.trim().to_ascii_lowercase()
    });
    Some(ResponseInfo {
        // what follows can be a one-time token
        url: response.url.split(['?', '#']).next().unwrap_or_default().to_owned(),
        status: response.status,
        asker,
        media_type: media_type.filter(|text| !text.is_empty()),
        retry_after: header("retry-after"),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(method: &str, kind: &str, url: &str, status: u16, headers: &Value) -> Value {
        let response = json!({ "url": url, "status": status, "headers": headers,
                               "requestHeaders": { "Cookie": "_coupa_session=s3cret" } });
        let params = json!({ "type": kind, "requestId": "1.2", "response": response });
        json!({ "message": json!({ "message": { "method": method, "params": params } }).to_string() })
    }

    const TOLD: &str = "Network.responseReceived";

    #[test]
    fn an_answer_is_told_with_what_matters_of_it_and_without_what_lets_in() {
        let headers =
            json!({ "retry-After": " 30 ", "Content-Type": "Text/HTML; charset=utf-8", "set-cookie": "s3cret" });
        let mut answers = NetworkLog::default();
        answers.gather(&json!([
            entry(TOLD, "Document", "https://h/order?token=s3cret#s3cret", 429, &headers),
            entry(TOLD, "Image", "https://h/a.png", 200, &json!({})),
            entry(TOLD, "Fetch", "https://h/list", 401, &json!({ "content-type": "" })),
            entry(TOLD, "Document", "data:text/html,x", 200, &json!({})),
            entry("Network.responseReceivedExtraInfo", "Document", "https://h/", 200, &headers),
        ]));
        let told = answers.take();
        assert!(!format!("{told:?}").contains("s3cret"));
        let page = ResponseInfo {
            url: "https://h/order".into(),
            status: 429,
            asker: Initiator::Navigation,
            media_type: Some("text/html".into()),
            retry_after: Some("30".into()),
        };
        let call = ResponseInfo {
            url: "https://h/list".into(),
            status: 401,
            asker: Initiator::Script,
            media_type: None,
            retry_after: None,
        };
        assert_eq!(told, [page, call]);
        assert_eq!(answers.take(), []);
    }

    #[test]
    fn a_page_that_asks_for_ever_fills_no_memory() {
        let mut answers = NetworkLog::default();
        for number in 0..1_000 {
            answers.gather(&json!([entry(TOLD, "XHR", &format!("https://h/{number}"), 200, &json!({}))]));
        }
        let told = answers.take();
        assert_eq!((told.len(), told.last().unwrap().url.as_str()), (MAX_KEPT, "https://h/999"));
    }

    proptest! {
        #[test]
        fn whatever_the_log_holds_nothing_panics(junk in ".{0,80}", status in any::<i64>()) {
            let odd = json!({ "type": "XHR", "response": { "url": junk, "status": status, "headers": [junk] } });
            let odd = json!({ "message": { "method": TOLD, "params": odd } }).to_string();
            let half = format!("\"Network.responseReceived\"{junk}");
            NetworkLog::default().gather(&json!([{ "message": odd }, { "message": half }, { "message": junk }, junk]));
        }
    }
}
