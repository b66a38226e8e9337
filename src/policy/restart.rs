//! How soon a worker whose browser broke gets another one, and when it gets none any more.

use std::collections::VecDeque;
use std::time::Duration;

use crate::config::RestartConfig;

/// Starts in a row that did not bring a browser up, after which a worker is given up.
const MAX_FAILED_STARTS: u32 = 3;
/// Wait before the second replacement in a row; doubles for each further one.
const DELAY: Duration = Duration::from_secs(1);
/// The longest wait.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// What becomes of a worker whose browser broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartDecision {
    /// It gets another one after this time.
    After(Duration),
    /// It broke too often.
    GiveUp,
}

/// How far a browser had come when it broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureStage {
    /// It did not come up.
    Starting,
    /// It was up, and had served nothing yet.
    Waiting,
    /// It had served attempts.
    AtWork,
}

/// The replacements of one worker's broken browsers.
#[derive(Clone, Debug, Default)]
pub struct RestartTracker {
    recent: VecDeque<Duration>,
    failed_starts: u32,
}

impl RestartTracker {
    /// Its browser broke at `now`.
    pub fn broke(&mut self, now: Duration, broke: FailureStage, config: &RestartConfig) -> RestartDecision {
        self.failed_starts = match broke {
            FailureStage::Starting => self.failed_starts + 1,
            FailureStage::Waiting | FailureStage::AtWork => 0,
        };
        self.recent.push_back(now);
        while self.recent.front().is_some_and(|at| *at + config.window < now) {
            self.recent.pop_front();
        }
        let count = u32::try_from(self.recent.len()).unwrap_or(u32::MAX);
        if count > config.limit || self.failed_starts >= MAX_FAILED_STARTS {
            return RestartDecision::GiveUp;
        }
        // one that was at work is replaced at once: its order waits
        let waits = match broke {
            FailureStage::AtWork => count - 1,
            FailureStage::Starting | FailureStage::Waiting => count,
        };
        let delay = waits.checked_sub(1).map_or(Duration::ZERO, |power| DELAY * 2u32.saturating_pow(power));
        RestartDecision::After(delay.min(MAX_DELAY))
    }

    /// So many of its browsers broke within the window.
    #[must_use]
    pub fn count(&self) -> usize {
        self.recent.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: RestartConfig = RestartConfig { limit: 4, window: Duration::from_mins(5) };

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_break_costs_no_time_and_the_next_ones_ever_more() {
        let mut restarts = RestartTracker::default();
        let waits: Vec<_> = (1..=5).map(|at| restarts.broke(secs(at), FailureStage::AtWork, &CONFIG)).collect();
        let after = |seconds| RestartDecision::After(secs(seconds));
        assert_eq!(waits, [after(0), after(1), after(2), after(4), RestartDecision::GiveUp]);
    }

    #[test]
    fn what_lies_outside_the_window_is_forgotten() {
        let mut restarts = RestartTracker::default();
        for at in 0..50 {
            assert_eq!(
                restarts.broke(secs(at * 301), FailureStage::AtWork, &CONFIG),
                RestartDecision::After(Duration::ZERO)
            );
        }
    }

    #[test]
    fn a_browser_that_never_comes_up_is_tried_three_times() {
        let mut restarts = RestartTracker::default();
        assert_eq!(restarts.broke(secs(1), FailureStage::Starting, &CONFIG), RestartDecision::After(secs(1)));
        assert_eq!(restarts.broke(secs(2), FailureStage::Starting, &CONFIG), RestartDecision::After(secs(2)));
        assert_eq!(restarts.broke(secs(3), FailureStage::Starting, &CONFIG), RestartDecision::GiveUp);
    }

    #[test]
    fn one_that_breaks_while_it_waits_counts_within_its_window_alone() {
        let mut restarts = RestartTracker::default();
        for at in 0..50 {
            assert_eq!(restarts.broke(secs(at * 301), FailureStage::Waiting, &CONFIG), RestartDecision::After(secs(1)));
        }
        // and a start that fails in between is not the third in a row
        for broke in [FailureStage::Starting, FailureStage::Starting, FailureStage::Waiting, FailureStage::Starting] {
            assert_ne!(restarts.broke(secs(60_000), broke, &CONFIG), RestartDecision::GiveUp);
        }
    }

    #[test]
    fn the_wait_has_an_end() {
        let config = RestartConfig { limit: 1000, ..CONFIG };
        let mut restarts = RestartTracker::default();
        let last = (0..200).map(|_| restarts.broke(secs(9), FailureStage::AtWork, &config)).last();
        assert_eq!(last, Some(RestartDecision::After(MAX_DELAY)));
    }
}
