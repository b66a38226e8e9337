//! How many workers the memory bears.

use std::time::Duration;

use crate::config::MemoryConfig;
use crate::model::MemoryReading;

/// Usage must fall this far below the threshold before a worker comes back; without it the number would flap.
const HYSTERESIS: f64 = 0.10;

/// The most workers that memory allows at the moment: one fewer each time usage is at or above the threshold, one more
/// each time it is well below, never more often than the cool-down and never below one.
#[derive(Clone, Debug)]
pub struct MemoryScale {
    config: MemoryConfig,
    most: usize,
    cap: usize,
    changed_at: Option<Duration>,
}

impl MemoryScale {
    /// Begins at `most`, the number of workers wanted when memory is no matter.
    #[must_use]
    pub fn new(config: MemoryConfig, most: usize) -> Self {
        Self { config, most, cap: most, changed_at: None }
    }

    /// The cap after another reading at `now`.
    pub fn read(&mut self, now: Duration, reading: &MemoryReading) -> usize {
        let usage = reading.usage();
        let rested = self.changed_at.is_none_or(|at| now >= at + self.config.cool_down);
        let next = if usage >= self.config.threshold {
            self.cap.saturating_sub(1).max(1)
        } else if usage < self.config.threshold - HYSTERESIS {
            (self.cap + 1).min(self.most)
        } else {
            self.cap
        };
        if rested && next != self.cap {
            self.cap = next;
            self.changed_at = Some(now);
        }
        self.cap
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CONFIG: MemoryConfig =
        MemoryConfig { threshold: 0.75, interval: Duration::from_secs(5), cool_down: Duration::from_secs(30) };

    fn at(percent: u64) -> MemoryReading {
        MemoryReading { total_bytes: 100, available_bytes: 100 - percent, ..MemoryReading::default() }
    }

    #[test]
    fn shrinks_one_by_one_and_comes_back() {
        let mut scale = MemoryScale::new(CONFIG, 3);
        let caps: Vec<_> = [(0, 80), (5, 80), (30, 80), (60, 80), (90, 70), (120, 60), (150, 60)]
            .into_iter()
            .map(|(now, percent)| scale.read(Duration::from_secs(now), &at(percent)))
            .collect();
        assert_eq!(caps, [2, 2, 1, 1, 1, 2, 3]);
    }

    #[test]
    fn an_unknown_total_is_no_pressure() {
        assert_eq!(MemoryScale::new(CONFIG, 4).read(Duration::ZERO, &MemoryReading::default()), 4);
    }

    proptest! {
        #[test]
        fn stays_in_bounds_and_never_flaps(readings in prop::collection::vec(0u64..=100, 1..200)) {
            let mut scale = MemoryScale::new(CONFIG, 6);
            let mut last_change = None;
            let mut before = 6;
            for (turn, percent) in readings.into_iter().enumerate() {
                let now = Duration::from_secs(5 * turn as u64);
                let cap = scale.read(now, &at(percent));
                prop_assert!((1..=6).contains(&cap));
                if cap != before {
                    prop_assert_eq!(cap.abs_diff(before), 1);
                    if let Some(at) = last_change {
                        prop_assert!(now - at >= CONFIG.cool_down);
                    }
                    last_change = Some(now);
                    before = cap;
                }
            }
        }
    }
}
