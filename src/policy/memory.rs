//! How short memory is, and how many workers it allows.

use std::collections::VecDeque;
use std::time::Duration;

use crate::config::MemoryConfig;
use crate::model::{MemoryLevel, MemoryReading};

/// Usage must stay this far below the threshold, also with one more worker, before a worker is added again. Otherwise the
/// number would flap.
const HYSTERESIS: f64 = 0.10;
/// A level is left only when usage, or the share of time spent waiting, is this far below its limit.
const MARGIN: f64 = 0.03;
/// The share of what is free at the threshold that is still free when memory is critical: with a threshold of 75 %, memory
/// is critical at 90 %.
const LEFT_WHEN_CRITICAL: f64 = 0.4;
/// No worker is added from this share of the time on in which some process waits for memory.
const SOME_STALLED: f64 = 0.2;
/// A worker is retired from this share of the time on in which all processes wait for memory.
const ALL_STALLED: f64 = 0.1;

/// What memory allows at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimit {
    /// How short it is.
    pub level: MemoryLevel,
    /// The most workers that it allows; `usize::MAX` without a limit.
    pub cap: usize,
}

/// Judges memory by its last readings: by the newest one to remove workers, by all of the last cool-down to add one.
///
/// The cap falls by one at each high reading. It rises by one when usage has stayed well below the threshold and would
/// stay there with one more worker. It never changes more often than the cool-down allows, and never falls below the least
/// number. A critical reading does not wait for the cool-down: the next reading already shows the effect of the last step.
#[derive(Clone, Debug)]
pub struct MemoryScaler {
    config: MemoryConfig,
    least: usize,
    cap: usize,
    level: MemoryLevel,
    /// Memory of the largest worker while memory was short: the next one may need as much.
    largest_bytes: u64,
    changed_at: Option<Duration>,
    recent: VecDeque<(Duration, f64)>,
}

impl MemoryScaler {
    /// Starts without a cap.
    #[must_use]
    pub fn new(config: MemoryConfig, least: usize) -> Self {
        Self {
            config,
            least,
            cap: usize::MAX,
            level: MemoryLevel::Normal,
            largest_bytes: 0,
            changed_at: None,
            recent: VecDeque::new(),
        }
    }

    /// What memory allows after another reading at `now`, with `live` workers of the `wanted` ones.
    pub fn observe(&mut self, now: Duration, reading: &MemoryReading, live: usize, wanted: usize) -> MemoryLimit {
        let usage = reading.usage();
        self.recent.push_back((now, usage));
        while self.recent.front().is_some_and(|(at, _)| *at + self.config.cool_down < now) {
            self.recent.pop_front();
        }
        let level = self.level_at(usage, reading, 0.0);
        if level >= MemoryLevel::High {
            self.largest_bytes = self.largest_bytes.max(largest(reading));
        }
        let rested = self.changed_at.is_none_or(|at| now >= at + self.config.cool_down);
        let next = match level {
            // counted from the live ones: a cap above them would fall for a while without any effect
            MemoryLevel::Critical | MemoryLevel::High => self.cap.min(live).saturating_sub(1).max(self.least),
            MemoryLevel::Elevated => self.cap,
            // a cap that allows all that are wanted is none
            MemoryLevel::Normal if self.has_room_for_one_more(reading) && self.cap.saturating_add(1) >= wanted => {
                usize::MAX
            }
            MemoryLevel::Normal if self.has_room_for_one_more(reading) => self.cap + 1,
            MemoryLevel::Normal => self.cap,
        };
        let is_urgent = level == MemoryLevel::Critical;
        if next < self.cap && (rested || is_urgent) || next > self.cap && rested {
            self.cap = next;
            self.changed_at = Some(now);
            if next == usize::MAX {
                self.largest_bytes = 0;
            }
        }
        if level < self.level {
            // critical is said of the newest reading alone, since a browser is killed for it
            let left = self.level_at(usage, reading, MARGIN).min(self.level).min(MemoryLevel::High);
            self.level = left.max(level);
        } else {
            self.level = level;
        }
        MemoryLimit { level: self.level, cap: self.cap }
    }

    fn level_at(&self, usage: f64, reading: &MemoryReading, margin: f64) -> MemoryLevel {
        let threshold = self.config.threshold;
        let critical = 1.0 - (1.0 - threshold) * LEFT_WHEN_CRITICAL;
        let usage = usage + margin;
        let is_above = |share: Option<f64>, limit| share.is_some_and(|share| share + margin >= limit);
        if usage >= critical {
            MemoryLevel::Critical
        } else if usage >= threshold || is_above(reading.all_stalled, ALL_STALLED) {
            MemoryLevel::High
        } else if usage >= threshold - HYSTERESIS || is_above(reading.some_stalled, SOME_STALLED) {
            MemoryLevel::Elevated
        } else {
            MemoryLevel::Normal
        }
    }

    /// Whether usage has been low for a while, and would still be with another worker as large as the largest.
    fn has_room_for_one_more(&self, reading: &MemoryReading) -> bool {
        let highest = self.recent.iter().map(|(_, usage)| *usage).fold(0.0, f64::max);
        let more = MemoryReading {
            available_bytes: reading.available_bytes.saturating_sub(self.largest_bytes.max(largest(reading))),
            total_bytes: reading.total_bytes,
            ..MemoryReading::default()
        };
        highest.max(more.usage()) < self.config.threshold - HYSTERESIS
    }
}

/// Memory of the largest worker.
fn largest(reading: &MemoryReading) -> u64 {
    reading.workers.values().max().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WorkerId;
    use MemoryLevel::{Critical, Elevated, High, Normal};
    use proptest::prelude::*;

    const CONFIG: MemoryConfig = MemoryConfig {
        max: None,
        threshold: 0.75,
        interval: Duration::from_secs(5),
        cool_down: Duration::from_secs(30),
    };

    fn at(percent: u64) -> MemoryReading {
        MemoryReading { total_bytes: 100, available_bytes: 100 - percent, ..MemoryReading::default() }
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_falls_one_by_one_and_rises_again_after_a_calm_time() {
        let mut scale = MemoryScaler::new(CONFIG, 1);
        let caps: Vec<_> = [(0, 80), (5, 80), (30, 80), (60, 80), (90, 70), (120, 60), (125, 60), (155, 60), (185, 60)]
            .into_iter()
            .map(|(now, percent)| scale.observe(secs(now), &at(percent), 3, 3).cap)
            .collect();
        let none = usize::MAX;
        assert_eq!(caps, [2, 2, 1, 1, 1, 1, 2, none, none]);
    }

    #[test]
    fn the_levels_follow_usage_and_the_kernels_pressure() {
        let level = |reading: &MemoryReading| MemoryScaler::new(CONFIG, 1).observe(secs(0), reading, 4, 4).level;
        let levels: Vec<_> = [0, 64, 65, 74, 75, 89, 90, 100].into_iter().map(|percent| level(&at(percent))).collect();
        assert_eq!(levels, [Normal, Normal, Elevated, Elevated, High, High, Critical, Critical]);
        assert_eq!(level(&MemoryReading { some_stalled: Some(0.3), ..at(10) }), Elevated);
        assert_eq!(level(&MemoryReading { all_stalled: Some(0.2), ..at(10) }), High);
        assert_eq!(level(&MemoryReading { some_stalled: Some(0.1), all_stalled: Some(0.0), ..at(10) }), Normal);
    }

    #[test]
    fn a_critical_reading_does_not_wait_and_never_goes_below_the_least() {
        let mut scale = MemoryScaler::new(CONFIG, 2);
        let caps: Vec<_> = [(0, 6), (5, 5), (10, 4), (15, 3), (20, 2), (25, 2)]
            .into_iter()
            .map(|(now, live)| scale.observe(secs(now), &at(95), live, 8).cap)
            .collect();
        assert_eq!(caps, [5, 4, 3, 2, 2, 2]);
    }

    #[test]
    fn an_unknown_total_limits_nothing() {
        let limit = MemoryScaler::new(CONFIG, 1).observe(secs(0), &MemoryReading::default(), 4, 4);
        assert_eq!(limit, MemoryLimit { level: Normal, cap: usize::MAX });
    }

    proptest! {
        #[test]
        fn stays_in_bounds_and_never_flaps(readings in prop::collection::vec(0u64..=100, 1..200)) {
            let mut scale = MemoryScaler::new(CONFIG, 2);
            let (mut before, mut last_change): (usize, Option<Duration>) = (6, None);
            for (turn, percent) in readings.into_iter().enumerate() {
                let now = secs(5 * turn as u64);
                let limit = scale.observe(now, &at(percent), before, 6);
                let cap = limit.cap.min(6);
                prop_assert!(cap >= 2);
                if cap != before {
                    prop_assert_eq!(cap.abs_diff(before), 1);
                    if limit.level != Critical && let Some(at) = last_change {
                        prop_assert!(now - at >= CONFIG.cool_down);
                    }
                    prop_assert!(cap < before || percent < 65);
                    last_change = Some(now);
                    before = cap;
                }
            }
        }

        /// Workers fill the memory that their number is judged by.
        #[test]
        fn a_number_that_memory_did_not_allow_is_not_tried_again_and_again(
            own in 0u64..300, each in 50u64..400, wanted in 2usize..8, noise in prop::collection::vec(0u64..20, 720)
        ) {
            let mut scale = MemoryScaler::new(CONFIG, 1);
            let (mut live, mut changes) = (wanted, 0);
            for (turn, noise) in noise.into_iter().enumerate() {
                let workers = (1..=u16::try_from(live).unwrap()).map(|worker| (WorkerId(worker), each)).collect();
                let used = (own + noise + each * live as u64).min(1000);
                let reading =
                    MemoryReading { total_bytes: 1000, available_bytes: 1000 - used, workers, ..MemoryReading::default() };
                let next = scale.observe(secs(5 * turn as u64), &reading, live, wanted).cap.min(wanted);
                changes += next.abs_diff(live);
                live = next;
            }
            prop_assert!(changes < wanted, "{changes} changes in an hour");
        }
    }

    #[test]
    fn a_level_is_left_only_when_usage_is_clearly_below_it() {
        let mut scale = MemoryScaler::new(CONFIG, 1);
        let levels: Vec<_> = [74, 75, 74, 75, 73, 72, 71, 65, 63, 61, 90, 89, 80, 50]
            .into_iter()
            .map(|percent| scale.observe(secs(0), &at(percent), 4, 4).level)
            .collect();
        let expected =
            [Elevated, High, High, High, High, High, Elevated, Elevated, Elevated, Normal, Critical, High, High];
        assert_eq!(levels, [&expected[..], &[Normal]].concat());
    }
}
