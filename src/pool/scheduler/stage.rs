//! How far the pool has come, and why it stops.

use std::sync::Arc;
use std::time::Duration;

use super::heart::Scheduler;
use crate::model::{Failure, Outcome, Stage, StopKind, StopReason};
use crate::policy::TripCause;
use crate::pool::scheduler::messages::Effect;
use crate::pool::scheduler::tasks::counter;

impl Scheduler {
    pub(crate) fn drain(&mut self, now: Duration, stop: StopReason) {
        if self.stage == Stage::Running {
            self.stage = Stage::Draining;
            self.stop = Some(stop);
            self.drain_until = Some(now + self.rules.drain);
        }
    }

    pub(crate) fn abort(&mut self, now: Duration) {
        self.drain(now, StopReason { kind: StopKind::Requested, message: "the run was aborted".to_owned() });
        if self.stage == Stage::Draining {
            self.stage = Stage::Aborting;
            self.acts.push(Effect::CancelAttempts);
        }
    }

    /// Nothing that was not written is ever told, so the totals must not tell it either.
    pub(crate) fn take_back(&mut self, admitted: u64, settled: &[Arc<Outcome>]) {
        self.totals.admitted -= admitted;
        self.totals.pending -= admitted;
        for outcome in settled {
            *counter(&mut self.totals, outcome.status()) -= 1;
            self.totals.pending += 1;
            self.totals.files -= outcome.files().len() as u64;
            self.totals.bytes -= outcome.files().iter().map(|file| file.size).sum::<u64>();
        }
    }

    pub(crate) fn journal_broke(&mut self, now: Duration, why: String) {
        self.is_broken = true;
        self.stage = self.stage.max(Stage::Draining);
        self.stop = Some(StopReason { kind: StopKind::JournalUnusable, message: why });
        self.drain_until = Some(now + self.rules.drain);
        self.abort(now);
    }

    /// The last act; what dropping the heart means for its tasks, see there.
    pub(crate) fn close(&mut self) {
        self.stage = Stage::Closed;
    }
}

/// However the heart ends, also with a pool that is dropped or a dispatcher that breaks off: a task that was not told its
/// outcome is told that it was not done, or whoever waits for it would wait for ever.
impl Drop for Scheduler {
    fn drop(&mut self) {
        for record in &self.records {
            record.cell.give_up();
        }
    }
}

/// Why a run ends whose site was given up.
pub(crate) fn stop_for(given_up: TripCause, failure: &Failure) -> StopReason {
    match given_up {
        TripCause::NeverReached => StopReason { kind: StopKind::NeverReached, message: failure.message.clone() },
        TripCause::OutOfPatience => StopReason {
            kind: StopKind::SiteDown,
            message: format!("the portal did not recover within the patience; the last word was: {}", failure.message),
        },
        TripCause::Drifted => StopReason {
            kind: StopKind::PagesChanged,
            message: format!(
                "the pages of ten orders in a row fit nothing that the site recipe knows, so the rest was not tried; \
                 check the address and the recipe; the last word was: {}",
                failure.message
            ),
        },
    }
}
