//! How far the pool has come, and why it stops.

use std::sync::Arc;
use std::time::Duration;

use super::heart::Core;
use crate::model::{Failure, Outcome, Stage, Stop, StopKind};
use crate::policy::GivenUp;
use crate::pool::scheduler::messages::Act;
use crate::pool::scheduler::tasks::counter;

impl Core {
    pub(crate) fn drain(&mut self, now: Duration, stop: Stop) {
        if self.stage == Stage::Running {
            self.stage = Stage::Draining;
            self.stop = Some(stop);
            self.drain_until = Some(now + self.rules.drain);
        }
    }

    pub(crate) fn abort(&mut self, now: Duration) {
        self.drain(now, Stop { kind: StopKind::Requested, message: "the run was aborted".to_owned() });
        if self.stage == Stage::Draining {
            self.stage = Stage::Aborting;
            self.acts.push(Act::CancelAttempts);
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
        self.stop = Some(Stop { kind: StopKind::JournalUnusable, message: why });
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
impl Drop for Core {
    fn drop(&mut self) {
        for record in &self.records {
            record.cell.give_up();
        }
    }
}

/// Why a run ends whose site was given up.
pub(crate) fn stop_for(given_up: GivenUp, failure: &Failure) -> Stop {
    match given_up {
        GivenUp::NeverReached => Stop { kind: StopKind::NeverReached, message: failure.message.clone() },
        GivenUp::OutOfPatience => Stop {
            kind: StopKind::SiteDown,
            message: format!("the portal did not recover within the patience; the last word was: {}", failure.message),
        },
        GivenUp::Drifted => Stop {
            kind: StopKind::PagesChanged,
            message: format!(
                "the pages of ten orders in a row fit nothing that the site recipe knows, so the rest was not tried; \
                 check the address and the recipe; the last word was: {}",
                failure.message
            ),
        },
    }
}
