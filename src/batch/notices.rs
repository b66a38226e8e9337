//! Notices of a run to a webhook: listens to its events.

use std::sync::{Mutex, PoisonError};

use crate::config::PoolConfig;
use crate::notify::{NoticeContext, Notifier, RunFinished};

use crate::batch::event::BatchEvent;

/// Sends the notices of one run, if a webhook is configured.
pub(crate) struct RunNotices {
    config: PoolConfig,
    notifier: Mutex<Option<Notifier>>,
}

impl RunNotices {
    /// Sends nothing until the first event.
    pub(crate) fn new(config: &PoolConfig) -> Self {
        Self { config: config.clone(), notifier: Mutex::new(None) }
    }

    /// Starts with the run, and follows the pool's status until the pool closes.
    pub(crate) fn observe(&self, event: &BatchEvent) {
        let mut notifier = self.notifier.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            BatchEvent::RunOpened(run) => {
                let Some(address) = self.config.notify_url.clone() else { return };
                let out = &self.config.out;
                let context = NoticeContext {
                    run: run.clone(),
                    portal: self.config.site.base_url.as_ref().map(ToString::to_string),
                    output: std::path::absolute(out).unwrap_or_else(|_| out.clone()),
                };
                *notifier = Some(Notifier::start(address, context));
            }
            BatchEvent::PoolStarted(status) => {
                if let Some(notifier) = notifier.as_ref() {
                    tokio::spawn(notifier.handle().follow(status.clone())); // ends with the pool
                }
            }
            _ => {}
        }
    }

    /// Sends the last notice and waits until all are delivered or given up, half a minute at most. Dropping the future
    /// gives up.
    pub(crate) async fn finish(&self, end: RunFinished) {
        let notifier = self.notifier.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(notifier) = notifier {
            notifier.finish(end).await;
        }
    }
}
