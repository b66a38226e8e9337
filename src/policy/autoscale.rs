//! How many workers suit a batch.

use std::time::Duration;

use crate::config::{ScalingConfig, WorkerCount};
use crate::model::MemoryLevel;

/// Least time between two changes, and the window in which throughput is measured.
const COOL_DOWN: Duration = Duration::from_secs(30);
/// How long a number of workers that was no faster is not tried again.
const NOT_AGAIN_FOR: Duration = Duration::from_mins(10);
/// Throughput must grow by this factor for one more worker to stay.
const MIN_GAIN: f64 = 1.05;
/// With a larger share of the processors in use, one more worker would only slow the others down.
const BUSY_CPU: f64 = 0.85;
/// Orders that must have ended within a window for its throughput to mean anything.
const MIN_SAMPLE: u64 = 5;
/// Memory that one browser needs for an average page, with reserve for a heavy one.
pub const BYTES_PER_WORKER: u64 = 400_000_000;
/// More browsers per processor than this only wait for it.
const WORKERS_PER_PROCESSOR: usize = 4;

/// The work and the resources at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LoadSample {
    /// Orders without an outcome, and callers that have or want a session.
    pub open: usize,
    /// Orders that have reached their outcome so far.
    pub settled: u64,
    /// Workers that have nothing in work.
    pub idle: usize,
    /// Whether one of the others could take on another order.
    pub has_room: bool,
    /// How many orders one worker may have in work at a time.
    pub slot_count: usize,
    /// How short memory is.
    pub level: MemoryLevel,
    /// Memory of the host, 0 if unknown.
    pub total_bytes: u64,
    /// Share of the processors in use, if known.
    pub cpu: Option<f64>,
}

/// Finds the number of workers between two bounds.
///
/// It starts from the length of the batch (1 to 4 orders: 1 or 2 workers; up to 20: 2 to 4; more: one for two processors, 4
/// to 8). Then it adds one at a time as long as that makes the batch faster, and removes those that have nothing to do. It
/// takes one step per half minute, and a number that was no faster is not tried again for ten minutes, so that it does not
/// flap.
#[derive(Clone, Debug)]
pub struct Autoscaler {
    bounds: ScalingConfig,
    processor_count: Option<usize>,
    target: usize,
    changed_at: Option<Duration>,
    measured_from: (Duration, u64),
    /// The throughput before the last worker was added, while it is on trial.
    trial: Option<f64>,
    rejected: Option<(usize, Duration)>,
}

impl Autoscaler {
    /// Starts with `count`. `auto` starts with what suits `expected` orders and `processor_count` processors, as far as they
    /// are known.
    #[must_use]
    pub fn new(
        count: WorkerCount,
        bounds: ScalingConfig,
        expected: Option<usize>,
        processor_count: Option<usize>,
    ) -> Self {
        let start = match count {
            WorkerCount::Exactly(count) => count.get(),
            WorkerCount::Auto => by_orders(expected.unwrap_or(usize::MAX), processor_count),
        };
        Self {
            bounds,
            processor_count,
            target: start.clamp(bounds.min.get(), bounds.max.get()),
            changed_at: None,
            measured_from: (Duration::ZERO, 0),
            trial: None,
            rejected: None,
        }
    }

    /// The current number.
    #[must_use]
    pub fn target(&self) -> usize {
        self.target
    }

    /// Fixes the number: from now on it no longer changes by itself.
    pub fn set(&mut self, count: usize) {
        self.bounds.is_automatic = false;
        self.target = count;
    }

    /// Takes the load at `now`; the number may change.
    pub fn observe(&mut self, now: Duration, load: &LoadSample) {
        if !self.bounds.is_automatic {
            return;
        }
        let rested = self.changed_at.is_none_or(|at| now >= at + COOL_DOWN);
        let affordable = match load.total_bytes {
            0 => self.bounds.max.get(),
            bytes => usize::try_from(bytes / BYTES_PER_WORKER).unwrap_or(usize::MAX).max(1),
        };
        let served = self.processor_count.map_or(usize::MAX, |count| count.saturating_mul(WORKERS_PER_PROCESSOR));
        let most = self.bounds.max.get().min(affordable).min(served).max(self.bounds.min.get());
        let useful = by_orders(load.open, self.processor_count).clamp(self.bounds.min.get(), most);
        if useful > self.target && load.level == MemoryLevel::Normal {
            self.change(now, load, useful); // an order that waits must not wait for a cool-down
        } else if self.target > most {
            self.change(now, load, most);
        } else if !rested {
        } else if load.idle > 0 && useful < self.target {
            self.change(now, load, useful.max(self.target.saturating_sub(load.idle)));
        } else if load.idle == 0 && !load.has_room && load.open > self.target.saturating_mul(load.slot_count.max(1)) {
            self.try_one_more(now, load, most);
        }
    }

    /// Every worker is busy and orders wait: judges the worker that was added last, and perhaps adds another one.
    fn try_one_more(&mut self, now: Duration, load: &LoadSample, most: usize) {
        let (since, settled) = self.measured_from;
        let ended = load.settled.saturating_sub(settled);
        if now < since + COOL_DOWN || ended < MIN_SAMPLE {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 52 bits")]
        let throughput = ended as f64 / (now - since).as_secs_f64();
        if self.trial.is_some_and(|before| throughput < before * MIN_GAIN) {
            self.rejected = Some((self.target, now + NOT_AGAIN_FOR));
            let before = self.target - 1;
            return self.change(now, load, before.max(self.bounds.min.get()));
        }
        self.trial = None;
        self.measured_from = (now, load.settled);
        let next = self.target + 1;
        let was_rejected = self.rejected.is_some_and(|(count, until)| next >= count && now < until);
        let is_room = load.level == MemoryLevel::Normal && load.cpu.is_none_or(|share| share < BUSY_CPU);
        if next <= most && is_room && !was_rejected {
            self.change(now, load, next);
            self.trial = Some(throughput);
        }
    }

    fn change(&mut self, now: Duration, load: &LoadSample, target: usize) {
        if target != self.target {
            self.target = target;
            self.changed_at = Some(now);
            self.trial = None;
            self.measured_from = (now, load.settled);
        }
    }
}

/// The number of workers that suits so many orders, before anything was measured.
fn by_orders(open: usize, processor_count: Option<usize>) -> usize {
    match open {
        0 | 1 => 1,
        2..=4 => 2,
        5..=20 => open.div_ceil(5).clamp(2, 4),
        _ => (processor_count.unwrap_or_default() / 2).clamp(4, 8),
    }
}

/// The number of workers that a pool starts with for `orders` on a host with `total_bytes` of memory (0 if unknown) and
/// `processor_count` processors. For messages.
#[must_use]
pub fn workers_for(
    orders: usize,
    total_bytes: u64,
    processor_count: Option<usize>,
    count: WorkerCount,
    bounds: ScalingConfig,
) -> usize {
    let mut autoscaler = Autoscaler::new(count, bounds, Some(orders), processor_count);
    autoscaler.observe(Duration::ZERO, &LoadSample { open: orders, total_bytes, ..LoadSample::default() });
    autoscaler.target()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::num::NonZeroUsize;

    fn bounds(min: usize, max: usize) -> ScalingConfig {
        let number = |value| NonZeroUsize::new(value).unwrap();
        ScalingConfig { min: number(min), max: number(max), is_automatic: true }
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn auto(expected: Option<usize>) -> Autoscaler {
        Autoscaler::new(WorkerCount::Auto, bounds(1, 8), expected, None)
    }

    #[test]
    fn a_batch_starts_with_the_workers_that_suit_its_length() {
        let starts: Vec<_> = [1, 2, 4, 5, 10, 11, 20, 21, 10_000].map(|orders| auto(Some(orders)).target()).into();
        assert_eq!(starts, [1, 2, 2, 2, 2, 3, 4, 4, 4]);
        assert_eq!(auto(None).target(), 4);
        assert_eq!(Autoscaler::new(WorkerCount::Auto, bounds(3, 3), Some(1), None).target(), 3);
    }

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    fn a_long_batch_gets_more_workers_where_there_are_more_processors() {
        let on = |processors, orders| Autoscaler::new(WorkerCount::Auto, bounds(1, 8), orders, Some(processors));
        let starts: Vec<_> = [1, 2, 8, 12, 16, 64].map(|processors| on(processors, Some(1000)).target()).into();
        assert_eq!(starts, [4, 4, 4, 6, 8, 8]);
        assert_eq!([on(64, Some(20)).target(), on(64, Some(1)).target(), on(64, None).target()], [4, 1, 8]);
        assert_eq!(run(on(1, Some(1000)), 9, |workers| workers as f64), [4], "four for each processor at most");
    }

    /// Lets a pool whose throughput is `rate(workers)` run for `minutes`; returns the numbers of workers it had.
    fn run(mut autoscaler: Autoscaler, minutes: u64, rate: impl Fn(usize) -> f64) -> Vec<usize> {
        let (mut settled, mut numbers) = (0.0, vec![autoscaler.target()]);
        for tick in 0..minutes * 12 {
            settled += rate(autoscaler.target()) * 5.0;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
            let load = LoadSample {
                open: 1000,
                settled: settled as u64,
                total_bytes: 64_000_000_000,
                ..LoadSample::default()
            };
            autoscaler.observe(secs(tick * 5), &load);
            if numbers.last() != Some(&autoscaler.target()) {
                numbers.push(autoscaler.target());
            }
        }
        numbers
    }

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    fn workers_are_added_as_long_as_that_makes_the_batch_faster() {
        assert_eq!(run(auto(Some(1000)), 9, |workers| workers as f64), [4, 5, 6, 7, 8]);
        assert_eq!(run(auto(Some(1000)), 9, |workers| workers.min(6) as f64), [4, 5, 6, 7, 6]);
        assert_eq!(run(auto(Some(1000)), 9, |_| 4.0), [4, 5, 4]);
        // and tried again after ten minutes
        assert_eq!(run(auto(Some(1000)), 14, |_| 4.0), [4, 5, 4, 5, 4]);
    }

    #[test]
    fn no_worker_is_added_where_there_is_no_room() {
        let base = LoadSample { open: 1000, total_bytes: 64_000_000_000, ..LoadSample::default() };
        for load in [
            LoadSample { level: MemoryLevel::Elevated, ..base },
            LoadSample { cpu: Some(0.95), ..base },
            LoadSample { total_bytes: 4 * BYTES_PER_WORKER, ..base },
            LoadSample { idle: 1, ..base },
        ] {
            let mut autoscaler = auto(Some(1000));
            for tick in 0..100 {
                autoscaler.observe(secs(tick * 10), &LoadSample { settled: tick * 50, ..load });
            }
            assert_eq!(autoscaler.target(), 4, "{load:?}");
        }
    }

    #[test]
    fn idle_workers_go_after_a_while_and_come_back_at_once() {
        let mut autoscaler = auto(Some(100));
        autoscaler.observe(secs(60), &LoadSample { open: 3, idle: 1, ..LoadSample::default() });
        assert_eq!(autoscaler.target(), 3);
        autoscaler.observe(secs(70), &LoadSample { open: 1, idle: 2, ..LoadSample::default() });
        assert_eq!(autoscaler.target(), 3, "too soon");
        autoscaler.observe(secs(90), &LoadSample { open: 0, idle: 3, ..LoadSample::default() });
        assert_eq!(autoscaler.target(), 1);
        autoscaler.observe(secs(91), &LoadSample { open: 40, idle: 1, ..LoadSample::default() });
        assert_eq!(autoscaler.target(), 4);
    }

    #[test]
    fn a_small_machine_gets_fewer() {
        let workers = |total_bytes| workers_for(1000, total_bytes, Some(2), WorkerCount::Auto, bounds(1, 8));
        assert_eq!([workers(0), workers(1_500_000_000), workers(100_000_000)], [4, 3, 1]);
    }

    #[test]
    fn a_fixed_number_stays() {
        let mut autoscaler = auto(Some(100));
        autoscaler.set(2);
        autoscaler.observe(secs(600), &LoadSample { open: 1000, ..LoadSample::default() });
        assert_eq!(autoscaler.target(), 2);
    }

    proptest! {
        #[test]
        fn stays_in_bounds_and_shrinks_no_more_often_than_allowed(
            loads in prop::collection::vec((0usize..60, 0usize..8, 0u64..20, 0u64..12), 1..300)
        ) {
            let mut autoscaler = Autoscaler::new(WorkerCount::Auto, bounds(2, 6), None, None);
            let (mut before, mut changed_at, mut settled) = (autoscaler.target(), None, 0);
            for (turn, (open, idle, ended, gigabytes)) in loads.into_iter().enumerate() {
                let now = secs(5 * turn as u64);
                settled += ended;
                let total_bytes = gigabytes * 1_000_000_000;
                autoscaler.observe(now, &LoadSample { open, idle, settled, total_bytes, ..LoadSample::default() });
                let target = autoscaler.target();
                prop_assert!((2..=6).contains(&target));
                if target != before {
                    let is_forced = total_bytes > 0 && before > usize::try_from(total_bytes / BYTES_PER_WORKER).unwrap();
                    if target < before && !is_forced && let Some(at) = changed_at {
                        prop_assert!(now - at >= COOL_DOWN);
                    }
                    (before, changed_at) = (target, Some(now));
                }
            }
        }
    }
}
