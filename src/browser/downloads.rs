//! The driver's log, read as download events.

use std::collections::HashMap;

use serde_json::Value;

use super::walls::Walls;
use crate::ports::DownloadEvent;

/// What is known of the downloads of one session.
#[derive(Debug, Default)]
pub(super) struct Downloads {
    /// Those that began, with whether that was before the last forgetting.
    under_way: HashMap<String, Age>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    Current,
    Forgotten,
}

impl Downloads {
    /// From now on, nothing is told of what has begun so far.
    pub(super) fn forget(&mut self, log: &Value) {
        self.read(log, &Walls::default());
        for age in self.under_way.values_mut() {
            *age = Age::Forgotten;
        }
    }

    /// The events in a driver's answer to a question for its performance log.
    pub(super) fn read(&mut self, log: &Value, walls: &Walls) -> Vec<DownloadEvent> {
        let entries = log.as_array().map(Vec::as_slice).unwrap_or_default();
        entries.iter().filter_map(|entry| self.take(event(entry, walls)?)).collect()
    }

    /// Drops what is forgotten or has been told before: browsers report a beginning in two domains of their protocol.
    fn take(&mut self, event: DownloadEvent) -> Option<DownloadEvent> {
        let (id, is_begin, is_end) = match &event {
            DownloadEvent::Began { id, .. } => (id, true, false),
            DownloadEvent::Progress { id, .. } => (id, false, false),
            DownloadEvent::Completed { id, .. } | DownloadEvent::Canceled { id } => (id, false, true),
            DownloadEvent::Walled { .. } => return Some(event),
        };
        let known = self.under_way.get(id).copied();
        if is_begin && known.is_none() {
            self.under_way.insert(id.clone(), Age::Current);
        } else if is_end && known.is_some() {
            self.under_way.remove(id);
        }
        match known {
            Some(Age::Forgotten) => None,
            Some(Age::Current) if is_begin => None,
            // one whose beginning was not told (in a tab that had just opened) is still better known than not
            Some(Age::Current) | None => Some(event),
        }
    }
}

/// One entry of the log, if it is about a download.
fn event(entry: &Value, walls: &Walls) -> Option<DownloadEvent> {
    let text = entry.get("message")?.as_str()?;
    if text.contains("unreachableUrl") {
        return walled(text, walls);
    }
    if !text.contains("ownload") {
        return None; // spares parsing the rest, which is nearly all
    }
    let outer: Value = serde_json::from_str(text).ok()?;
    let message = outer.get("message")?;
    let params = message.get("params")?;
    let id = params.get("guid")?.as_str().filter(|id| is_safe_id(id))?.to_owned();
    let count = |name: &str| {
        let number = params.get(name)?;
        number.as_u64().or_else(|| number.as_f64().filter(|bytes| *bytes >= 0.0).map(whole))
    };
    let text = |name: &str| params.get(name).and_then(Value::as_str).unwrap_or_default();
    let (_, method) = message.get("method")?.as_str()?.split_once('.')?;
    match (method, text("state")) {
        ("downloadWillBegin", _) => {
            Some(DownloadEvent::Began { id, url: text("url").to_owned(), name: text("suggestedFilename").to_owned() })
        }
        ("downloadProgress", "inProgress") => {
            Some(DownloadEvent::Progress { id, received: count("receivedBytes").unwrap_or(0) })
        }
        ("downloadProgress", "completed") => {
            let size = count("totalBytes").filter(|total| *total > 0).or_else(|| count("receivedBytes"));
            Some(DownloadEvent::Completed { id, size: size.unwrap_or(0) })
        }
        ("downloadProgress", "canceled") => Some(DownloadEvent::Canceled { id }),
        _ => None,
    }
}

/// The page itself, and not a frame in it, was to show an address that the walls refuse. Redirects that a link is saved
/// through end there as well.
fn walled(text: &str, walls: &Walls) -> Option<DownloadEvent> {
    let outer: Value = serde_json::from_str(text).ok()?;
    let frame = outer.pointer("/message/params/frame").filter(|frame| frame.get("parentId").is_none())?;
    let host = walls.refused(frame.get("unreachableUrl")?.as_str()?)?;
    Some(DownloadEvent::Walled { host })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of bytes, checked not to be negative"
)]
fn whole(bytes: f64) -> u64 {
    bytes as u64
}

/// An id becomes a file name: it must not lead anywhere else.
fn is_safe_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn entry(method: &str, params: &Value) -> Value {
        let text = json!({ "message": { "method": method, "params": params }, "webview": "X" }).to_string();
        json!({ "level": "INFO", "message": text, "timestamp": 1 })
    }

    fn began(id: &str) -> Value {
        entry("Page.downloadWillBegin", &json!({ "guid": id, "url": "http://h/x", "suggestedFilename": "../x" }))
    }

    fn progress(id: &str, state: &str, bytes: u64, total: u64) -> Value {
        let params = json!({ "guid": id, "receivedBytes": bytes, "totalBytes": total, "state": state });
        entry("Page.downloadProgress", &params)
    }

    #[test]
    fn a_download_is_told_from_beginning_to_end() {
        let mut downloads = Downloads::default();
        let other = entry("Page.loadEventFired", &json!({}));
        let log = json!([other, began("a-1"), progress("a-1", "inProgress", 3, 9), progress("a-1", "completed", 9, 9)]);
        let events = downloads.read(&log, &Walls::default());
        assert_eq!(
            events,
            [
                DownloadEvent::Began { id: "a-1".into(), url: "http://h/x".into(), name: "../x".into() },
                DownloadEvent::Progress { id: "a-1".into(), received: 3 },
                DownloadEvent::Completed { id: "a-1".into(), size: 9 },
            ]
        );
        assert!(downloads.under_way.is_empty());
    }

    #[test]
    fn what_began_before_the_forgetting_stays_forgotten() {
        let mut downloads = Downloads::default();
        downloads.forget(&json!([began("old")]));
        let events = downloads.read(&json!([progress("old", "completed", 1, 1), began("new")]), &Walls::default());
        assert_eq!(events.len(), 1);
        assert!(matches!(&events[0], DownloadEvent::Began { id, .. } if id == "new"));
    }

    #[test]
    fn a_beginning_reported_twice_is_told_once() {
        let mut downloads = Downloads::default();
        assert_eq!(downloads.read(&json!([began("a"), began("a")]), &Walls::default()).len(), 1);
    }

    #[test]
    fn an_id_that_leads_elsewhere_is_no_download() {
        let mut downloads = Downloads::default();
        assert_eq!(
            downloads.read(&json!([began("../../etc/x"), began(""), began("a/b"), began("a\\b")]), &Walls::default()),
            []
        );
    }

    proptest! {
        #[test]
        fn whatever_the_log_holds_ids_are_plain_and_nothing_panics(ids in proptest::collection::vec(".{0,20}", 0..8), junk in ".{0,80}") {
            let mut log: Vec<Value> = ids.iter().map(|id| began(id)).collect();
            log.push(json!({ "message": format!("download{junk}") }));
            for event in Downloads::default().read(&Value::Array(log), &Walls::default()) {
                let DownloadEvent::Began { id, .. } = event else { panic!("not a beginning") };
                prop_assert!(is_safe_id(&id));
            }
        }
    }
}
