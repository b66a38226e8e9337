//! The frames of a session: who waits for the news of which, and what the conductor is to be told next.

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use url::Url;

use super::conductor::look_name;
use super::messages::{Catch, FrameCommand, FrameEvent, FrameNews};
use crate::backend::AttemptError;
use crate::model::FileOrigin;

/// What a frame is told: news, or why it is not opened.
type News = Result<FrameNews, AttemptError>;

/// A wish of a walk.
enum FrameRequest {
    Open { url: Url, origin: FileOrigin, news: UnboundedSender<News>, id: UnboundedSender<u32> },
    Catch { id: u32, elements: Vec<Catch> },
    Close { id: u32 },
}

/// Opens frames. Cheap to clone.
#[derive(Clone)]
pub(crate) struct FrameOpener(UnboundedSender<FrameRequest>);

/// A page in a frame. Dropping it closes the frame.
pub(crate) struct Frame {
    requests: UnboundedSender<FrameRequest>,
    news: UnboundedReceiver<News>,
    /// Comes when the frame is opened.
    given: UnboundedReceiver<u32>,
    id: Option<u32>,
}

impl FrameOpener {
    /// Has a page opened in a frame as soon as there is a conductor.
    pub(crate) fn open(&self, url: &Url, origin: FileOrigin) -> Frame {
        let (news, received) = unbounded_channel();
        let (id, given) = unbounded_channel();
        // whoever waits for news of a host that is gone is told so
        drop(self.0.send(FrameRequest::Open { url: url.clone(), origin, news, id }));
        Frame { requests: self.0.clone(), news: received, given, id: None }
    }
}

impl Frame {
    /// What has become of it; none when the conductor is gone. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Why it was not opened.
    pub(crate) async fn news(&mut self) -> Option<Result<FrameNews, AttemptError>> {
        self.news.recv().await
    }

    /// Has elements clicked, for the addresses behind them.
    pub(crate) fn catch(&mut self, elements: Vec<Catch>) {
        if let Some(id) = self.id() {
            drop(self.requests.send(FrameRequest::Catch { id, elements }));
        }
    }

    fn id(&mut self) -> Option<u32> {
        if self.id.is_none() {
            self.id = self.given.try_recv().ok();
        }
        self.id
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        if let Some(id) = self.id() {
            drop(self.requests.send(FrameRequest::Close { id }));
        }
    }
}

/// The frames of one session.
pub(crate) struct FrameHost {
    requests: UnboundedReceiver<FrameRequest>,
    opener: FrameOpener,
    open: BTreeMap<u32, UnboundedSender<News>>,
    waiting: VecDeque<FrameRequest>,
    commands: Vec<FrameCommand>,
    last_id: u32,
    /// Frames that this conductor has opened.
    opened_count: usize,
}

impl FrameHost {
    pub(crate) fn new() -> Self {
        let (sender, requests) = unbounded_channel();
        Self {
            requests,
            opener: FrameOpener(sender),
            open: BTreeMap::new(),
            waiting: VecDeque::new(),
            commands: Vec::new(),
            last_id: 0,
            opened_count: 0,
        }
    }

    pub(crate) fn opener(&self) -> FrameOpener {
        self.opener.clone()
    }

    /// Waits for a wish and takes note of it. Dropping the future loses nothing.
    pub(crate) async fn listen(&mut self) {
        // never none: this host holds a sender itself
        if let Some(request) = self.requests.recv().await {
            self.take(request);
        }
    }

    /// Takes note of all wishes that are there.
    pub(crate) fn gather(&mut self) {
        while let Ok(request) = self.requests.try_recv() {
            self.take(request);
        }
    }

    fn take(&mut self, request: FrameRequest) {
        match request {
            FrameRequest::Open { .. } => self.waiting.push_back(request),
            FrameRequest::Catch { id, elements } if self.open.contains_key(&id) => {
                self.commands.push(FrameCommand::Catch { id, elements });
            }
            FrameRequest::Close { id } if self.open.remove(&id).is_some() => {
                self.commands.push(FrameCommand::Close { id });
            }
            FrameRequest::Catch { .. } | FrameRequest::Close { .. } => {}
        }
    }

    /// Has the frames opened that wait for it.
    pub(crate) fn open_waiting(&mut self) {
        for request in self.waiting.drain(..) {
            let FrameRequest::Open { url, origin, news, id: given } = request else { continue };
            if news.is_closed() {
                continue; // nobody wants it any more
            }
            self.last_id = self.last_id.wrapping_add(1);
            self.opened_count += 1;
            let id = self.last_id;
            let _ = given.send(id);
            self.open.insert(id, news);
            self.commands.push(FrameCommand::Open { id, url: url.into(), look: look_name(origin) });
        }
    }

    /// Tells all that wait for a frame why there will be none.
    pub(crate) fn refuse_waiting(&mut self, why: &AttemptError) {
        for request in self.waiting.drain(..) {
            if let FrameRequest::Open { news, .. } = request {
                let error =
                    AttemptError { retry_after: why.retry_after, ..AttemptError::new(why.kind, why.message.clone()) };
                drop(news.send(Err(error)));
            }
        }
    }

    /// The conductor is gone, and all its frames with it.
    pub(crate) fn lose_all(&mut self) {
        self.open.clear();
        self.commands.clear();
        self.opened_count = 0;
    }

    /// Lets go of those who wait for a frame: no frames are to be had here.
    pub(crate) fn drop_waiting(&mut self) {
        self.waiting.clear();
    }

    pub(crate) fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    pub(crate) fn open_count(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn has_waiting(&self) -> bool {
        self.waiting.iter().any(|request| matches!(request, FrameRequest::Open { news, .. } if !news.is_closed()))
    }

    pub(crate) fn has_commands(&self) -> bool {
        !self.commands.is_empty()
    }

    /// How many frames the conductor has opened.
    pub(crate) fn opened_count(&self) -> usize {
        self.opened_count
    }

    pub(crate) fn take_commands(&mut self) -> Vec<FrameCommand> {
        std::mem::take(&mut self.commands)
    }

    /// Hands news to those who wait for them.
    pub(crate) fn deliver(&mut self, events: Vec<FrameEvent>) {
        for FrameEvent { id, news, took } in events {
            tracing::trace!(id, took, ?news, "news of a frame");
            if let Some(waiting) = self.open.get(&id) {
                drop(waiting.send(Ok(news)));
            }
        }
    }
}
