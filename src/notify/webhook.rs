//! Delivery of notices: one after another, each tried up to three times.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::{debug, warn};
use url::Url;

use super::{Notice, NoticeContext, RunFinished, next_notice};
use crate::config::SecretUrl;
use crate::model::{PoolStatus, Stage};
use crate::net::{HttpClient, HttpError, HttpRequest};
use crate::text::rounded;

/// How long one notice may take, from its connection to the response.
const POST_DEADLINE: Duration = Duration::from_secs(10);
/// How long the end of a run may wait for the delivery.
const FINISH_DEADLINE: Duration = Duration::from_secs(30);
/// Pauses before the second and the third try.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// Accepts notices. Cheap to clone; never waits.
#[derive(Clone, Debug)]
pub struct NotifierHandle(mpsc::UnboundedSender<Notice>);

impl NotifierHandle {
    /// Accepts a notice; one that comes after [`Notice::RunEnded`] is dropped.
    pub fn put(&self, notice: Notice) {
        let _ = self.0.send(notice); // fails only after the end of the run
    }

    /// Follows a pool's status until the pool closes, and accepts the notices that it calls for: that a person is
    /// needed, once each time, and that the run continues. Dropping the future ends that.
    pub async fn follow(self, mut status: watch::Receiver<Arc<PoolStatus>>) {
        let mut is_needed = false;
        loop {
            let now = status.borrow_and_update().clone();
            if let Some(notice) = next_notice(&now, &mut is_needed) {
                self.put(notice);
            }
            if now.pool_status == Stage::Closed || status.changed().await.is_err() {
                return;
            }
        }
    }
}

/// Delivers the notices of one run, in their order. Dropping it drops what is not delivered yet.
#[derive(Debug)]
pub struct Notifier {
    handle: NotifierHandle,
    delivery: JoinHandle<()>,
}

impl Notifier {
    /// Starts on the current runtime. Nothing is sent yet.
    #[must_use]
    pub fn start(address: SecretUrl, context: NoticeContext) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self { handle: NotifierHandle(sender), delivery: tokio::spawn(deliver(address, context, receiver)) }
    }

    /// What accepts its notices.
    #[must_use]
    pub fn handle(&self) -> NotifierHandle {
        self.handle.clone()
    }

    /// Accepts the end of the run and waits for the delivery, at most half a minute. Dropping the future gives up.
    pub async fn finish(mut self, end: RunFinished) {
        self.handle.put(Notice::RunEnded(end));
        match tokio::time::timeout(FINISH_DEADLINE, &mut self.delivery).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => warn!("the delivery of notices failed: {why}"),
            Err(_) => warn!("the notice of the run's end was not delivered within {}", rounded(FINISH_DEADLINE)),
        }
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.delivery.abort();
    }
}

async fn deliver(address: SecretUrl, context: NoticeContext, mut notices: mpsc::UnboundedReceiver<Notice>) {
    let mut client = None;
    let mut has_warned = false;
    while let Some(notice) = notices.recv().await {
        if let Err(why) = send(&mut client, &address, &notice.body(&context)).await {
            let origin = address.origin();
            // once: a wrong address is wrong each time
            if has_warned {
                debug!("a notice to {origin} was not delivered: {why}");
            } else {
                warn!("a notice to {origin} was not delivered: {why}; the run continues without it, check notify_url");
            }
            has_warned = true;
        }
        if matches!(notice, Notice::RunEnded(_)) {
            return;
        }
    }
}

/// Why a notice was not delivered, and whether another try may help.
#[derive(Debug)]
pub(super) struct DeliveryError {
    pub(super) why: String,
    pub(super) may_retry: bool,
}

/// Sends `body`, at most three times.
async fn send(client: &mut Option<HttpClient>, address: &SecretUrl, body: &Value) -> Result<(), String> {
    let client = match client {
        Some(client) => client,
        None => client.insert(HttpClient::for_notices(address.expose()).await.map_err(|why| why.to_string())?),
    };
    let mut pauses = PAUSES.iter();
    loop {
        let Err(failed) = send_once(client, address, body).await else { return Ok(()) };
        match pauses.next() {
            Some(pause) if failed.may_retry => tokio::time::sleep(*pause).await,
            _ => return Err(failed.why),
        }
    }
}

pub(super) async fn send_once(client: &HttpClient, address: &SecretUrl, body: &Value) -> Result<(), DeliveryError> {
    let Ok(url) = Url::parse(address.expose()) else {
        return Err(DeliveryError { why: "its address is not valid".to_owned(), may_retry: false });
    };
    let status = match client.send(HttpRequest::post_json(&url, body.to_string()), POST_DEADLINE).await {
        Ok(response) => response.status(),
        // one that was sent and not answered may have arrived: it is not sent twice
        Err(why) => {
            return Err(DeliveryError { may_retry: matches!(why, HttpError::NoConnection(_)), why: why.to_string() });
        }
    };
    let note = match status {
        200..=299 => return Ok(()),
        300..=399 => ", and redirects are not followed",
        _ => "",
    };
    let why = format!("it answered with status {status}{note}");
    Err(DeliveryError { why, may_retry: status >= 500 || status == 429 })
}
