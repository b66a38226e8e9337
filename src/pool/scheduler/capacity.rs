//! How many workers there are to be, and which sessions make room or are replaced by fresh ones.

use std::time::Duration;

use super::messages::{ResourceSample, SchedulerConfig};
use crate::config::RecycleConfig;
use crate::model::{Footprint, MemoryLevel, MemoryReading, WorkerId};
use crate::policy::{Autoscaler, BYTES_PER_WORKER, LoadSample, RecycleReason, SessionUsage, recycle_reason};

/// A browser of the usual size that another one would follow is not evicted before this age: its successor would hold no
/// less.
const MIN_AGE_TO_EVICT: Duration = Duration::from_secs(30);

/// The number of workers that the load asks for and that memory allows, and when sessions are recycled.
#[derive(Clone, Debug)]
pub(crate) struct Capacity {
    config: RecycleConfig,
    slot_count: usize,
    autoscaler: Autoscaler,
    /// The highest number of workers that was ever wanted: those that were given up are lost for good.
    most_wanted: usize,
    /// The newest reading was critical, and nothing was done about it yet.
    must_evict: bool,
    /// How long the pages of the newest session took while it was new.
    fresh_page_time: Option<Duration>,
    /// The worker whose next session is being opened: one at a time.
    handing_over: Option<WorkerId>,
    sample: ResourceSample,
    /// Only the canary may start, for which one worker is enough.
    awaits_canary: bool,
}

/// How a session is recycled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recycling {
    pub(crate) reason: RecycleReason,
    /// Its successor is opened before it closes.
    pub(crate) is_ahead: bool,
}

impl Capacity {
    pub(crate) fn new(config: &SchedulerConfig) -> Self {
        let (count, expected) = (config.worker_count, config.expected_count);
        let autoscaler = Autoscaler::new(count, config.scaling, expected, config.processor_count);
        let awaits_canary = config.canary.is_some();
        Self {
            config: config.recycle,
            slot_count: config.slot_count,
            most_wanted: if awaits_canary { 1 } else { autoscaler.target() },
            autoscaler,
            must_evict: false,
            fresh_page_time: None,
            handing_over: None,
            sample: ResourceSample::default(),
            awaits_canary,
        }
    }

    /// Somebody says how many workers there are to be.
    pub(crate) fn scale_to(&mut self, count: usize) {
        self.autoscaler.set(count);
    }

    /// Fits the number of workers to the load: open orders and borrowers, orders that ended, workers without an order, and
    /// whether a worker could take on another one.
    pub(crate) fn fit(&mut self, now: Duration, open: usize, settled: u64, idle: usize, has_room: bool) {
        let load = LoadSample {
            open,
            settled,
            idle,
            has_room,
            slot_count: self.slot_count,
            level: self.sample.limit.level,
            total_bytes: self.sample.reading.total_bytes,
            cpu: self.sample.reading.cpu,
        };
        self.autoscaler.observe(now, &load);
    }

    /// Takes note of the wanted number: workers that are given up later count against the highest one.
    pub(crate) fn note_wanted(&mut self) {
        self.most_wanted = self.most_wanted.max(self.wanted());
    }

    pub(crate) fn sampled(&mut self, sample: ResourceSample) {
        self.must_evict = sample.limit.level == MemoryLevel::Critical;
        self.sample = sample;
    }

    /// The canary has passed: as many workers as the load asks for.
    pub(crate) fn canary_passed(&mut self) {
        self.awaits_canary = false;
    }

    /// The number of workers that would be wanted if memory were no matter and no worker had been given up.
    pub(crate) fn wanted(&self) -> usize {
        if self.awaits_canary { 1 } else { self.autoscaler.target() }
    }

    pub(crate) fn most_wanted(&self) -> usize {
        self.most_wanted
    }

    /// The number of workers to be had, when `given_up` were given up.
    pub(crate) fn target(&self, given_up: usize) -> usize {
        self.wanted().min(self.sample.limit.cap).min(self.most_wanted.saturating_sub(given_up))
    }

    /// Whether memory allows fewer workers than are wanted.
    pub(crate) fn is_memory_short(&self) -> bool {
        self.sample.limit.cap < self.wanted()
    }

    /// Whether a session is to be evicted now: true once per critical reading.
    pub(crate) fn take_eviction(&mut self) -> bool {
        std::mem::take(&mut self.must_evict)
    }

    /// Whether evicting a session of this usage frees memory. One that no other follows always does.
    pub(crate) fn is_worth_evicting(usage: &SessionUsage, is_surplus: bool) -> bool {
        let is_unusual = usage.memory_bytes.is_some_and(|bytes| bytes > BYTES_PER_WORKER);
        is_surplus || is_unusual || usage.age >= MIN_AGE_TO_EVICT
    }

    /// The first pages of a new session took this long.
    pub(crate) fn note_fresh_page_time(&mut self, time: Duration) {
        self.fresh_page_time = Some(time);
    }

    /// Whether and how the session of a free worker is recycled now.
    pub(crate) fn recycling(&self, usage: &SessionUsage) -> Option<Recycling> {
        let reason = recycle_reason(usage, self.fresh_page_time, &self.config)?;
        let cannot_wait = usage.memory_bytes.unwrap_or_default() / 3 * 2 > self.config.memory.as_u64();
        match (self.has_room_for_one_more(), self.handing_over) {
            (true, None) => Some(Recycling { reason, is_ahead: true }),
            (true, Some(_)) if !cannot_wait => None, // one after the other; it works until it is its turn
            (true, Some(_)) | (false, _) => Some(Recycling { reason, is_ahead: false }),
        }
    }

    /// Whether two sessions of one worker may exist side by side for a moment.
    fn has_room_for_one_more(&self) -> bool {
        let ResourceSample { reading, limit, .. } = &self.sample;
        let largest = reading.workers.values().max().copied().unwrap_or_default();
        let is_enough = reading.total_bytes == 0 || reading.available_bytes > largest.saturating_mul(2);
        limit.level == MemoryLevel::Normal && is_enough
    }

    pub(crate) fn begin_handover(&mut self, worker: WorkerId) {
        self.handing_over = Some(worker);
    }

    /// The next session of the worker was opened, or will not be.
    pub(crate) fn end_handover(&mut self, worker: WorkerId) {
        if self.handing_over == Some(worker) {
            self.handing_over = None;
        }
    }

    pub(crate) fn reading(&self) -> &MemoryReading {
        &self.sample.reading
    }

    pub(crate) fn memory_level(&self) -> MemoryLevel {
        self.sample.limit.level
    }

    pub(crate) fn footprint(&self) -> &Footprint {
        &self.sample.footprint
    }

    pub(crate) fn task_count(&self) -> usize {
        self.sample.task_count
    }
}
