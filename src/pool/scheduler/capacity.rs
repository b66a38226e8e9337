//! The browsers: how many memory bears, which of them goes, and when one is replaced by a fresh one.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;

use super::heart::{Scheduler, WorkerRecord, index};
use crate::model::{MemoryLevel, Stage, WorkerId, WorkerState};
use crate::policy::{BYTES_PER_WORKER, RecycleReason, SessionUsage, recycle_reason};
use crate::pool::runtime::lease::Assignment;
use crate::pool::runtime::worker::SessionOpened;
use crate::pool::scheduler::messages::{Effect, ResourceSample};

/// A browser of the usual size that another one would follow is not taken away for want of memory before this age: its
/// successor would hold no less.
const LEAST_AGE: Duration = Duration::from_secs(30);

/// So often an order whose browser is taken away is repeated at no cost. Then it counts: it may be what fills the memory.
const MAX_EVICTIONS: u32 = 3;

impl Scheduler {
    pub(crate) fn worker_up(&mut self, now: Duration, worker: WorkerId, up: SessionOpened) {
        let record = self.workers.entry(worker).or_insert_with(WorkerRecord::starting);
        if up.is_renewal {
            // idle or at work: the words about its orders say that
            record.view.recycle_count += 1;
            // a call that waits was made for the session before
            for call in self.calls.iter_mut().filter(|call| call.worker == worker) {
                (call.served, call.page_time) = (0, None);
            }
        } else {
            record.view.status = WorkerState::Idle;
        }
        record.view.pid = up.pid;
        record.view.memory_bytes = None;
        record.kill = Some(up.kill);
        record.is_evicted = up.is_evicted;
        record.opened_at = now;
        record.has_told_pace = false;
        record.is_renewing = false;
        if self.renewing == Some(worker) {
            self.renewing = None;
        }
    }

    pub(crate) fn sampled(&mut self, sample: ResourceSample) {
        for (worker, record) in &mut self.workers {
            record.view.memory_bytes = sample.reading.workers.get(worker).copied();
        }
        self.memory_cap = sample.room.cap;
        self.must_evict = sample.room.level == MemoryLevel::Critical;
        self.sample = sample;
        self.held_back = self.why_held_back();
    }

    fn why_held_back(&self) -> Option<String> {
        let reading = &self.sample.reading;
        if let (Some(cpu), Some(max)) = (reading.cpu, self.rules.hold.max_cpu)
            && cpu > max
        {
            return Some(format!("{:.0} % of the processors are in use, more than max_cpu allows", cpu * 100.0));
        }
        let least = self.rules.hold.min_free_memory?;
        let is_known = reading.total_bytes > 0;
        (is_known && reading.available_bytes < least.as_u64()).then(|| {
            let free = ByteSize(reading.available_bytes).display().si();
            format!("{free} of memory are free, less than min_free_memory asks for")
        })
    }

    /// Sends callers home whom nobody wants: those that were marked, then the fattest of those that have nothing to do.
    /// While memory is short and there is work for everybody, the fattest of all are marked, to go after their orders.
    pub(crate) fn retire_surplus(&mut self) {
        if self.stage >= Stage::Draining {
            for call in self.calls.drain(..) {
                self.acts.push(Effect::Assignment(call, Assignment::Retire));
            }
            self.lends.clear();
            return;
        }
        let live = self.workers.values().filter(|record| record.kill.is_some()).count();
        let mut surplus = live.saturating_sub(self.directive().target);
        let is_memory_short = self.memory_cap < self.sizing.target();
        let is_only_for_the_marked = is_memory_short && !self.queue.is_empty() && self.stage == Stage::Running;
        self.mark_fattest(if is_only_for_the_marked { surplus } else { 0 });
        while surplus > 0 {
            let leaving = self.calls.iter().enumerate().filter_map(|(place, call)| {
                let record = self.workers.get(&call.worker)?;
                let may_go = record.is_marked || !is_only_for_the_marked;
                may_go.then_some((record.is_marked, record.view.memory_bytes, place))
            });
            let Some((.., place)) = leaving.max() else { return };
            let Some(call) = self.calls.remove(place) else { return };
            if let Some(record) = self.workers.get_mut(&call.worker) {
                record.view.status = WorkerState::Closing;
                record.kill = None;
            }
            self.acts.push(Effect::Assignment(call, Assignment::Retire));
            surplus -= 1;
        }
    }

    /// Marks the `count` workers that hold most, and no others. Those that were marked before stay so.
    fn mark_fattest(&mut self, count: usize) {
        let mut live: Vec<_> = self.workers.values_mut().filter(|record| record.kill.is_some()).collect();
        live.sort_by_key(|record| Reverse((record.is_marked, record.view.memory_bytes)));
        for (place, record) in live.into_iter().enumerate() {
            record.is_marked = place < count;
        }
    }

    /// When memory is critical: ends the browser that holds most, whatever it is doing; its order is repeated at no cost.
    pub(crate) fn evict(&mut self, now: Duration) {
        if !std::mem::take(&mut self.must_evict) || self.stage >= Stage::Draining {
            return;
        }
        let live = self.workers.iter().filter(|(_, record)| record.kill.is_some());
        let is_surplus = live.clone().count() > self.directive().target;
        let is_worth_it = |record: &WorkerRecord| {
            let is_unusual = record.view.memory_bytes.is_some_and(|bytes| bytes > BYTES_PER_WORKER);
            is_surplus || is_unusual || now >= record.opened_at + LEAST_AGE
        };
        let Some((worker, _)) =
            live.filter(|(_, record)| is_worth_it(record)).max_by_key(|(_, record)| record.view.memory_bytes)
        else {
            return;
        };
        let worker = *worker;
        if let Some(place) = self.calls.iter().position(|call| call.worker == worker) {
            return self.renew(place, RecycleReason::Memory, false);
        }
        let holder = self.leases.values_mut().find(|holder| holder.worker == worker);
        if let Some((holder, task)) = holder.and_then(|holder| holder.task.map(|task| (holder, task)))
            && let Some(record) = self.records.get_mut(index(task))
            && record.evicted_count < MAX_EVICTIONS
        {
            record.evicted_count += 1;
            holder.is_evicted = true;
        }
        if let Some(record) = self.workers.get_mut(&worker)
            && let Some(kill) = record.kill.take()
        {
            self.acts.push(Effect::Evict(worker, kill, Arc::clone(&record.is_evicted)));
        }
    }

    /// Has the sessions of waiting callers replaced that are worn.
    pub(crate) fn renew_worn(&mut self, now: Duration) {
        let mut place = 0;
        while let Some(call) = self.calls.get(place) {
            let wear = self.workers.get(&call.worker).filter(|record| !record.is_renewing).map(|record| SessionUsage {
                attempts: call.served,
                age: now.saturating_sub(record.opened_at),
                memory_bytes: record.view.memory_bytes,
                median_page_time: call.page_time,
            });
            let Some(worn) = wear.and_then(|wear| recycle_reason(&wear, self.fresh_page_time, &self.rules.recycle))
            else {
                place += 1;
                continue;
            };
            let bytes = wear.and_then(|wear| wear.memory_bytes).unwrap_or_default();
            let cannot_wait = bytes / 3 * 2 > self.rules.recycle.memory.as_u64();
            match (self.has_room_for_one_more(), self.renewing) {
                (true, None) => self.renew(place, worn, true),
                (true, Some(_)) if !cannot_wait => place += 1, // one after the other; it goes on until it is its turn
                (true, Some(_)) | (false, _) => self.renew(place, worn, false),
            }
        }
    }

    /// Whether two sessions of one worker may stand side by side for a moment.
    fn has_room_for_one_more(&self) -> bool {
        let ResourceSample { reading, room, .. } = &self.sample;
        let fattest = reading.workers.values().max().copied().unwrap_or_default();
        let is_enough = reading.total_bytes == 0 || reading.available_bytes > fattest.saturating_mul(2);
        self.stage == Stage::Running && room.level == MemoryLevel::Normal && is_enough
    }

    fn renew(&mut self, place: usize, worn: RecycleReason, is_ahead: bool) {
        let Some(call) = self.calls.remove(place) else { return };
        let Some(record) = self.workers.get_mut(&call.worker) else { return };
        let grant = if is_ahead {
            record.is_renewing = true;
            self.renewing = Some(call.worker);
            Assignment::RenewAhead(worn)
        } else {
            record.view.status = WorkerState::Closing;
            record.kill = None;
            Assignment::Renew(worn)
        };
        self.acts.push(Effect::Assignment(call, grant));
    }
}
