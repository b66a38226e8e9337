//! Notices to a webhook: that a person is needed for the login, that the run goes on, that it has ended. They are sent
//! beside the run, which never waits for one and never fails because of one.
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::{debug, warn};
use url::Url;

use super::report::Summary;
use crate::config::SecretUrl;
use crate::model::{DispatchState, OrderStatus, PoolStatus, RunId, Stage};
use crate::net::{HttpClient, HttpError, HttpRequest};

/// How long one notice may take, from its connection to its answer.
const POST_DEADLINE: Duration = Duration::from_secs(10);
/// How long the end of a run may wait until all is delivered.
const FINISH_DEADLINE: Duration = Duration::from_secs(30);
/// Waits before the second and the third try.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];
/// A sentence is longer than this only when somebody else wrote a part of it.
const MAX_TEXT: usize = 1000;

/// Something that a person elsewhere should know.
#[derive(Clone, Debug)]
pub enum Notice {
    /// The run waits until a person has logged in.
    LoginNeeded {
        /// Why, and what to do.
        reason: String,
    },
    /// The login is there again, and the run goes on.
    LoginRestored,
    /// The run has ended. Nothing is sent after it.
    RunEnded(RunFinished),
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct RunFinished {
    /// The exit code of the program.
    pub exit_code: u8,
    /// The same in a word for programs, such as `failures`.
    pub status: &'static str,
    /// Why, where it did not come to its report.
    pub message: Option<String>,
    /// Its counts, where it came to its report.
    pub summary: Option<Summary>,
}

/// The run that notices are about.
#[derive(Clone, Debug)]
pub struct NoticeContext {
    /// Its name.
    pub run: RunId,
    /// The portal's address.
    pub portal: Option<String>,
    /// The output folder.
    pub output: PathBuf,
}

impl Notice {
    /// The JSON that is sent: `event`, `text` (a sentence, which chat programs show as it is), and the facts.
    #[must_use]
    pub fn body(&self, place: &NoticeContext) -> Value {
        let (event, text, facts) = match self {
            Self::LoginNeeded { reason } => {
                ("login_needed", format!("coupa-batch waits for a person: {reason}"), json!({ "reason": reason }))
            }
            Self::LoginRestored => {
                ("login_restored", "coupa-batch goes on: the login is there again".to_owned(), json!({}))
            }
            Self::RunEnded(end) => ("run_ended", end.sentence(), end.facts()),
        };
        let output = place.output.display().to_string();
        let text = harmless(&format!("{text} (run {}, folder {output})", place.run));
        let mut body = json!({
            "event": event, "text": text, "run": place.run, "portal": place.portal, "output": output,
        });
        if let (Some(body), Value::Object(facts)) = (body.as_object_mut(), facts) {
            body.extend(facts);
        }
        body
    }
}

impl RunFinished {
    fn sentence(&self) -> String {
        let Some(summary) = &self.summary else {
            let why = self.message.as_deref().unwrap_or("it did not come to its report");
            return format!("coupa-batch ended with exit code {}: {why}", self.exit_code);
        };
        let well = summary.count(OrderStatus::Completed) + summary.count(OrderStatus::NoAttachments);
        let open = summary.open_count();
        let bad = summary.orders - well - open;
        let mut text = match (&summary.stopped_because, open) {
            (Some(why), _) => format!("coupa-batch stopped early ({why}): "),
            (None, 0) => "coupa-batch is done: ".to_owned(),
            (None, _) => "coupa-batch stopped early: ".to_owned(),
        };
        text += &format!("{} orders, {well} well, {bad} not, {open} open; {} files", summary.orders, summary.files);
        text += &format!("; exit code {}", self.exit_code);
        text
    }

    fn facts(&self) -> Value {
        let summary = self.summary.as_ref();
        json!({
            "status": self.status,
            "exit_code": self.exit_code,
            "reason": self.message.as_ref().or(summary.and_then(|summary| summary.stopped_because.as_ref())),
            "counts": summary.map(|summary| json!({
                "orders": summary.orders,
                "open": summary.open_count(),
                "by_status": summary.by_status,
                "files": summary.files,
                "bytes": summary.bytes,
                "missing": summary.missing,
                "rejected": summary.rejected,
            })),
        })
    }
}

/// Texts may quote the portal: no mention of a whole channel, no link and no line of its own comes out of that.
fn harmless(text: &str) -> String {
    let plain = text.chars().map(|c| match c {
        '<' => '‹',
        '>' => '›',
        '@' => '＠',
        c if c.is_control() => ' ',
        c => c,
    });
    plain.take(MAX_TEXT).collect()
}

/// Where notices are handed in; cheap to clone, and never waits.
#[derive(Clone, Debug)]
pub struct NotifierHandle(mpsc::UnboundedSender<Notice>);

impl NotifierHandle {
    /// Hands in a notice. After [`Notice::RunEnded`] it is dropped.
    pub fn put(&self, notice: Notice) {
        let _ = self.0.send(notice); // whoever came after the end has nothing to say
    }

    /// Hands in what a pool's status calls for until the pool is closed: that a person is needed, once each time, and that
    /// the run goes on. Dropping the future ends that.
    pub async fn follow(self, mut status: watch::Receiver<Arc<PoolStatus>>) {
        let mut is_needed = false;
        loop {
            let now = status.borrow_and_update().clone();
            if let Some(notice) = news(&now, &mut is_needed) {
                self.put(notice);
            }
            if now.pool_status == Stage::Closed || status.changed().await.is_err() {
                return;
            }
        }
    }
}

/// What there is to tell of a new status.
fn news(status: &PoolStatus, is_needed: &mut bool) -> Option<Notice> {
    if status.pool_status != Stage::Running {
        return None; // its end says the rest
    }
    match &status.dispatch {
        DispatchState::Suspended { reason, needs_person: true } if !*is_needed => {
            *is_needed = true;
            Some(Notice::LoginNeeded { reason: reason.clone() })
        }
        DispatchState::Running if *is_needed => {
            *is_needed = false;
            Some(Notice::LoginRestored)
        }
        DispatchState::Running | DispatchState::Paused | DispatchState::Suspended { .. } => None,
    }
}

/// Delivers the notices of one run, in their order. Dropping it leaves the rest undelivered.
#[derive(Debug)]
pub struct Notifier {
    mailbox: NotifierHandle,
    delivery: JoinHandle<()>,
}

impl Notifier {
    /// Starts on the current runtime. Nothing is sent yet.
    #[must_use]
    pub fn start(address: SecretUrl, place: NoticeContext) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self { mailbox: NotifierHandle(sender), delivery: tokio::spawn(deliver(address, place, receiver)) }
    }

    /// Where to hand in.
    #[must_use]
    pub fn mailbox(&self) -> NotifierHandle {
        self.mailbox.clone()
    }

    /// Hands in the end of the run and waits until everything is delivered or given up, half a minute at most. Dropping
    /// the future gives up.
    pub async fn finish(mut self, end: RunFinished) {
        self.mailbox.put(Notice::RunEnded(end));
        match tokio::time::timeout(FINISH_DEADLINE, &mut self.delivery).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => warn!("the delivery of notices broke off: {why}"),
            Err(_) => warn!("the notice of the run's end was given up after {FINISH_DEADLINE:?}"),
        }
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.delivery.abort();
    }
}

async fn deliver(address: SecretUrl, place: NoticeContext, mut letters: mpsc::UnboundedReceiver<Notice>) {
    let mut client = None;
    let mut is_told = false;
    while let Some(notice) = letters.recv().await {
        if let Err(why) = post(&mut client, &address, &notice.body(&place)).await {
            // once: a hook that is wrong is wrong each time
            if is_told {
                debug!("a notice to {} was not delivered: {why}", address.origin());
            } else {
                warn!(
                    "a notice to {} was not delivered: {why}; the run goes on without it, check notify_url",
                    address.origin()
                );
            }
            is_told = true;
        }
        if matches!(notice, Notice::RunEnded(_)) {
            return;
        }
    }
}

/// Why a try failed, and whether another one may help.
struct DeliveryError {
    why: String,
    is_passing: bool,
}

/// Sends `body`, three times at most.
async fn post(client: &mut Option<HttpClient>, address: &SecretUrl, body: &Value) -> Result<(), String> {
    let ready = match client {
        Some(ready) => ready,
        None => {
            let prepared = HttpClient::for_notices(address.expose()).await;
            client.insert(prepared.map_err(|why| why.to_string())?)
        }
    };
    let mut pauses = PAUSES.iter();
    loop {
        let Err(failed) = post_once(ready, address, body).await else { return Ok(()) };
        match pauses.next() {
            Some(pause) if failed.is_passing => tokio::time::sleep(*pause).await,
            _ => return Err(failed.why),
        }
    }
}

async fn post_once(client: &HttpClient, address: &SecretUrl, body: &Value) -> Result<(), DeliveryError> {
    let Ok(url) = Url::parse(address.expose()) else {
        return Err(DeliveryError { why: "its address is none".to_owned(), is_passing: false });
    };
    let status = match client.send(HttpRequest::post_json(&url, body.to_string()), POST_DEADLINE).await {
        Ok(answer) => answer.status(),
        // one that was sent and not answered may have arrived: it is not sent twice
        Err(why) => {
            return Err(DeliveryError { is_passing: matches!(why, HttpError::NoConnection(_)), why: why.to_string() });
        }
    };
    match status {
        200..=299 => Ok(()),
        300..=399 => Err(DeliveryError {
            why: format!("it answered with status {status}, and redirections are not followed"),
            is_passing: false,
        }),
        _ => Err(DeliveryError {
            why: format!("it answered with status {status}"),
            is_passing: status >= 500 || status == 429,
        }),
    }
}
