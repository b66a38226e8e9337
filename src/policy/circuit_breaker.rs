//! When a site that is down, throttles or keeps asking for a login is left alone.

use std::time::Duration;

use crate::model::FailureKind;

/// First pause after a failure of the site; doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Longest pause between two trials, unless the site itself asks for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Expired logins in a row that are renewed at once: all workers share one login, so each of them sees it expire.
const FREE_LOGINS: u32 = 16;
/// Failures in a row after which a site that never answered well counts as a wrong address.
const NEVER_REACHED_AFTER: u32 = 3;
/// Orders in a row whose page has no known shape, after which the recipe no longer fits the site.
const DRIFTED_AFTER: u32 = 10;

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

/// Allows attempts while the site answers, and only single trials with growing pauses while it does not.
#[derive(Clone, Debug)]
pub struct CircuitBreaker {
    patience: Duration,
    suspension: Option<Suspension>,
    has_ever_answered: bool,
    logins_in_a_row: u32,
    unknown_pages_in_a_row: u32,
}

/// A time in which the site is left alone.
#[derive(Clone, Copy, Debug)]
struct Suspension {
    since: Duration,
    until: Duration,
    is_on_trial: bool,
    failure_count: u32,
}

impl CircuitBreaker {
    /// A breaker that allows attempts, and gives a failing site up after `patience`.
    #[must_use]
    pub fn new(patience: Duration) -> Self {
        Self { patience, suspension: None, has_ever_answered: false, logins_in_a_row: 0, unknown_pages_in_a_row: 0 }
    }

    /// Whether an attempt may start at `now`.
    #[must_use]
    pub fn permit(&self, now: Duration) -> Permit {
        match self.suspension {
            None => Permit::Allowed,
            Some(suspension) if suspension.is_on_trial => Permit::Denied(None),
            Some(suspension) if now < suspension.until => Permit::Denied(Some(suspension.until)),
            Some(_) => Permit::Trial,
        }
    }

    /// An attempt was started on [`Permit::Trial`].
    pub fn on_trial(&mut self) {
        if let Some(suspension) = &mut self.suspension {
            suspension.is_on_trial = true;
        }
    }

    /// The trial ended and says nothing about the site.
    pub fn on_trial_lost(&mut self) {
        if let Some(suspension) = &mut self.suspension {
            suspension.is_on_trial = false;
        }
    }

    /// The site answered an attempt as a healthy site does, whatever the answer says about the order.
    pub fn on_success(&mut self) {
        self.suspension = None;
        self.has_ever_answered = true;
        self.logins_in_a_row = 0;
        self.unknown_pages_in_a_row = 0;
    }

    /// An attempt failed, and the site is at fault. Returns why the site is given up, if it is.
    ///
    /// An expired login is renewed at once, unless the failure says when to come back: then only a person can log in, and
    /// attempts are suspended. `was_trial` tells whether the attempt was a trial: attempts that were already running when
    /// the suspension began say nothing new.
    pub fn on_failure(
        &mut self,
        now: Duration,
        kind: FailureKind,
        retry_after: Option<Duration>,
        was_trial: bool,
    ) -> Option<TripCause> {
        if kind == FailureKind::PageChanged {
            self.unknown_pages_in_a_row += 1;
            if was_trial {
                self.suspension = None; // the site answers, only not as the recipe expects
            }
            return (self.unknown_pages_in_a_row >= DRIFTED_AFTER).then_some(TripCause::Drifted);
        }
        if kind == FailureKind::LoginRequired {
            self.logins_in_a_row += 1;
            if self.logins_in_a_row <= FREE_LOGINS && retry_after.is_none() {
                self.on_trial_lost();
                return None;
            }
        }
        if self.suspension.is_some() && !was_trial {
            return None;
        }
        let before =
            self.suspension.unwrap_or(Suspension { since: now, until: now, is_on_trial: false, failure_count: 0 });
        let failure_count = before.failure_count + 1;
        let pause = FIRST_PAUSE.saturating_mul(1 << (failure_count - 1).min(16)).min(LONGEST_PAUSE);
        let pause = retry_after.map_or(pause, |asked| asked.max(FIRST_PAUSE));
        self.suspension =
            Some(Suspension { since: before.since, until: now + pause, is_on_trial: false, failure_count });
        let is_over = now + pause > before.since + self.patience;
        if !self.has_ever_answered
            && kind == FailureKind::Unreachable
            && (is_over || failure_count >= NEVER_REACHED_AFTER)
        {
            return Some(TripCause::NeverReached);
        }
        is_over.then_some(TripCause::OutOfPatience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn breaker_of_a_site_that_answered() -> CircuitBreaker {
        let mut breaker = CircuitBreaker::new(s(600));
        breaker.on_success();
        breaker
    }

    #[test]
    fn a_failure_suspends_and_one_good_trial_allows_again() {
        let mut breaker = breaker_of_a_site_that_answered();
        assert_eq!(breaker.permit(s(0)), Permit::Allowed);
        assert_eq!(breaker.on_failure(s(0), FailureKind::SiteDown, None, false), None);
        assert_eq!(breaker.permit(s(1)), Permit::Denied(Some(s(2))));
        assert_eq!(breaker.permit(s(2)), Permit::Trial);
        breaker.on_trial();
        assert_eq!(breaker.permit(s(3)), Permit::Denied(None), "a second trial beside the first");
        breaker.on_success();
        assert_eq!(breaker.permit(s(3)), Permit::Allowed);
    }

    #[test]
    fn attempts_that_were_already_running_say_nothing_new() {
        let mut breaker = breaker_of_a_site_that_answered();
        for _ in 0..8 {
            assert_eq!(breaker.on_failure(s(0), FailureKind::SiteDown, None, false), None);
        }
        assert_eq!(breaker.permit(s(2)), Permit::Trial);
    }

    #[test]
    fn the_sites_own_retry_after_is_honoured() {
        let mut breaker = breaker_of_a_site_that_answered();
        breaker.on_failure(s(0), FailureKind::Throttled, Some(s(120)), false);
        assert_eq!(breaker.permit(s(119)), Permit::Denied(Some(s(120))));
    }

    #[test]
    fn patience_ends() {
        let mut breaker = breaker_of_a_site_that_answered();
        let mut now = s(0);
        let mut trials = 0;
        let cause = loop {
            if let Some(cause) = breaker.on_failure(now, FailureKind::SiteDown, None, trials > 0) {
                break cause;
            }
            let Permit::Denied(Some(until)) = breaker.permit(now) else { panic!("allowed") };
            now = until;
            breaker.on_trial();
            trials += 1;
        };
        assert_eq!(cause, TripCause::OutOfPatience);
        assert!(now <= s(600) && trials > 5, "{now:?} after {trials} trials");
    }

    #[test]
    fn an_address_that_never_answers_is_given_up_soon() {
        let mut breaker = CircuitBreaker::new(s(600));
        assert_eq!(breaker.on_failure(s(0), FailureKind::Unreachable, None, false), None);
        breaker.on_trial();
        assert_eq!(breaker.on_failure(s(2), FailureKind::Unreachable, None, true), None);
        breaker.on_trial();
        assert_eq!(breaker.on_failure(s(6), FailureKind::Unreachable, None, true), Some(TripCause::NeverReached));
    }

    #[test]
    fn a_portal_in_maintenance_from_the_start_is_waited_for() {
        let mut breaker = CircuitBreaker::new(s(600));
        for turn in 0..6 {
            assert_eq!(breaker.on_failure(s(turn), FailureKind::SiteDown, None, turn > 0), None);
        }
    }

    #[test]
    fn expired_logins_are_renewed_at_once_but_not_for_ever() {
        let mut breaker = breaker_of_a_site_that_answered();
        for _ in 0..FREE_LOGINS {
            breaker.on_failure(s(0), FailureKind::LoginRequired, None, false);
            assert_eq!(breaker.permit(s(0)), Permit::Allowed);
        }
        breaker.on_failure(s(0), FailureKind::LoginRequired, None, false);
        assert_ne!(breaker.permit(s(0)), Permit::Allowed);
    }

    #[test]
    fn ten_unknown_pages_in_a_row_are_drift_and_a_known_one_ends_the_row() {
        let mut breaker = breaker_of_a_site_that_answered();
        for _ in 1..DRIFTED_AFTER {
            assert_eq!(breaker.on_failure(s(0), FailureKind::PageChanged, None, false), None);
        }
        let mut other = breaker.clone();
        assert_eq!(breaker.on_failure(s(0), FailureKind::PageChanged, None, false), Some(TripCause::Drifted));
        other.on_success();
        assert_eq!(other.on_failure(s(0), FailureKind::PageChanged, None, false), None);
    }
}
