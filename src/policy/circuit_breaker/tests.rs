//! When the breaker opens, and when it closes again.

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
fn a_failure_opens_it_and_one_good_trial_closes_it_again() {
    let mut breaker = breaker_of_a_site_that_answered();
    assert_eq!(breaker.permit(s(0)), Permit::Allowed);
    assert_eq!(breaker.on_failure(s(0), of(FailureKind::SiteDown)), None);
    assert_eq!(breaker.permit(s(0)), Permit::Denied(Some(s(1))));
    assert_eq!(breaker.permit(s(1)), Permit::Trial);
    breaker.on_trial_started();
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
        breaker.on_trial_started();
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
fn a_login_that_only_a_person_can_make_is_asked_for_by_trials_alone() {
    let mut breaker = breaker_of_a_site_that_answered();
    let wait = SiteFailure { retry_after: Some(s(2)), ..of(FailureKind::LoginRequired) };
    breaker.on_failure(s(0), wait);
    assert_eq!(breaker.permit(s(2)), Permit::Trial);
    breaker.on_trial_started();
    breaker.on_failure(s(3), SiteFailure { was_trial: true, ..wait });
    assert_eq!(breaker.permit(s(3)), Permit::Denied(Some(s(5))));
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
        breaker.on_trial_started();
        trials += 1;
    };
    assert_eq!(cause, TripCause::OutOfPatience);
    assert!(now <= s(600) && trials > 5, "{now:?} after {trials} trials");
}

#[test]
fn an_address_that_never_answers_is_given_up_soon() {
    let mut breaker = CircuitBreaker::new(&CONFIG);
    assert_eq!(breaker.on_failure(s(0), of(FailureKind::Unreachable)), None);
    breaker.on_trial_started();
    assert_eq!(breaker.on_failure(s(2), on_trial(FailureKind::Unreachable)), None);
    breaker.on_trial_started();
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
    for _ in 0..RENEWED_AT_ONCE {
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

#[test]
fn drift_is_told_by_ten_orders_and_not_by_the_tries_of_five() {
    let mut breaker = breaker_of_a_site_that_answered();
    for _ in 1..DRIFTED_AFTER {
        for is_first in [true, false] {
            let failure = SiteFailure { is_first, ..of(FailureKind::PageChanged) };
            assert_eq!(breaker.on_failure(s(0), failure), None);
        }
    }
    assert_eq!(breaker.on_failure(s(0), of(FailureKind::PageChanged)), Some(TripCause::Drifted));
}
