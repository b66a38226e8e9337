//! HTTP responses to the requests of a page, from the driver's performance log.
//!
//! The log holds every request with all its headers, credentials among them. Only what distinguishes one response from
//! another is kept; everything else is dropped at once and never logged.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::backend::{Initiator, ResponseInfo, SessionError};
use crate::browser::webdriver::client::{SessionClient, WebDriverCommand};
use crate::browser::webdriver::vendor::Vendor;

/// How many responses are kept; the oldest are dropped first. A page that sends requests for ever must not fill the memory.
const MAX_RESPONSES: usize = 256;

/// Has the browser log HTTP responses. Turns off its memory for bodies, which could grow to 100 MB.
///
/// # Errors
/// `Lost`, `DriverUnresponsive`. When the driver does not know the command it logs a warning and succeeds.
pub(crate) async fn enable(client: &SessionClient, vendor: &Vendor, deadline: Duration) -> Result<(), SessionError> {
    let no_bodies = json!({ "maxTotalBufferSize": 0, "maxResourceBufferSize": 0, "maxPostDataSize": 0 });
    let body = json!({ "cmd": "Network.enable", "params": no_bodies });
    match client.send(WebDriverCommand::post("enable network log", vendor.devtools, &body), deadline).await {
        Ok(_) => Ok(()),
        Err(SessionError::Refused(why)) => {
            tracing::warn!(%why, "the browser does not log HTTP responses; reasons for refused files will be missing");
            Ok(())
        }
        Err(other) => Err(other),
    }
}

/// HTTP responses not taken yet.
#[derive(Debug, Default)]
pub(crate) struct NetworkLog(VecDeque<ResponseInfo>);

impl NetworkLog {
    /// Records the responses in `log`, a driver's response to a request for its performance log.
    pub(crate) fn record(&mut self, log: &Value) {
        let entries = log.as_array().map(Vec::as_slice).unwrap_or_default();
        for response in entries.iter().filter_map(response_info) {
            if self.0.len() == MAX_RESPONSES {
                self.0.pop_front();
            }
            self.0.push_back(response);
        }
    }

    /// Takes all responses, oldest first.
    pub(crate) fn take(&mut self) -> Vec<ResponseInfo> {
        std::mem::take(&mut self.0).into()
    }
}

#[derive(Deserialize)]
struct LogEntry {
    message: LogMessage,
    /// The tab, whose id is also that of its outermost frame.
    #[serde(default)]
    webview: String,
}

#[derive(Deserialize)]
struct LogMessage {
    params: LogParams,
}

#[derive(Deserialize)]
struct LogParams {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "frameId", default)]
    frame: String,
    response: Response,
}

#[derive(Deserialize)]
struct Response {
    url: String,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, LogHeader>,
}

/// Value of a header; only text counts.
#[derive(Deserialize)]
#[serde(untagged)]
enum LogHeader {
    Text(String),
    Other(IgnoredAny),
}

/// Parses one log entry that is the response to a navigation or to a script.
fn response_info(entry: &Value) -> Option<ResponseInfo> {
    let text = entry.get("message")?.as_str()?;
    if !text.contains("\"Network.responseReceived\"") {
        return None; // saves parsing all other entries, which are nearly all of them
    }
    let LogEntry { message, webview } = serde_json::from_str(text).ok()?;
    let LogParams { kind, frame, response } = message.params;
    let initiator = match kind.as_str() {
        "Document" if !webview.is_empty() && !frame.is_empty() && frame != webview => Initiator::Frame,
        "Document" => Initiator::Navigation,
        "XHR" | "Fetch" => Initiator::Script,
        _ => return None,
    };
    if !response.url.starts_with("http") {
        return None; // an internal page of the browser
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
        // the query can hold a one-time token
        url: response.url.split(['?', '#']).next().unwrap_or_default().to_owned(),
        status: response.status,
        initiator,
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

    const METHOD: &str = "Network.responseReceived";

    #[test]
    fn a_response_is_recorded_with_its_status_and_without_credentials() {
        let headers =
            json!({ "retry-After": " 30 ", "Content-Type": "Text/HTML; charset=utf-8", "set-cookie": "s3cret" });
        let mut log = NetworkLog::default();
        log.record(&json!([
            entry(METHOD, "Document", "https://h/order?token=s3cret#s3cret", 429, &headers),
            entry(METHOD, "Image", "https://h/a.png", 200, &json!({})),
            entry(METHOD, "Fetch", "https://h/list", 401, &json!({ "content-type": "" })),
            entry(METHOD, "Document", "data:text/html,x", 200, &json!({})),
            entry("Network.responseReceivedExtraInfo", "Document", "https://h/", 200, &headers),
        ]));
        let responses = log.take();
        assert!(!format!("{responses:?}").contains("s3cret"));
        let page = ResponseInfo {
            url: "https://h/order".into(),
            status: 429,
            initiator: Initiator::Navigation,
            media_type: Some("text/html".into()),
            retry_after: Some("30".into()),
        };
        let call = ResponseInfo {
            url: "https://h/list".into(),
            status: 401,
            initiator: Initiator::Script,
            media_type: None,
            retry_after: None,
        };
        assert_eq!(responses, [page, call]);
        assert_eq!(log.take(), []);
    }

    #[test]
    fn the_document_of_a_frame_is_not_the_page_s_own() {
        let of = |frame: &str| {
            let response = json!({ "url": "https://h/x", "status": 403 });
            let params = json!({ "type": "Document", "frameId": frame, "response": response });
            let entry = json!({ "message": { "method": METHOD, "params": params }, "webview": "TAB" });
            let mut log = NetworkLog::default();
            log.record(&json!([{ "message": entry.to_string() }]));
            log.take().pop().unwrap().initiator
        };
        assert_eq!((of("TAB"), of("CHAT")), (Initiator::Navigation, Initiator::Frame));
    }

    #[test]
    fn a_page_that_sends_requests_for_ever_does_not_fill_the_memory() {
        let mut log = NetworkLog::default();
        for number in 0..1_000 {
            log.record(&json!([entry(METHOD, "XHR", &format!("https://h/{number}"), 200, &json!({}))]));
        }
        let responses = log.take();
        assert_eq!((responses.len(), responses.last().unwrap().url.as_str()), (MAX_RESPONSES, "https://h/999"));
    }

    proptest! {
        #[test]
        fn whatever_the_log_holds_nothing_panics(junk in ".{0,80}", status in any::<i64>()) {
            let odd = json!({ "type": "XHR", "response": { "url": junk, "status": status, "headers": [junk] } });
            let odd = json!({ "message": { "method": METHOD, "params": odd } }).to_string();
            let half = format!("\"Network.responseReceived\"{junk}");
            NetworkLog::default().record(&json!([{ "message": odd }, { "message": half }, { "message": junk }, junk]));
        }
    }
}
