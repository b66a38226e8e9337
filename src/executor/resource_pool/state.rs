//! Counts and decisions of a pool. Pure: the time is an argument. `R` is what is pooled, `W` a way to answer who waits.

use std::collections::BTreeMap;
use std::time::Duration;

use super::breaker::{Breaker, BreakerOptions, Decision};
use super::error::Wait;
use super::status::{CloseSummary, ResourcePoolStatus};

/// How many leftovers a summary names.
const NAMED_LEFTOVERS: usize = 20;

/// Where a resource that is not idle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Creating,
    InUse,
    Recycling,
    Destroying,
}

/// Why nothing is lent any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CloseCause {
    Closed,
    RuntimeGone,
}

/// Something that happened, for the totals.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    Created,
    Recycled,
    Replaced,
    Destroyed,
    Detached,
    Failed,
}

/// What is to be done next.
#[derive(Debug)]
pub(super) enum Step<R, W> {
    /// This resource, which counts as in use, is for this caller.
    Lend(R, W),
    /// Make one; it counts as being made.
    Create { is_trial: bool },
    /// Nothing can come for this caller before `retry_in`.
    CircuitOpen { waiter: W, failures: u32, retry_in: Duration, last: String },
    /// Nothing will come for this caller.
    Refuse(W, CloseCause),
}

#[derive(Debug)]
pub(super) struct State<R, W> {
    max_size: usize,
    idle: Vec<R>,
    /// By ticket; tickets below 0 are for those who have waited before.
    waiting: BTreeMap<i64, W>,
    next_ticket: i64,
    first_ticket: i64,
    places: [usize; 4],
    closed: Option<CloseCause>,
    pub(super) breaker: Breaker,
    last_error: String,
    totals: [u64; 6],
    leftovers: Vec<String>,
}

impl<R, W> State<R, W> {
    pub(super) fn new(max_size: usize, breaker: BreakerOptions) -> Self {
        Self {
            max_size,
            idle: Vec::new(),
            waiting: BTreeMap::new(),
            next_ticket: 0,
            first_ticket: -1,
            places: [0; 4],
            closed: None,
            breaker: Breaker::new(breaker),
            last_error: String::new(),
            totals: [0; 6],
            leftovers: Vec::new(),
        }
    }

    pub(super) fn closed(&self) -> Option<CloseCause> {
        self.closed
    }

    fn count(&self, place: Place) -> usize {
        self.places[place as usize]
    }

    /// How many resources exist, or are being made.
    pub(super) fn size(&self) -> usize {
        self.idle.len() + self.places.iter().sum::<usize>()
    }

    pub(super) fn enter(&mut self, place: Place) {
        self.places[place as usize] += 1;
    }

    pub(super) fn leave(&mut self, place: Place) {
        self.places[place as usize] -= 1;
    }

    pub(super) fn note(&mut self, event: Event) {
        self.totals[event as usize] += 1;
    }

    pub(super) fn set_last_error(&mut self, error: String) {
        self.last_error = error;
    }

    pub(super) fn add_leftover(&mut self, leftover: String) {
        if self.leftovers.len() < NAMED_LEFTOVERS {
            self.leftovers.push(leftover);
        }
    }

    /// An idle resource, which then counts as in use, unless others wait for one.
    pub(super) fn take_idle(&mut self) -> Option<R> {
        let resource = if self.waiting.is_empty() { self.idle.pop()? } else { return None };
        self.enter(Place::InUse);
        Some(resource)
    }

    pub(super) fn put_idle(&mut self, from: Place, resource: R) {
        self.leave(from);
        self.idle.push(resource);
    }

    /// Puts a caller at the end of the line, or at its head.
    pub(super) fn enqueue(&mut self, waiter: W, is_first: bool) -> i64 {
        let next = if is_first { &mut self.first_ticket } else { &mut self.next_ticket };
        let ticket = *next;
        *next += if is_first { -1 } else { 1 };
        self.waiting.insert(ticket, waiter);
        ticket
    }

    /// Takes a caller out of the line, and says what it waited for; `None` if it is not in it any more.
    pub(super) fn dequeue(&mut self, ticket: i64) -> Option<Wait> {
        let ahead = self.waiting.range(..ticket).count();
        self.waiting.remove(&ticket)?;
        let (recycling, creating) = (self.count(Place::Recycling), self.count(Place::Creating));
        Some(match ahead {
            ahead if ahead < recycling => Wait::Recycle,
            ahead if ahead < recycling + creating => Wait::Create,
            _ => Wait::Slot,
        })
    }

    /// The caller who has waited longest.
    pub(super) fn first_waiter(&mut self) -> Option<W> {
        self.waiting.pop_first().map(|(_, waiter)| waiter)
    }

    /// What is to be done next; its counts are changed already. To be called until it is nothing.
    pub(super) fn next(&mut self, now: Duration) -> Option<Step<R, W>> {
        if let Some(cause) = self.closed {
            return self.first_waiter().map(|waiter| Step::Refuse(waiter, cause));
        }
        if self.waiting.is_empty() {
            return None;
        }
        if let Some(resource) = self.idle.pop() {
            self.enter(Place::InUse);
            return self.first_waiter().map(|waiter| Step::Lend(resource, waiter));
        }
        // what is on its way is waited for: making another one costs more
        let coming = self.count(Place::Creating) + self.count(Place::Recycling);
        if coming >= self.waiting.len() || self.size() >= self.max_size {
            return None;
        }
        match self.breaker.decide(now) {
            Decision::Allowed => {
                self.enter(Place::Creating);
                Some(Step::Create { is_trial: false })
            }
            Decision::Trial => {
                self.breaker.on_trial();
                self.enter(Place::Creating);
                Some(Step::Create { is_trial: true })
            }
            Decision::Denied(_) if coming + self.count(Place::InUse) > 0 => None,
            Decision::Denied(until) => {
                let (failures, last) = (self.breaker.failures(), self.last_error.clone());
                let retry_in = until.saturating_sub(now);
                self.first_waiter().map(|waiter| Step::CircuitOpen { waiter, failures, retry_in, last })
            }
        }
    }

    /// Lends nothing any more; the first cause counts. Returns what was idle, which then counts as being destroyed.
    pub(super) fn close(&mut self, cause: CloseCause) -> Vec<R> {
        self.closed.get_or_insert(cause);
        let idle = std::mem::take(&mut self.idle);
        self.places[Place::Destroying as usize] += idle.len();
        idle
    }

    pub(super) fn status(&self, now: Duration) -> ResourcePoolStatus {
        let [created, recycled, replaced, destroyed, detached, failures] = self.totals;
        ResourcePoolStatus {
            max_size: self.max_size,
            size: self.size(),
            idle: self.idle.len(),
            in_use: self.count(Place::InUse),
            creating: self.count(Place::Creating),
            recycling: self.count(Place::Recycling),
            destroying: self.count(Place::Destroying),
            waiting: self.waiting.len(),
            created,
            recycled,
            replaced,
            destroyed,
            detached,
            failures,
            circuit: self.breaker.state(now),
            is_closed: self.closed.is_some(),
        }
    }

    pub(super) fn summary(&self) -> CloseSummary {
        CloseSummary {
            destroyed: self.totals[Event::Destroyed as usize],
            in_use: self.count(Place::InUse),
            unfinished: self.size() - self.count(Place::InUse),
            leftovers: self.leftovers.clone(),
        }
    }
}
