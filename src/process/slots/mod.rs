//! Which processes of one service start and stop, and who gets the next lease. Pure: time is an argument, what happens is
//! told by calls, and [`Slots::turn`] says what to do.

mod types;

#[cfg(test)]
mod property;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub(crate) use self::types::{Circuit, Effect, InstanceId, Phase, Slot, SlotRules, StopCause, WaiterId};

/// The processes of one service and those that wait for them.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    rules: SlotRules,
    /// Wanted without any demand.
    base: usize,
    slots: BTreeMap<InstanceId, Slot>,
    waiters: VecDeque<WaiterId>,
    last_instance: u64,
    last_waiter: u64,
    /// The process of the last lease.
    cursor: InstanceId,
    /// Failures in a row.
    failures: u32,
    /// No start before, after a failure.
    not_before: Duration,
    open_until: Option<Duration>,
    /// Failed processes that no start has followed yet.
    lost: u64,
    restarts: u64,
    is_closed: bool,
}

impl Slots {
    /// No process yet; the first turn starts `base`.
    pub(crate) fn new(rules: SlotRules, base: usize) -> Self {
        Self {
            rules,
            base: base.min(rules.max),
            slots: BTreeMap::new(),
            waiters: VecDeque::new(),
            last_instance: 0,
            last_waiter: 0,
            cursor: InstanceId(0),
            failures: 0,
            not_before: Duration::ZERO,
            open_until: None,
            lost: 0,
            restarts: 0,
            is_closed: false,
        }
    }

    /// Somebody waits for a lease.
    pub(crate) fn enqueue(&mut self) -> WaiterId {
        self.last_waiter += 1;
        self.waiters.push_back(WaiterId(self.last_waiter));
        WaiterId(self.last_waiter)
    }

    /// Somebody waits no longer.
    pub(crate) fn cancel(&mut self, waiter: WaiterId) {
        self.waiters.retain(|other| *other != waiter);
    }

    /// A lease is back. Does nothing when its process is gone.
    pub(crate) fn release(&mut self, now: Duration, id: InstanceId) {
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.leases = slot.leases.saturating_sub(1);
            slot.idle_since = now;
        }
    }

    /// A health check succeeded.
    pub(crate) fn healthy(&mut self, now: Duration, id: InstanceId) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        match slot.phase {
            Phase::Starting => {
                (slot.phase, slot.healthy_since, slot.idle_since) = (Phase::Healthy, Some(now), now);
                self.open_until = None;
            }
            Phase::Suspect => slot.phase = Phase::Healthy,
            Phase::Healthy | Phase::Retiring(_) | Phase::Stopping(_) => {}
        }
    }

    /// A health check failed.
    pub(crate) fn suspect(&mut self, id: InstanceId) {
        if let Some(slot) = self.slots.get_mut(&id)
            && slot.phase == Phase::Healthy
        {
            slot.phase = Phase::Suspect;
        }
    }

    /// The process does not do its work: it is ended, whoever has leases of it, and replaced. Whether that is new.
    pub(crate) fn broken(&mut self, id: InstanceId) -> bool {
        let Some(slot) = self.slots.get_mut(&id) else { return false };
        let is_new = !matches!(slot.phase, Phase::Stopping(_) | Phase::Retiring(StopCause::Broken));
        if is_new {
            slot.phase = Phase::Retiring(StopCause::Broken);
        }
        is_new
    }

    /// The process is gone. One that was not told to end has failed; `is_permanent`: another one would fail the same way.
    pub(crate) fn exited(&mut self, now: Duration, id: InstanceId, is_permanent: bool) {
        let Some(slot) = self.slots.remove(&id) else { return };
        let is_planned = match slot.phase {
            Phase::Stopping(cause) => cause != StopCause::Broken,
            // not wanted any more; one that has served its leases was to work on until the last of them is back
            Phase::Retiring(cause) => matches!(cause, StopCause::ScaledDown | StopCause::Closed),
            Phase::Starting | Phase::Healthy | Phase::Suspect => false,
        };
        if is_planned || self.is_closed {
            return;
        }
        let policy = &self.rules.restart;
        if slot.healthy_since.is_some_and(|since| now.saturating_sub(since) >= policy.stable_after) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        self.lost += 1;
        let doubled = 1_u32.checked_shl(self.failures - 1).unwrap_or(u32::MAX);
        let backoff = policy.backoff_min.saturating_mul(doubled).min(policy.backoff_max.max(policy.backoff_min));
        self.not_before = now.saturating_add(backoff);
        if is_permanent || self.failures > policy.limit {
            self.open_until = Some(now.saturating_add(policy.cool_down));
        }
    }

    /// Sets how many processes are wanted without demand.
    pub(crate) fn scale(&mut self, count: usize) {
        self.base = count.min(self.rules.max);
        while self.active() > self.base {
            // those first whose end costs least
            let rank = |slot: &Slot| match slot.phase {
                Phase::Starting => 0,
                Phase::Suspect => 1,
                _ => 2 + slot.leases,
            };
            let Some((_, slot)) =
                self.slots.iter_mut().filter(|(_, slot)| slot.is_active()).min_by_key(|(_, slot)| rank(slot))
            else {
                break;
            };
            slot.phase = Phase::Retiring(StopCause::ScaledDown);
        }
    }

    /// No more leases and starts; all processes end.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
    }

    /// What is to be done now. Whoever calls does it.
    pub(crate) fn turn(&mut self, now: Duration) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.is_closed {
            effects.extend(self.waiters.drain(..).map(Effect::Refuse));
            for slot in self.slots.values_mut().filter(|slot| !matches!(slot.phase, Phase::Stopping(_))) {
                slot.phase = Phase::Retiring(StopCause::Closed);
            }
            self.stop_retired(&mut effects);
            return effects;
        }
        while let Some(id) = self.next_free()
            && let Some(waiter) = self.waiters.pop_front()
        {
            self.grant(waiter, id, &mut effects);
        }
        if matches!(self.circuit(now), Circuit::Open(_)) {
            effects.extend(self.waiters.drain(..).map(Effect::Refuse));
        }
        self.shrink(now);
        self.stop_retired(&mut effects);
        while self.may_start(now) {
            self.last_instance += 1;
            let id = InstanceId(self.last_instance);
            let slot = Slot { phase: Phase::Starting, leases: 0, served: 0, healthy_since: None, idle_since: now };
            self.slots.insert(id, slot);
            if self.lost > 0 {
                self.lost -= 1;
                self.restarts += 1;
            }
            effects.push(Effect::Start(id));
        }
        effects
    }

    /// When a turn has something to do if nothing happens before.
    pub(crate) fn next_turn(&self, now: Duration) -> Option<Duration> {
        if self.is_closed {
            return None;
        }
        let start = self.wants_start().then(|| self.not_before.max(self.open_until.unwrap_or_default()));
        let start = start.filter(|at| *at > now);
        let idle = self.idle().filter(|_| self.active() > self.base);
        let idle = idle.map(|(since, _)| since.saturating_add(self.rules.idle_timeout));
        start.into_iter().chain(idle).min()
    }

    /// The next process in turn that has a lease to give.
    fn next_free(&self) -> Option<InstanceId> {
        let has_room = |slot: &Slot| slot.phase == Phase::Healthy && slot.leases < self.rules.leases_per_process;
        let free = || self.slots.iter().filter(|(_, slot)| has_room(slot)).map(|(id, _)| *id);
        free().find(|id| *id > self.cursor).or_else(|| free().next())
    }

    fn grant(&mut self, waiter: WaiterId, id: InstanceId, effects: &mut Vec<Effect>) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        slot.leases += 1;
        slot.served += 1;
        if self.rules.max_leases.is_some_and(|max| slot.served >= max) {
            slot.phase = Phase::Retiring(StopCause::Recycled);
        }
        self.cursor = id;
        effects.push(Effect::Grant(waiter, id));
    }

    /// How many processes are wanted: more while more wait than those that are starting will serve. Those beyond the base
    /// stay until they have been idle, and are not replaced without demand.
    fn wanted(&self) -> usize {
        let per_process = usize::try_from(self.rules.leases_per_process).unwrap_or(usize::MAX);
        let starting = self.slots.values().filter(|slot| slot.phase == Phase::Starting).count();
        let unserved = self.waiters.len().saturating_sub(starting.saturating_mul(per_process));
        (self.active() + unserved.div_ceil(per_process)).clamp(self.base, self.rules.max)
    }

    /// The process without leases that has been idle longest, and since when.
    fn idle(&self) -> Option<(Duration, InstanceId)> {
        let idle = self.slots.iter().filter(|(_, slot)| slot.phase == Phase::Healthy && slot.leases == 0);
        idle.map(|(id, slot)| (slot.idle_since, *id)).min()
    }

    /// Fewer processes when some have been idle.
    fn shrink(&mut self, now: Duration) {
        while self.active() > self.base
            && let Some((since, id)) = self.idle()
            && since.saturating_add(self.rules.idle_timeout) <= now
            && let Some(slot) = self.slots.get_mut(&id)
        {
            slot.phase = Phase::Retiring(StopCause::ScaledDown);
        }
    }

    /// Ends those that retire and have no lease left, or whose leases are of no use.
    fn stop_retired(&mut self, effects: &mut Vec<Effect>) {
        for (id, slot) in &mut self.slots {
            if let Phase::Retiring(cause) = slot.phase
                && (slot.leases == 0 || matches!(cause, StopCause::Broken | StopCause::Closed))
            {
                slot.phase = Phase::Stopping(cause);
                effects.push(Effect::Stop(*id, cause));
            }
        }
    }

    fn wants_start(&self) -> bool {
        self.active() < self.wanted() && self.slots.len() < self.rules.max
    }

    fn may_start(&self, now: Duration) -> bool {
        // after a failure one at a time, until one is healthy
        let is_trial = self.failures > 0 && self.slots.values().any(|slot| slot.phase == Phase::Starting);
        self.wants_start() && now >= self.not_before && !is_trial && !matches!(self.circuit(now), Circuit::Open(_))
    }

    fn active(&self) -> usize {
        self.slots.values().filter(|slot| slot.is_active()).count()
    }
}

/// What status and errors are made of.
impl Slots {
    pub(crate) fn circuit(&self, now: Duration) -> Circuit {
        match self.open_until {
            Some(until) if until > now => Circuit::Open(until),
            Some(_) => Circuit::HalfOpen,
            None => Circuit::Closed,
        }
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = (InstanceId, &Slot)> {
        self.slots.iter().map(|(id, slot)| (*id, slot))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(crate) fn count(&self, phase: Phase) -> usize {
        self.slots.values().filter(|slot| slot.phase == phase).count()
    }

    pub(crate) fn base(&self) -> usize {
        self.base
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiters.len()
    }

    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    pub(crate) fn restarts(&self) -> u64 {
        self.restarts
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether the next start waits for the end of a backoff.
    pub(crate) fn is_backing_off(&self, now: Duration) -> bool {
        self.failures > 0 && now < self.not_before
    }
}
