//! When a site that is down, throttles or keeps asking for a login is left alone.

use std::time::Duration;

use crate::config::RetryConfig;
use crate::model::FailureKind;

/// First pause of a site that is down; doubles with each further failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause between two trials, unless the site itself asks for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Expired logins in a row that are renewed at once: all workers share one login, so each of them sees it expire.
const FREE_LOGINS: u32 = 16;
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
    /// Whether the attempt was a trial: those that were already running when the suspension began say nothing new.
    pub was_trial: bool,
    /// Whether it is the first failure of its order.
    pub is_first: bool,
}

/// Allows attempts while the site answers, and only single trials with growing pauses while it does not.
#[derive(Clone, Debug)]
pub struct CircuitBreaker {
    patience: Duration,
    throttle_delay: Duration,
    suspension: Option<Suspension>,
    has_ever_answered: bool,
    logins_in_a_row: u32,
    unknown_pages_in_a_row: u32,
    throttled_in_a_row: u32,
    server_errors_in_a_row: u32,
}

/// A time in which the site is left alone.
#[derive(Clone, Copy, Debug)]
struct Suspension {
    since: Duration,
    until: Duration,
    is_on_trial: bool,
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
            suspension: None,
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
        match self.suspension {
            None => Permit::Allowed,
            Some(suspension) if suspension.is_on_trial => Permit::Denied(None),
            Some(suspension) if now < suspension.until => Permit::Denied(Some(suspension.until)),
            Some(suspension) if suspension.ends_by_itself() => Permit::Allowed,
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
        self.throttled_in_a_row = 0;
        self.server_errors_in_a_row = 0;
    }

    /// An attempt failed, and the site is to blame. Returns why the site is given up, if it is.
    ///
    /// An expired login is renewed at once, unless the failure says when to come back: then only a person can log in, and
    /// attempts are suspended.
    pub fn on_failure(&mut self, now: Duration, failure: SiteFailure) -> Option<TripCause> {
        let SiteFailure { kind, retry_after, was_trial, is_first } = failure;
        match kind {
            FailureKind::PageChanged => {
                self.unknown_pages_in_a_row += 1;
                if was_trial {
                    self.suspension = None; // the site answers, only not as the recipe expects
                }
                return (self.unknown_pages_in_a_row >= DRIFTED_AFTER).then_some(TripCause::Drifted);
            }
            FailureKind::LoginRequired => {
                self.logins_in_a_row += 1;
                if self.logins_in_a_row <= FREE_LOGINS && retry_after.is_none() {
                    self.on_trial_lost();
                    return None;
                }
            }
            FailureKind::Throttled => self.throttled_in_a_row += 1,
            FailureKind::ServerError => self.server_errors_in_a_row += u32::from(is_first),
            _ => {}
        }
        if let Some(suspension) = &mut self.suspension
            && !was_trial
            && !(now >= suspension.until && suspension.ends_by_itself())
        {
            // it was already running; only a longer wish of the site is news
            let until = retry_after.map_or(suspension.until, |asked| now + asked);
            suspension.until = suspension.until.max(until);
            return None;
        }
        let is_lone = self.suspension.is_none() && self.has_ever_answered && retry_after.is_none();
        if is_lone && kind == FailureKind::Throttled && self.throttled_in_a_row < THROTTLED_AFTER
            || is_lone && kind == FailureKind::ServerError && self.server_errors_in_a_row < DOWN_AFTER
        {
            return None;
        }
        self.suspend(now, kind, retry_after)
    }

    fn suspend(&mut self, now: Duration, kind: FailureKind, retry_after: Option<Duration>) -> Option<TripCause> {
        let (since, before) =
            self.suspension.map_or((now, 0), |suspension| (suspension.since, suspension.failure_count));
        let failure_count = before + 1;
        let first = if kind == FailureKind::Throttled { self.throttle_delay } else { FIRST_PAUSE };
        let pause = first.saturating_mul(1 << before.min(16)).min(LONGEST_PAUSE.max(first));
        let pause = retry_after.map_or(pause, |asked| asked.max(FIRST_PAUSE));
        let until = now + pause;
        let is_announced = retry_after.is_some();
        self.suspension = Some(Suspension { since, until, is_on_trial: false, failure_count, is_announced });
        let is_over = until > since + self.patience;
        if !self.has_ever_answered
            && kind == FailureKind::Unreachable
            && (is_over || failure_count >= NEVER_REACHED_AFTER)
        {
            return Some(TripCause::NeverReached);
        }
        is_over.then_some(TripCause::OutOfPatience)
    }

    /// The kind of failure that decides about the next attempt. While attempts are suspended, the error of one order is the
    /// site's, and costs the order nothing.
    #[must_use]
    pub fn kind_for_retry(&self, kind: FailureKind) -> FailureKind {
        match kind {
            FailureKind::ServerError if self.suspension.is_some() => FailureKind::SiteDown,
            kind => kind,
        }
    }
}

impl Suspension {
    /// Whether no trial is needed: the site said when to come back, and has not failed since.
    fn ends_by_itself(&self) -> bool {
        self.is_announced && self.failure_count == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: RetryConfig = RetryConfig {
        limit: 3,
        delay_min: s(1),
        throttle_delay: s(15),
        delay_max: s(900),
        patience: s(600),
        stop_after: None,
    };

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const fn of(kind: FailureKind) -> SiteFailure {
        SiteFailure { kind, retry_after: None, was_trial: false, is_first: true }
    }

    const fn on_trial(kind: FailureKind) -> SiteFailure {
        SiteFailure { was_trial: true, ..of(kind) }
    }

    const fn throttled(seconds: u64) -> SiteFailure {
        SiteFailure { retry_after: Some(s(seconds)), ..of(FailureKind::Throttled) }
    }

    fn breaker_of_a_site_that_answered() -> CircuitBreaker {
        let mut breaker = CircuitBreaker::new(&CONFIG);
        breaker.on_success();
        breaker
    }

    #[test]
    fn a_failure_suspends_and_one_good_trial_allows_again() {
        let mut breaker = breaker_of_a_site_that_answered();
        assert_eq!(breaker.permit(s(0)), Permit::Allowed);
        assert_eq!(breaker.on_failure(s(0), of(FailureKind::SiteDown)), None);
        assert_eq!(breaker.permit(s(0)), Permit::Denied(Some(s(1))));
        assert_eq!(breaker.permit(s(1)), Permit::Trial);
        breaker.on_trial();
        assert_eq!(breaker.permit(s(3)), Permit::Denied(None), "a second trial beside the first");
        breaker.on_success();
        assert_eq!(breaker.permit(s(3)), Permit::Allowed);
    }

    #[test]
    fn the_pauses_of_a_site_that_is_down_grow_from_one_second() {
        let mut breaker = breaker_of_a_site_that_answered();
        let (mut now, mut pauses) = (s(0), Vec::new());
        for trial in 0..8 {
            let failure = SiteFailure { was_trial: trial > 0, ..of(FailureKind::SiteDown) };
            assert_eq!(breaker.on_failure(now, failure), None);
            let Permit::Denied(Some(until)) = breaker.permit(now) else { panic!("allowed") };
            pauses.push((until - now).as_secs());
            now = until;
            breaker.on_trial();
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn attempts_that_were_already_running_say_nothing_new() {
        let mut breaker = breaker_of_a_site_that_answered();
        for _ in 0..8 {
            assert_eq!(breaker.on_failure(s(0), of(FailureKind::SiteDown)), None);
        }
        assert_eq!(breaker.permit(s(1)), Permit::Trial);
    }

    #[test]
    fn the_sites_own_retry_after_is_honoured_and_the_longest_one_counts() {
        let mut breaker = breaker_of_a_site_that_answered();
        breaker.on_failure(s(0), throttled(20));
        breaker.on_failure(s(1), throttled(120));
        breaker.on_failure(s(2), throttled(3));
        assert_eq!(breaker.permit(s(120)), Permit::Denied(Some(s(121))));
    }

    #[test]
    fn after_its_retry_after_a_site_is_asked_by_all_again_unless_it_fails_once_more() {
        let mut breaker = breaker_of_a_site_that_answered();
        breaker.on_failure(s(0), throttled(2));
        assert_eq!(breaker.permit(s(2)), Permit::Allowed);
        breaker.on_failure(s(3), throttled(2));
        assert_eq!(breaker.permit(s(3)), Permit::Denied(Some(s(5))));
        assert_eq!(breaker.permit(s(5)), Permit::Trial);
        breaker.on_success();
        assert_eq!(breaker.permit(s(5)), Permit::Allowed);
    }

    #[test]
    fn a_throttled_request_alone_holds_nobody_up_and_three_in_a_row_make_all_wait() {
        let mut breaker = breaker_of_a_site_that_answered();
        for now in 0..20 {
            breaker.on_failure(s(now), of(FailureKind::Throttled));
            assert_eq!(breaker.permit(s(now)), Permit::Allowed);
            breaker.on_success();
        }
        for _ in 0..3 {
            assert_eq!(breaker.permit(s(30)), Permit::Allowed);
            breaker.on_failure(s(30), of(FailureKind::Throttled));
        }
        assert_eq!(breaker.permit(s(30)), Permit::Denied(Some(s(45))));
    }

    #[test]
    fn errors_of_single_orders_hold_nobody_up_and_four_new_ones_in_a_row_are_the_sites() {
        let mut breaker = breaker_of_a_site_that_answered();
        for _ in 0..20 {
            let again = SiteFailure { is_first: false, ..of(FailureKind::ServerError) };
            assert_eq!(breaker.on_failure(s(0), again), None);
            assert_eq!(breaker.permit(s(0)), Permit::Allowed, "the same orders again and again");
        }
        for _ in 0..4 {
            assert_eq!(breaker.permit(s(0)), Permit::Allowed);
            assert_eq!(breaker.kind_for_retry(FailureKind::ServerError), FailureKind::ServerError);
            breaker.on_failure(s(0), of(FailureKind::ServerError));
        }
        assert_eq!(breaker.permit(s(0)), Permit::Denied(Some(s(1))));
        assert_eq!(breaker.kind_for_retry(FailureKind::ServerError), FailureKind::SiteDown);
        assert_eq!(breaker.kind_for_retry(FailureKind::StepTimeout), FailureKind::StepTimeout);
    }

    #[test]
    fn a_site_that_has_never_answered_is_left_alone_at_its_first_failure() {
        for kind in [FailureKind::Throttled, FailureKind::ServerError, FailureKind::SiteDown] {
            let mut breaker = CircuitBreaker::new(&CONFIG);
            breaker.on_failure(s(0), of(kind));
            assert_ne!(breaker.permit(s(0)), Permit::Allowed, "{kind}");
        }
    }

    #[test]
    fn patience_ends() {
        let mut breaker = breaker_of_a_site_that_answered();
        let mut now = s(0);
        let mut trials = 0;
        let cause = loop {
            let failure = SiteFailure { was_trial: trials > 0, ..of(FailureKind::SiteDown) };
            if let Some(cause) = breaker.on_failure(now, failure) {
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
        let mut breaker = CircuitBreaker::new(&CONFIG);
        assert_eq!(breaker.on_failure(s(0), of(FailureKind::Unreachable)), None);
        breaker.on_trial();
        assert_eq!(breaker.on_failure(s(2), on_trial(FailureKind::Unreachable)), None);
        breaker.on_trial();
        assert_eq!(breaker.on_failure(s(6), on_trial(FailureKind::Unreachable)), Some(TripCause::NeverReached));
    }

    #[test]
    fn a_portal_in_maintenance_from_the_start_is_waited_for() {
        let mut breaker = CircuitBreaker::new(&CONFIG);
        for turn in 0..6 {
            let failure = SiteFailure { was_trial: turn > 0, ..of(FailureKind::SiteDown) };
            assert_eq!(breaker.on_failure(s(turn), failure), None);
        }
    }

    #[test]
    fn expired_logins_are_renewed_at_once_but_not_for_ever() {
        let mut breaker = breaker_of_a_site_that_answered();
        for _ in 0..FREE_LOGINS {
            breaker.on_failure(s(0), of(FailureKind::LoginRequired));
            assert_eq!(breaker.permit(s(0)), Permit::Allowed);
        }
        breaker.on_failure(s(0), of(FailureKind::LoginRequired));
        assert_ne!(breaker.permit(s(0)), Permit::Allowed);
    }

    #[test]
    fn ten_unknown_pages_in_a_row_are_drift_and_a_known_one_ends_the_row() {
        let mut breaker = breaker_of_a_site_that_answered();
        for _ in 1..DRIFTED_AFTER {
            assert_eq!(breaker.on_failure(s(0), of(FailureKind::PageChanged)), None);
        }
        let mut other = breaker.clone();
        assert_eq!(breaker.on_failure(s(0), of(FailureKind::PageChanged)), Some(TripCause::Drifted));
        other.on_success();
        assert_eq!(other.on_failure(s(0), of(FailureKind::PageChanged)), None);
    }
}
