//! When a resource that keeps failing to come up is not tried for a while. Pure: the time is an argument.
//!
//! `policy::CircuitBreaker` is a portal's: it tells orders, logins and pages apart, and gives up for good.

use std::time::Duration;

/// Whether a pool makes resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CircuitState {
    /// It does.
    Closed,
    /// It does not, after failures in a row, until a pause is over.
    Open,
    /// The pause is over: one is tried.
    HalfOpen,
}

/// The limits of a breaker.
#[derive(Clone, Copy, Debug)]
pub(super) struct BreakerOptions {
    /// Failures in a row that open it.
    pub(super) threshold: u32,
    /// Its first pause; doubles with each failed trial.
    pub(super) first_pause: Duration,
    /// Its longest pause.
    pub(super) longest_pause: Duration,
}

/// Whether a resource may be made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// As many as are needed.
    Allowed,
    /// One, to see whether it works again.
    Trial,
    /// None before this moment, or while the trial runs.
    Denied(Duration),
}

#[derive(Clone, Debug)]
pub(super) struct Breaker {
    options: BreakerOptions,
    failures: u32,
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    until: Duration,
    pause: Duration,
    is_on_trial: bool,
}

impl Breaker {
    pub(super) fn new(options: BreakerOptions) -> Self {
        Self { options, failures: 0, open: None }
    }

    pub(super) fn decide(&self, now: Duration) -> Decision {
        match self.open {
            None => Decision::Allowed,
            Some(open) if open.is_on_trial || now < open.until => Decision::Denied(open.until),
            Some(_) => Decision::Trial,
        }
    }

    pub(super) fn state(&self, now: Duration) -> CircuitState {
        match self.open {
            None => CircuitState::Closed,
            Some(open) if open.is_on_trial || now >= open.until => CircuitState::HalfOpen,
            Some(_) => CircuitState::Open,
        }
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// One is being made on [`Decision::Trial`].
    pub(super) fn on_trial(&mut self) {
        if let Some(open) = &mut self.open {
            open.is_on_trial = true;
        }
    }

    pub(super) fn on_success(&mut self) {
        self.failures = 0;
        self.open = None;
    }

    /// Returns when the next trial is due, if that is new.
    pub(super) fn on_failure(&mut self, now: Duration, was_trial: bool) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        let pause = match self.open {
            Some(open) if was_trial => open.pause.saturating_mul(2).min(self.options.longest_pause),
            // it was being made already when the breaker opened
            Some(_) => return None,
            None if self.failures < self.options.threshold => return None,
            None => self.options.first_pause,
        };
        let until = now.saturating_add(pause);
        self.open = Some(Open { until, pause, is_on_trial: false });
        Some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn breaker() -> Breaker {
        Breaker::new(BreakerOptions { threshold: 3, first_pause: s(1), longest_pause: s(4) })
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_good_trial_closes_it() {
        let mut breaker = breaker();
        assert_eq!(breaker.on_failure(s(0), false), None);
        breaker.on_success();
        assert_eq!((breaker.on_failure(s(0), false), breaker.on_failure(s(0), false)), (None, None));
        assert_eq!(breaker.decide(s(0)), Decision::Allowed);
        assert_eq!(breaker.on_failure(s(0), false), Some(s(1)));
        assert_eq!((breaker.decide(s(0)), breaker.state(s(0))), (Decision::Denied(s(1)), CircuitState::Open));
        assert_eq!((breaker.decide(s(1)), breaker.state(s(1))), (Decision::Trial, CircuitState::HalfOpen));
        breaker.on_trial();
        assert_eq!((breaker.decide(s(2)), breaker.state(s(2))), (Decision::Denied(s(1)), CircuitState::HalfOpen));
        breaker.on_success();
        assert_eq!((breaker.decide(s(2)), breaker.state(s(2))), (Decision::Allowed, CircuitState::Closed));
    }

    #[test]
    fn pauses_double_up_to_the_longest_one_and_late_failures_say_nothing_new() {
        let mut breaker = breaker();
        (0..2).for_each(|_| _ = breaker.on_failure(s(0), false));
        let mut trials = vec![breaker.on_failure(s(0), false).unwrap()];
        assert_eq!(breaker.on_failure(s(0), false), None, "it was being made before");
        for _ in 0..4 {
            let now = trials[trials.len() - 1];
            assert_eq!(breaker.decide(now), Decision::Trial);
            breaker.on_trial();
            trials.extend(breaker.on_failure(now, true));
        }
        let steps: Vec<_> = trials.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
        assert_eq!(steps, [2, 4, 4, 4]);
    }
}
