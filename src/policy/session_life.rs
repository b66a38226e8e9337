//! When a healthy browser is recycled, and how soon a broken one is replaced.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::config::{RecycleConfig, RestartConfig};

/// Page timeouts in a row after which a session counts as broken.
pub const MAX_PAGE_TIMEOUTS: u32 = 2;

/// Smaller differences are noise, whatever the factor.
const NOTICEABLE: Duration = Duration::from_millis(250);

/// Starts in a row that did not bring a browser up, after which a worker stops for good.
const MAX_FAILED_STARTS: u32 = 3;
/// Wait before the second replacement in a row; doubles for each further one.
const DELAY: Duration = Duration::from_secs(1);
/// The longest wait.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// What a session has done and uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionUsage {
    /// Attempts that it has served.
    pub attempts: u32,
    /// Its age.
    pub age: Duration,
    /// Memory of its process tree in bytes, if known.
    pub memory_bytes: Option<u64>,
    /// How long its last pages took, if it has opened enough of them.
    pub median_page_time: Option<Duration>,
}

/// Why a healthy session is recycled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecycleReason {
    /// It has served its number of orders.
    Orders,
    /// It has reached its age.
    Age,
    /// It uses too much memory.
    Memory,
    /// Its pages take much longer than a new session's.
    Slow,
    /// Its profile folder has grown beyond its limit.
    Profile,
    /// An order that crashed two browsers is tried in a fresh one.
    Suspect,
}

impl fmt::Display for RecycleReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Orders => "it has processed its number of orders",
            Self::Age => "it has reached its age",
            Self::Memory => "it uses too much memory",
            Self::Slow => "its pages take much longer than a new browser's",
            Self::Profile => "its profile folder has grown too large",
            Self::Suspect => "an order that crashed two browsers is tried once more, alone in a new one",
        })
    }
}

/// Why a session is to be recycled before its next task, or `None` if it stays.
///
/// `fresh` is the page time of the session that was opened last, measured while it was new. If the portal becomes slow
/// for everybody, the next new session is slow as well, and the comparison is right again.
#[must_use]
pub fn recycle_reason(usage: &SessionUsage, fresh: Option<Duration>, config: &RecycleConfig) -> Option<RecycleReason> {
    let is_slow = || {
        let (now, fresh, factor) = (usage.median_page_time?, fresh?, config.slowdown?);
        Some(now > fresh.mul_f64(factor) && now > fresh + NOTICEABLE)
    };
    if usage.attempts == 0 {
        None // its replacement would be recycled as soon, and nothing would ever be done
    } else if usage.attempts >= config.after {
        Some(RecycleReason::Orders)
    } else if usage.age >= config.age {
        Some(RecycleReason::Age)
    } else if usage.memory_bytes.is_some_and(|bytes| bytes >= config.memory.as_u64()) {
        Some(RecycleReason::Memory)
    } else if is_slow() == Some(true) {
        Some(RecycleReason::Slow)
    } else {
        None
    }
}

/// What happens to a worker whose browser broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartDecision {
    /// It gets another browser after this time.
    After(Duration),
    /// Its browsers broke too often: it stops for good.
    GiveUp,
}

/// What a browser was doing when it broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureStage {
    /// It had not started yet.
    Starting,
    /// It had started and served nothing yet.
    Waiting,
    /// It had served attempts.
    AtWork,
}

/// Counts how often one worker's browsers broke.
#[derive(Clone, Debug, Default)]
pub struct RestartTracker {
    recent: VecDeque<Duration>,
    failed_starts: u32,
}

impl RestartTracker {
    /// Its browser broke at `now`.
    pub fn on_failure(&mut self, now: Duration, stage: FailureStage, config: &RestartConfig) -> RestartDecision {
        self.failed_starts = match stage {
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
        let waits = match stage {
            FailureStage::AtWork => count - 1,
            FailureStage::Starting | FailureStage::Waiting => count,
        };
        let delay = waits.checked_sub(1).map_or(Duration::ZERO, |power| DELAY * 2u32.saturating_pow(power));
        RestartDecision::After(delay.min(MAX_DELAY))
    }

    /// How many of its browsers broke within the window.
    #[must_use]
    pub fn count(&self) -> usize {
        self.recent.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PoolConfig;

    const CONFIG: RestartConfig = RestartConfig { limit: 4, window: Duration::from_mins(5) };

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_session_is_recycled_for_its_orders_age_memory_or_slowness() {
        let config = PoolConfig::builder().build().unwrap().recycle;
        let ms = Duration::from_millis;
        let healthy = SessionUsage {
            attempts: 99,
            median_page_time: Some(ms(400)),
            memory_bytes: Some(900_000_000),
            ..SessionUsage::default()
        };
        let fresh = Some(ms(200));
        assert_eq!(recycle_reason(&healthy, fresh, &config), None);
        let reason = |usage: SessionUsage| recycle_reason(&usage, fresh, &config);
        assert_eq!(reason(SessionUsage { attempts: 100, ..healthy }), Some(RecycleReason::Orders));
        assert_eq!(reason(SessionUsage { age: config.age, ..healthy }), Some(RecycleReason::Age));
        assert_eq!(reason(SessionUsage { memory_bytes: Some(1_500_000_000), ..healthy }), Some(RecycleReason::Memory));
        let slow = |millis| SessionUsage { median_page_time: Some(ms(millis)), ..healthy };
        assert_eq!(reason(slow(700)), Some(RecycleReason::Slow));
        // a factor of a very short time is noise; and one that has served nothing yet is never recycled
        assert_eq!(recycle_reason(&slow(80), Some(ms(8)), &config), None);
        assert_eq!(reason(SessionUsage { attempts: 0, age: config.age, ..healthy }), None);
        assert_eq!(recycle_reason(&slow(9000), None, &config), None);
    }

    #[test]
    fn the_first_failure_costs_no_time_and_later_ones_ever_more() {
        let mut restarts = RestartTracker::default();
        let waits: Vec<_> = (1..=5).map(|at| restarts.on_failure(secs(at), FailureStage::AtWork, &CONFIG)).collect();
        let after = |seconds| RestartDecision::After(secs(seconds));
        assert_eq!(waits, [after(0), after(1), after(2), after(4), RestartDecision::GiveUp]);
    }

    #[test]
    fn failures_outside_the_window_are_forgotten() {
        let mut restarts = RestartTracker::default();
        for at in 0..50 {
            let decision = restarts.on_failure(secs(at * 301), FailureStage::AtWork, &CONFIG);
            assert_eq!(decision, RestartDecision::After(Duration::ZERO));
        }
    }

    #[test]
    fn a_browser_that_never_starts_is_tried_three_times() {
        let mut restarts = RestartTracker::default();
        assert_eq!(restarts.on_failure(secs(1), FailureStage::Starting, &CONFIG), RestartDecision::After(secs(1)));
        assert_eq!(restarts.on_failure(secs(2), FailureStage::Starting, &CONFIG), RestartDecision::After(secs(2)));
        assert_eq!(restarts.on_failure(secs(3), FailureStage::Starting, &CONFIG), RestartDecision::GiveUp);
    }

    #[test]
    fn one_that_breaks_while_it_waits_counts_within_its_window_alone() {
        let mut restarts = RestartTracker::default();
        for at in 0..50 {
            let decision = restarts.on_failure(secs(at * 301), FailureStage::Waiting, &CONFIG);
            assert_eq!(decision, RestartDecision::After(secs(1)));
        }
        // and a start that fails in between is not the third in a row
        for stage in [FailureStage::Starting, FailureStage::Starting, FailureStage::Waiting, FailureStage::Starting] {
            assert_ne!(restarts.on_failure(secs(60_000), stage, &CONFIG), RestartDecision::GiveUp);
        }
    }

    #[test]
    fn the_wait_has_an_upper_limit() {
        let config = RestartConfig { limit: 1000, ..CONFIG };
        let mut restarts = RestartTracker::default();
        let last = (0..200).map(|_| restarts.on_failure(secs(9), FailureStage::AtWork, &config)).last();
        assert_eq!(last, Some(RestartDecision::After(MAX_DELAY)));
    }
}
