//! When to stop asking a site that is down, throttles, or keeps wanting a login.

use std::time::Duration;

use crate::model::FailureKind;

/// First pause after a fault of the site; doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Longest pause between two probes, unless the site itself asks for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Ended logins in a row that are repeated at once: with one login for all workers, each of them runs into its end.
const FREE_LOGINS: u32 = 16;
/// Faults in a row after which a site that never answered well is taken for a wrong address.
const NEVER_REACHED_AFTER: u32 = 3;
/// Orders in a row whose page fits no known shape, after which the recipe is taken to have drifted from the site.
const DRIFTED_AFTER: u32 = 10;

/// Whether an attempt may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// As many as there are workers.
    Open,
    /// One, to see whether the site is back.
    Probe,
    /// None before this moment; `None` while a probe is under way.
    Closed(Option<Duration>),
}

/// Why the site is not asked any more in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TripCause {
    /// It never answered well.
    NeverReached,
    /// It has been in trouble for longer than the patience.
    OutOfPatience,
    /// Its pages no longer fit the recipe.
    Drifted,
}

/// The gate before the site: open while it answers, closed with growing pauses while it does not.
#[derive(Clone, Debug)]
pub struct CircuitBreaker {
    patience: Duration,
    closed: Option<Closed>,
    ever_answered: bool,
    logins_in_a_row: u32,
    misfits_in_a_row: u32,
}

#[derive(Clone, Copy, Debug)]
struct Closed {
    since: Duration,
    until: Duration,
    is_probing: bool,
    faults: u32,
}

impl CircuitBreaker {
    /// An open gate that gives up `patience` after it closed.
    #[must_use]
    pub fn new(patience: Duration) -> Self {
        Self { patience, closed: None, ever_answered: false, logins_in_a_row: 0, misfits_in_a_row: 0 }
    }

    /// Whether an attempt may start at `now`.
    #[must_use]
    pub fn admission(&self, now: Duration) -> Permit {
        match self.closed {
            None => Permit::Open,
            Some(closed) if closed.is_probing => Permit::Closed(None),
            Some(closed) if now < closed.until => Permit::Closed(Some(closed.until)),
            Some(_) => Permit::Probe,
        }
    }

    /// An attempt was started while the gate admitted a probe.
    pub fn probe_started(&mut self) {
        if let Some(closed) = &mut self.closed {
            closed.is_probing = true;
        }
    }

    /// The probe ended without a word about the site.
    pub fn probe_lost(&mut self) {
        if let Some(closed) = &mut self.closed {
            closed.is_probing = false;
        }
    }

    /// The site answered an attempt as a site in health does, whatever the answer said of the order.
    pub fn answered(&mut self) {
        self.closed = None;
        self.ever_answered = true;
        self.logins_in_a_row = 0;
        self.misfits_in_a_row = 0;
    }

    /// An attempt ended with a fault of the site. A login that is required is made at once, unless it says when to come
    /// back: then only a person can make it, and the gate closes. `was_probe` tells whether it was started as a probe: attempts that were
    /// under way when the gate closed say nothing new.
    pub fn fault(
        &mut self,
        now: Duration,
        kind: FailureKind,
        retry_after: Option<Duration>,
        was_probe: bool,
    ) -> Option<TripCause> {
        if kind == FailureKind::PageChanged {
            self.misfits_in_a_row += 1;
            if was_probe {
                self.closed = None; // the site answers, only not as the recipe expects
            }
            return (self.misfits_in_a_row >= DRIFTED_AFTER).then_some(TripCause::Drifted);
        }
        if kind == FailureKind::LoginRequired {
            self.logins_in_a_row += 1;
            // with a time to come back, it is a person who is waited for
            if self.logins_in_a_row <= FREE_LOGINS && retry_after.is_none() {
                self.probe_lost();
                return None;
            }
        }
        if self.closed.is_some() && !was_probe {
            return None;
        }
        let before = self.closed.unwrap_or(Closed { since: now, until: now, is_probing: false, faults: 0 });
        let faults = before.faults + 1;
        let pause = FIRST_PAUSE.saturating_mul(1 << (faults - 1).min(16)).min(LONGEST_PAUSE);
        let pause = retry_after.map_or(pause, |asked| asked.max(FIRST_PAUSE));
        self.closed = Some(Closed { since: before.since, until: now + pause, is_probing: false, faults });
        let is_over = now + pause > before.since + self.patience;
        if !self.ever_answered && kind == FailureKind::Unreachable && (is_over || faults >= NEVER_REACHED_AFTER) {
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

    fn gate_that_answered() -> CircuitBreaker {
        let mut gate = CircuitBreaker::new(s(600));
        gate.answered();
        gate
    }

    #[test]
    fn a_fault_closes_and_one_probe_opens_again() {
        let mut gate = gate_that_answered();
        assert_eq!(gate.admission(s(0)), Permit::Open);
        assert_eq!(gate.fault(s(0), FailureKind::SiteDown, None, false), None);
        assert_eq!(gate.admission(s(1)), Permit::Closed(Some(s(2))));
        assert_eq!(gate.admission(s(2)), Permit::Probe);
        gate.probe_started();
        assert_eq!(gate.admission(s(3)), Permit::Closed(None), "a second probe beside the first");
        gate.answered();
        assert_eq!(gate.admission(s(3)), Permit::Open);
    }

    #[test]
    fn attempts_that_were_under_way_say_nothing_new() {
        let mut gate = gate_that_answered();
        for _ in 0..8 {
            assert_eq!(gate.fault(s(0), FailureKind::SiteDown, None, false), None);
        }
        assert_eq!(gate.admission(s(2)), Permit::Probe);
    }

    #[test]
    fn the_sites_own_wish_is_honoured() {
        let mut gate = gate_that_answered();
        gate.fault(s(0), FailureKind::Throttled, Some(s(120)), false);
        assert_eq!(gate.admission(s(119)), Permit::Closed(Some(s(120))));
    }

    #[test]
    fn patience_ends() {
        let mut gate = gate_that_answered();
        let mut now = s(0);
        let mut probes = 0;
        let given_up = loop {
            if let Some(given_up) = gate.fault(now, FailureKind::SiteDown, None, probes > 0) {
                break given_up;
            }
            let Permit::Closed(Some(until)) = gate.admission(now) else { panic!("open") };
            now = until;
            gate.probe_started();
            probes += 1;
        };
        assert_eq!(given_up, TripCause::OutOfPatience);
        assert!(now <= s(600) && probes > 5, "{now:?} after {probes} probes");
    }

    #[test]
    fn an_address_that_never_answers_is_given_up_soon() {
        let mut gate = CircuitBreaker::new(s(600));
        assert_eq!(gate.fault(s(0), FailureKind::Unreachable, None, false), None);
        gate.probe_started();
        assert_eq!(gate.fault(s(2), FailureKind::Unreachable, None, true), None);
        gate.probe_started();
        assert_eq!(gate.fault(s(6), FailureKind::Unreachable, None, true), Some(TripCause::NeverReached));
    }

    #[test]
    fn a_portal_in_maintenance_from_the_start_is_waited_for() {
        let mut gate = CircuitBreaker::new(s(600));
        for turn in 0..6 {
            assert_eq!(gate.fault(s(turn), FailureKind::SiteDown, None, turn > 0), None);
        }
    }

    #[test]
    fn ended_logins_are_repeated_at_once_but_not_for_ever() {
        let mut gate = gate_that_answered();
        for _ in 0..FREE_LOGINS {
            gate.fault(s(0), FailureKind::LoginRequired, None, false);
            assert_eq!(gate.admission(s(0)), Permit::Open);
        }
        gate.fault(s(0), FailureKind::LoginRequired, None, false);
        assert_ne!(gate.admission(s(0)), Permit::Open);
    }

    #[test]
    fn a_streak_of_misfits_is_drift_and_a_good_page_ends_it() {
        let mut gate = gate_that_answered();
        for _ in 1..DRIFTED_AFTER {
            assert_eq!(gate.fault(s(0), FailureKind::PageChanged, None, false), None);
        }
        let mut other = gate.clone();
        assert_eq!(gate.fault(s(0), FailureKind::PageChanged, None, false), Some(TripCause::Drifted));
        other.answered();
        assert_eq!(other.fault(s(0), FailureKind::PageChanged, None, false), None);
    }
}
