//! Whether another order may start: pause, circuit breaker, concurrency limit, load of the machine.

use std::num::NonZeroU32;
use std::time::Duration;

use bytesize::ByteSize;

use super::messages::{ResourceSample, SchedulerConfig};
use crate::config::AdmissionConfig;
use crate::model::{DispatchState, FailureKind, OrderStatus, Outcome, StopKind, StopReason};
use crate::policy::{AdaptiveLimit, CircuitBreaker, Permit, SiteFailure, TripCause};

/// What decides whether an order may start beside those in work, and when a run is hopeless.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    config: AdmissionConfig,
    stop_after: Option<NonZeroU32>,
    patience: Duration,
    is_paused: bool,
    breaker: CircuitBreaker,
    /// Why the breaker is open, for a person.
    reason: String,
    /// Whether only a person can close it, by logging in.
    wants_person: bool,
    limit: AdaptiveLimit,
    /// Why the load of the machine blocks further orders.
    blocked_by: Option<String>,
    failed_in_a_row: u32,
}

/// An order may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// As the one order that tries whether the site is back.
    pub(crate) is_trial: bool,
}

impl Admission {
    pub(crate) fn new(config: &SchedulerConfig) -> Self {
        Self {
            config: config.admission,
            stop_after: config.stop_after,
            patience: config.retry.patience,
            is_paused: false,
            breaker: CircuitBreaker::new(&config.retry),
            reason: String::new(),
            wants_person: false,
            limit: AdaptiveLimit::new(config.scaling.max.get().saturating_mul(config.slot_count)),
            blocked_by: None,
            failed_in_a_row: 0,
        }
    }

    pub(crate) fn pause(&mut self) {
        self.is_paused = true;
    }

    pub(crate) fn resume(&mut self) {
        self.is_paused = false;
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Whether an order may start at `now` beside `in_work` others.
    pub(crate) fn start(&self, now: Duration, in_work: usize) -> Option<Start> {
        if self.is_paused || self.is_full(in_work) {
            return None;
        }
        match self.breaker.permit(now) {
            Permit::Allowed => Some(Start { is_trial: false }),
            Permit::Trial => Some(Start { is_trial: true }),
            Permit::Denied(_) => None,
        }
    }

    /// Whether no order may start beside those in work. The end of one of these, or the next sample, makes the next turn.
    fn is_full(&self, in_work: usize) -> bool {
        (self.limit.is_reduced() && in_work >= self.limit.limit()) || (self.blocked_by.is_some() && in_work > 0)
    }

    /// An order was started as a trial.
    pub(crate) fn started_trial(&mut self) {
        self.breaker.on_trial_started();
    }

    /// A trial ended and said nothing about the site.
    pub(crate) fn lost_trial(&mut self) {
        self.breaker.on_trial_lost();
    }

    /// When an order may start if nothing else happens; `next_due` is the time of the first one that waits.
    pub(crate) fn wake(&self, now: Duration, in_work: usize, next_due: Option<Duration>) -> Option<Duration> {
        if self.is_paused {
            return None;
        }
        match self.breaker.permit(now) {
            Permit::Denied(until) => until.filter(|_| next_due.is_some()),
            // otherwise turns would chase each other: an order that is due and may not start is always due now
            Permit::Allowed | Permit::Trial if self.is_full(in_work) => None,
            Permit::Allowed | Permit::Trial => next_due,
        }
    }

    /// The site answered as a healthy site does.
    pub(crate) fn on_success(&mut self) {
        self.breaker.on_success();
        self.limit.on_success();
    }

    /// The site was at fault, as `message` says. Returns why the run stops, if it does.
    pub(crate) fn on_site_failure(&mut self, now: Duration, failure: SiteFailure, message: &str) -> Option<StopReason> {
        if matches!(failure.kind, FailureKind::Throttled | FailureKind::SiteDown) {
            self.limit.on_congestion(now);
        }
        // what was under way when the breaker opened says nothing new
        let has_news = failure.was_trial || failure.retry_after.is_some();
        let is_news = has_news || self.breaker.permit(now) == Permit::Allowed;
        let tripped = self.breaker.on_failure(now, failure);
        if is_news && self.breaker.permit(now) != Permit::Allowed {
            message.clone_into(&mut self.reason);
            // a login with a time to come back is one that only a person can make
            self.wants_person = failure.kind == FailureKind::LoginRequired && failure.retry_after.is_some();
        }
        tripped.map(|cause| self.stop_for(cause, message))
    }

    /// The kind of failure that decides about the next attempt of an order: while the site is left alone, its error is not
    /// the order's.
    pub(crate) fn kind_for_retry(&self, kind: FailureKind) -> FailureKind {
        self.breaker.kind_for_retry(kind)
    }

    /// Counts failed orders in a row. Returns why the run stops, if it has become hopeless. An order that does not exist
    /// says nothing about the others.
    pub(crate) fn on_outcome(&mut self, outcome: &Outcome) -> Option<StopReason> {
        match outcome.status() {
            OrderStatus::Completed | OrderStatus::NoAttachments => self.failed_in_a_row = 0,
            OrderStatus::Failed | OrderStatus::Partial => self.failed_in_a_row += 1,
            OrderStatus::PoNotFound
            | OrderStatus::AccessDenied
            | OrderStatus::PrNotAccessible
            | OrderStatus::Skipped
            | OrderStatus::NotDone => {}
        }
        let failed = self.failed_in_a_row;
        self.stop_after.is_some_and(|limit| failed >= limit.get()).then(|| StopReason {
            kind: StopKind::TooManyFailures,
            message: match failed {
                1 => "an order failed, so the remaining orders were not tried (stop_after)".to_owned(),
                _ => format!("{failed} orders in a row failed, so the remaining orders were not tried (stop_after)"),
            },
        })
    }

    /// Takes note of the load of the machine.
    pub(crate) fn sampled(&mut self, sample: &ResourceSample) {
        self.blocked_by = self.block(sample);
    }

    fn block(&self, sample: &ResourceSample) -> Option<String> {
        let reading = &sample.reading;
        if let (Some(cpu), Some(max)) = (reading.cpu, self.config.max_cpu)
            && cpu > max
        {
            return Some(format!("{:.0} % of the processors are in use, more than max_cpu allows", cpu * 100.0));
        }
        let least = self.config.min_free_memory?;
        let is_known = reading.total_bytes > 0;
        (is_known && reading.available_bytes < least.as_u64()).then(|| {
            let free = ByteSize(reading.available_bytes).display().si();
            format!("{free} of memory is free, less than min_free_memory requires")
        })
    }

    pub(crate) fn state(&self, now: Duration) -> DispatchState {
        if self.is_paused {
            DispatchState::Paused
        } else if self.breaker.permit(now) == Permit::Allowed {
            DispatchState::Running
        } else {
            DispatchState::Suspended { reason: self.reason.clone(), needs_person: self.wants_person }
        }
    }

    /// How many orders may be in work at once, if the site asked for fewer than the workers could have.
    pub(crate) fn concurrency_limit(&self) -> Option<usize> {
        self.limit.is_reduced().then(|| self.limit.limit())
    }

    pub(crate) fn blocked_by(&self) -> Option<&str> {
        self.blocked_by.as_deref()
    }

    fn stop_for(&self, cause: TripCause, last: &str) -> StopReason {
        let (kind, message) = match cause {
            TripCause::NeverReached => (StopKind::NeverReached, last.to_owned()),
            TripCause::OutOfPatience => {
                let patience = humantime::format_duration(self.patience);
                (
                    StopKind::SiteDown,
                    format!("the portal did not recover within {patience} (patience); last error: {last}"),
                )
            }
            TripCause::Drifted => {
                let message = format!(
                    "the pages of ten orders in a row are not as the site recipe expects, so the remaining orders were \
                     not tried; check the portal's address and the recipe; last error: {last}"
                );
                (StopKind::PagesChanged, message)
            }
        };
        StopReason { kind, message }
    }
}
