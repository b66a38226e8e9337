//! Download events from the driver's performance log.

use std::collections::HashMap;

use serde_json::Value;

use crate::backend::DownloadEvent;
use crate::net::network_policy::NetworkPolicy;

/// Downloads of one session.
#[derive(Debug, Default)]
pub(crate) struct DownloadLog {
    /// Downloads that have started and not ended.
    running: HashMap<String, KnownDownload>,
    /// Events not taken yet.
    pending: Vec<DownloadEvent>,
}

/// A download that has started.
#[derive(Debug)]
struct KnownDownload {
    /// Whether it started before the last call of `forget`.
    age: DownloadAge,
    /// Whether the server declared its length, as far as events have shown.
    is_length_told: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DownloadAge {
    Current,
    Forgotten,
}

impl DownloadLog {
    /// Drops all events, now and later, of downloads that have started so far. Returns the ids of those that still run.
    pub(crate) fn forget(&mut self, log: &Value) -> Vec<String> {
        self.record(log, &NetworkPolicy::default());
        self.pending.clear();
        let running = self.running.iter_mut().filter(|(_, known)| known.age == DownloadAge::Current);
        running
            .map(|(id, known)| {
                known.age = DownloadAge::Forgotten;
                id.clone()
            })
            .collect()
    }

    /// Records the download events in `log`, a driver's response to a request for its performance log.
    pub(crate) fn record(&mut self, log: &Value, network_policy: &NetworkPolicy) {
        let entries = log.as_array().map(Vec::as_slice).unwrap_or_default();
        for entry in entries {
            let Some((event, total)) = event(entry, network_policy) else { continue };
            if let Some(event) = self.filter(event, total) {
                self.pending.push(event);
            }
        }
    }

    /// Takes the events recorded since the last call, oldest first.
    pub(crate) fn take(&mut self) -> Vec<DownloadEvent> {
        std::mem::take(&mut self.pending)
    }

    /// Drops events of forgotten downloads, and the second start event: browsers report a start in two protocol
    /// domains.
    fn filter(&mut self, mut event: DownloadEvent, total: u64) -> Option<DownloadEvent> {
        let (id, is_start, is_end) = match &event {
            DownloadEvent::Started { id, .. } => (id, true, false),
            DownloadEvent::Progress { id, .. } => (id, false, false),
            DownloadEvent::Completed { id, .. } | DownloadEvent::Canceled { id } => (id, false, true),
            DownloadEvent::BlockedHost { .. } => return Some(event),
        };
        let age = self.running.get(id).map(|known| known.age);
        if let (DownloadEvent::Progress { received, .. }, Some(known)) = (&event, self.running.get_mut(id)) {
            // without a declared length the total equals what has been received
            known.is_length_told |= total > *received;
        }
        if is_start && age.is_none() {
            self.running.insert(id.clone(), KnownDownload { age: DownloadAge::Current, is_length_told: false });
        } else if is_end
            && let Some(known) = self.running.remove(id)
            && let DownloadEvent::Completed { is_length_told, .. } = &mut event
        {
            *is_length_told = known.is_length_told;
        }
        match age {
            Some(DownloadAge::Forgotten) => None,
            Some(DownloadAge::Current) if is_start => None,
            // the start of a download can be missing (in a tab that had just opened); its events are passed on anyway
            Some(DownloadAge::Current) | None => Some(event),
        }
    }
}

/// Parses one log entry that is about a download; with the number of bytes that the browser expects, 0 if unknown.
fn event(entry: &Value, network_policy: &NetworkPolicy) -> Option<(DownloadEvent, u64)> {
    let text = entry.get("message")?.as_str()?;
    if text.contains("unreachableUrl") {
        return blocked_host(text, network_policy).map(|event| (event, 0));
    }
    if !text.contains("ownload") {
        return None; // saves parsing all other entries, which are nearly all of them
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
    let total = count("totalBytes").unwrap_or(0);
    let event = match (method, text("state")) {
        ("downloadWillBegin", _) => {
            DownloadEvent::Started { id, url: text("url").to_owned(), name: text("suggestedFilename").to_owned() }
        }
        ("downloadProgress", "inProgress") => {
            DownloadEvent::Progress { id, received: count("receivedBytes").unwrap_or(0) }
        }
        ("downloadProgress", "completed") => {
            let size = if total > 0 { total } else { count("receivedBytes").unwrap_or(0) };
            DownloadEvent::Completed { id, size, is_length_told: false }
        }
        ("downloadProgress", "canceled") => DownloadEvent::Canceled { id },
        _ => return None,
    };
    Some((event, total))
}

/// The blocked host that the page itself, not a frame in it, was led to. A blocked redirect of a download ends here as
/// well.
fn blocked_host(text: &str, network_policy: &NetworkPolicy) -> Option<DownloadEvent> {
    let outer: Value = serde_json::from_str(text).ok()?;
    let frame = outer.pointer("/message/params/frame").filter(|frame| frame.get("parentId").is_none())?;
    let host = network_policy.blocked(frame.get("unreachableUrl")?.as_str()?)?;
    Some(DownloadEvent::BlockedHost { host })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of bytes, checked not to be negative"
)]
fn whole(bytes: f64) -> u64 {
    bytes as u64
}

/// An id becomes a file name: it must not contain a path.
fn is_safe_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(downloads: &mut DownloadLog, log: &Value) -> Vec<DownloadEvent> {
        downloads.record(log, &NetworkPolicy::default());
        downloads.take()
    }

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
    fn a_download_is_reported_from_start_to_end() {
        let mut downloads = DownloadLog::default();
        let other = entry("Page.loadEventFired", &json!({}));
        let log = json!([other, began("a-1"), progress("a-1", "inProgress", 3, 9), progress("a-1", "completed", 9, 9)]);
        let events = read(&mut downloads, &log);
        assert_eq!(
            events,
            [
                DownloadEvent::Started { id: "a-1".into(), url: "http://h/x".into(), name: "../x".into() },
                DownloadEvent::Progress { id: "a-1".into(), received: 3 },
                DownloadEvent::Completed { id: "a-1".into(), size: 9, is_length_told: true },
            ]
        );
        assert!(downloads.running.is_empty());
    }

    #[test]
    fn downloads_that_started_before_forget_stay_forgotten() {
        let mut downloads = DownloadLog::default();
        let log = json!([began("old"), began("whole"), progress("whole", "completed", 1, 1)]);
        assert_eq!(downloads.forget(&log), ["old"], "what has ended needs no end");
        assert!(downloads.forget(&json!([])).is_empty());
        let events = read(&mut downloads, &json!([progress("old", "completed", 1, 1), began("new")]));
        assert_eq!(events.len(), 1);
        assert!(matches!(&events[0], DownloadEvent::Started { id, .. } if id == "new"));
    }

    #[test]
    fn a_length_that_is_known_only_at_the_end_was_not_declared() {
        let mut downloads = DownloadLog::default();
        let going = |received, total| progress("a", "inProgress", received, total);
        let log = json!([began("a"), going(0, 0), going(22, 0), going(22, 22), progress("a", "completed", 22, 22)]);
        let ended = read(&mut downloads, &log).pop().unwrap();
        assert_eq!(ended, DownloadEvent::Completed { id: "a".into(), size: 22, is_length_told: false });
    }

    #[test]
    fn a_start_reported_twice_is_one_event() {
        let mut downloads = DownloadLog::default();
        assert_eq!(read(&mut downloads, &json!([began("a"), began("a")])).len(), 1);
    }

    #[test]
    fn an_id_with_a_path_is_no_download() {
        let mut downloads = DownloadLog::default();
        let log = json!([began("../../etc/x"), began(""), began("a/b"), began("a\\b")]);
        assert_eq!(read(&mut downloads, &log), []);
    }

    proptest! {
        #[test]
        fn whatever_the_log_holds_ids_are_plain_and_nothing_panics(ids in proptest::collection::vec(".{0,20}", 0..8), junk in ".{0,80}") {
            let mut log: Vec<Value> = ids.iter().map(|id| began(id)).collect();
            log.push(json!({ "message": format!("download{junk}") }));
            for event in read(&mut DownloadLog::default(), &Value::Array(log)) {
                let DownloadEvent::Started { id, .. } = event else { panic!("not a beginning") };
                prop_assert!(is_safe_id(&id));
            }
        }
    }
}
