//! How far the pool has come on its way to the end, and why it stops.

use std::time::Duration;

use crate::model::{Stage, StopKind, StopReason};

/// Stage of the pool, the reason to stop, and the deadline of the drain. Stages only advance.
#[derive(Clone, Debug)]
pub(crate) struct Lifecycle {
    /// How long running attempts may go on after a drain.
    drain_time: Duration,
    stage: Stage,
    stop: Option<StopReason>,
    abort_at: Option<Duration>,
    is_closing: bool,
    is_journal_broken: bool,
}

impl Lifecycle {
    pub(crate) fn new(drain_time: Duration) -> Self {
        Self {
            drain_time,
            stage: Stage::Running,
            stop: None,
            abort_at: None,
            is_closing: false,
            is_journal_broken: false,
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    pub(crate) fn is_running(&self) -> bool {
        self.stage == Stage::Running
    }

    /// Why it stops. The first reason counts, unless the journal broke.
    pub(crate) fn stop(&self) -> Option<&StopReason> {
        self.stop.as_ref()
    }

    /// Starts no more orders. Without effect when the pool drains already.
    pub(crate) fn drain(&mut self, now: Duration, stop: StopReason) {
        if self.stage == Stage::Running {
            self.stage = Stage::Draining;
            self.stop = Some(stop);
            self.abort_at = Some(now + self.drain_time);
        }
    }

    /// Drains, and returns whether running attempts are to be cancelled now: true once.
    pub(crate) fn abort(&mut self, now: Duration) -> bool {
        self.drain(now, requested("the run was aborted"));
        let is_news = self.stage == Stage::Draining;
        if is_news {
            self.stage = Stage::Aborting;
        }
        is_news
    }

    /// Drains, and lets the engine end when nothing is under way any more.
    pub(crate) fn close(&mut self, now: Duration) {
        self.drain(now, requested("the pool was shut down"));
        self.is_closing = true;
    }

    /// Records that the journal cannot be written: no entry is emitted any more. Replaces the reason to stop.
    pub(crate) fn break_journal(&mut self, now: Duration, why: String) {
        let stop = StopReason { kind: StopKind::JournalUnusable, message: why };
        self.drain(now, stop.clone());
        self.stop = Some(stop);
        self.is_journal_broken = true;
    }

    /// The engine has ended.
    pub(crate) fn end(&mut self) {
        self.stage = Stage::Closed;
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing
    }

    pub(crate) fn is_journal_broken(&self) -> bool {
        self.is_journal_broken
    }

    /// When the drain becomes an abort.
    pub(crate) fn abort_at(&self) -> Option<Duration> {
        self.abort_at.filter(|_| self.stage < Stage::Aborting)
    }
}

fn requested(message: &str) -> StopReason {
    StopReason { kind: StopKind::Requested, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_reason_to_stop_counts_unless_the_journal_breaks() {
        let mut lifecycle = Lifecycle::new(secs(120));
        lifecycle.drain(secs(1), StopReason { kind: StopKind::DiskFull, message: "full".to_owned() });
        lifecycle.drain(secs(2), requested("later"));
        assert_eq!(lifecycle.stop().unwrap().kind, StopKind::DiskFull);
        assert_eq!(lifecycle.abort_at(), Some(secs(121)));
        lifecycle.break_journal(secs(3), "gone".to_owned());
        assert_eq!(lifecycle.stop().unwrap().kind, StopKind::JournalUnusable);
    }

    #[test]
    fn attempts_are_cancelled_once() {
        let mut lifecycle = Lifecycle::new(secs(120));
        assert!(lifecycle.abort(secs(1)));
        assert!(!lifecycle.abort(secs(2)));
        assert_eq!((lifecycle.stage(), lifecycle.abort_at()), (Stage::Aborting, None));
    }
}
