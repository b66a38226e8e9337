//! When a site that is down, throttles or keeps asking for a login is left alone.

use std::time::Duration;

use crate::config::RetryConfig;
use crate::model::FailureKind;

/// First pause of a site that is down; doubles with each further failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause between two trials, unless the site itself asks for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Expired logins in a row that are renewed at once: all workers share one login, so each of them sees it expire.
const RENEWED_AT_ONCE: u32 = 16;
/// Failures in a row after which a site that never answered well counts as a wrong address.
const NEVER_REACHED_AFTER: u32 = 3;
/// Orders in a row whose page has no known shape, after which the recipe no longer fits the site.
const DRIFTED_AFTER: u32 = 10;
/// Requests in a row that the site throttles, after which it is left alone. One alone makes its order wait, and the others
/// go on more slowly.
const THROTTLED_AFTER: u32 = 3;
/// Orders in a row that the site answers with an error of its own at their first attempt, after which it counts as down,
/// whatever it answers otherwise. An order that always fails is told from that by its later attempts, which do not count.
const DOWN_AFTER: u32 = 4;

/// Whether an attempt may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// It may, as many as there are workers.
    Allowed,
    /// One may, to see whether the site is back.
    Trial,
    /// None may before this moment; `None` while a trial is running.
    Denied(Option<Duration>),
}

/// Why the site is not asked any more in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TripCause {
    /// It never answered well.
    NeverReached,
    /// It has failed for longer than the patience.
    OutOfPatience,
    /// Its pages no longer fit the recipe.
    Drifted,
}

/// A failed attempt that the site is to blame for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteFailure {
    /// What failed.
    pub kind: FailureKind,
    /// How long the site asks to be left alone.
    pub retry_after: Option<Duration>,
    /// Whether the attempt was a trial: those that were already running when the breaker opened say nothing new.
    pub was_trial: bool,
    /// Whether it is the first failure of its order.
    pub is_first: bool,
}

/// Closed while the site answers: all attempts may start. Open while it does not: none may, for a pause that grows. Then one
/// may as a trial (half-open), which closes it or opens it again.
#[derive(Clone, Debug)]
pub struct CircuitBreaker {
    patience: Duration,
    throttle_delay: Duration,
    state: State,
    has_ever_answered: bool,
    logins_in_a_row: u32,
    unknown_pages_in_a_row: u32,
    throttled_in_a_row: u32,
    server_errors_in_a_row: u32,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed,
    Open(Outage),
    /// A trial is running.
    HalfOpen(Outage),
}

/// A time in which the site is left alone.
#[derive(Clone, Copy, Debug)]
struct Outage {
    since: Duration,
    until: Duration,
    failure_count: u32,
    /// The site itself said when it is to end.
    is_announced: bool,
}

impl CircuitBreaker {
    /// A breaker that allows attempts, and gives a failing site up after the patience.
    #[must_use]
    pub fn new(retry: &RetryConfig) -> Self {
        Self {
            patience: retry.patience,
            throttle_delay: retry.throttle_delay,
            state: State::Closed,
            has_ever_answered: false,
            logins_in_a_row: 0,
            unknown_pages_in_a_row: 0,
            throttled_in_a_row: 0,
            server_errors_in_a_row: 0,
        }
    }

    /// Whether an attempt may start at `now`.
    #[must_use]
    pub fn permit(&self, now: Duration) -> Permit {
        match self.state {
            State::Closed => Permit::Allowed,
            State::HalfOpen(_) => Permit::Denied(None),
            State::Open(outage) if now < outage.until => Permit::Denied(Some(outage.until)),
            State::Open(outage) if outage.ends_by_itself() => Permit::Allowed,
            State::Open(_) => Permit::Trial,
        }
    }

    /// An attempt was started on [`Permit::Trial`].
    pub fn on_trial_started(&mut self) {
        if let State::Open(outage) = self.state {
            self.state = State::HalfOpen(outage);
        }
    }

    /// The trial ended and says nothing about the site.
    pub fn on_trial_lost(&mut self) {
        if let State::HalfOpen(outage) = self.state {
            self.state = State::Open(outage);
        }
    }

    /// The site answered an attempt as a healthy site does, whatever the answer says about the order.
    pub fn on_success(&mut self) {
        self.state = State::Closed;
        self.has_ever_answered = true;
        self.logins_in_a_row = 0;
        self.unknown_pages_in_a_row = 0;
        self.throttled_in_a_row = 0;
        self.server_errors_in_a_row = 0;
    }

    /// An attempt failed, and the site is to blame. Returns why the site is given up, if it is.
    ///
    /// An expired login is renewed at once, unless the failure says when to come back: then only a person can log in, and
    /// the breaker opens.
    pub fn on_failure(&mut self, now: Duration, failure: SiteFailure) -> Option<TripCause> {
        let SiteFailure { kind, retry_after, was_trial, is_first } = failure;
        match kind {
            FailureKind::PageChanged => {
                self.unknown_pages_in_a_row += u32::from(is_first); // orders are counted, and not their tries
                if was_trial {
                    self.state = State::Closed; // the site answers, only not as the recipe expects
                }
                return (self.unknown_pages_in_a_row >= DRIFTED_AFTER).then_some(TripCause::Drifted);
            }
            FailureKind::LoginRequired => {
                self.logins_in_a_row += 1;
                if self.logins_in_a_row <= RENEWED_AT_ONCE && retry_after.is_none() {
                    self.on_trial_lost();
                    return None;
                }
            }
            FailureKind::Throttled => self.throttled_in_a_row += 1,
            FailureKind::ServerError => self.server_errors_in_a_row += u32::from(is_first),
            _ => {}
        }
        if let State::Open(outage) | State::HalfOpen(outage) = &mut self.state
            && !was_trial
            && !(now >= outage.until && outage.ends_by_itself())
        {
            // it was already running; only a longer wish of the site is news
            let until = retry_after.map_or(outage.until, |asked| now + asked);
            outage.until = outage.until.max(until);
            return None;
        }
        let is_lone = matches!(self.state, State::Closed) && self.has_ever_answered && retry_after.is_none();
        if is_lone && kind == FailureKind::Throttled && self.throttled_in_a_row < THROTTLED_AFTER
            || is_lone && kind == FailureKind::ServerError && self.server_errors_in_a_row < DOWN_AFTER
        {
            return None;
        }
        self.open(now, kind, retry_after)
    }

    fn open(&mut self, now: Duration, kind: FailureKind, retry_after: Option<Duration>) -> Option<TripCause> {
        let (since, before) = match self.state {
            State::Closed => (now, 0),
            State::Open(outage) | State::HalfOpen(outage) => (outage.since, outage.failure_count),
        };
        let failure_count = before + 1;
        let first = if kind == FailureKind::Throttled { self.throttle_delay } else { FIRST_PAUSE };
        let pause = first.saturating_mul(1 << before.min(16)).min(LONGEST_PAUSE.max(first));
        let pause = retry_after.map_or(pause, |asked| asked.max(FIRST_PAUSE));
        let until = now + pause;
        // a person who is to log in has promised nothing
        let is_announced = retry_after.is_some() && kind != FailureKind::LoginRequired;
        self.state = State::Open(Outage { since, until, failure_count, is_announced });
        let is_over = until > since + self.patience;
        if !self.has_ever_answered
            && kind == FailureKind::Unreachable
            && (is_over || failure_count >= NEVER_REACHED_AFTER)
        {
            return Some(TripCause::NeverReached);
        }
        is_over.then_some(TripCause::OutOfPatience)
    }

    /// The kind of failure that decides about the next attempt, and is recorded. Unless the breaker is closed, the error of
    /// one order is the site's, and costs the order nothing.
    #[must_use]
    pub fn kind_for_retry(&self, kind: FailureKind) -> FailureKind {
        match kind {
            FailureKind::ServerError if !matches!(self.state, State::Closed) => FailureKind::SiteDown,
            kind => kind,
        }
    }
}

impl Outage {
    /// Whether no trial is needed: the site said when to come back, and has not failed since.
    fn ends_by_itself(&self) -> bool {
        self.is_announced && self.failure_count == 1
    }
}

#[cfg(test)]
mod tests;
