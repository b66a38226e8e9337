//! What stops a batch early: signals, a time of day, a maximum duration.

use std::time::Duration;

use jiff::civil::Time;
use jiff::{SignedDuration, Zoned};
use thiserror::Error;
use tokio::sync::{mpsc, watch};

use crate::batch::event::{BatchError, BatchEvent, Observer};
use crate::model::StopKind;
use crate::pool::{PoolControl, ShutdownHandler, ShutdownStep, Signals};
use crate::text::rounded;

/// Nothing follows from a fourth signal.
const MOST_SIGNALS: usize = 3;

/// How often the clock is read. A timer alone is not enough: it stops while a laptop sleeps.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// A time limit that no calendar has.
#[derive(Debug, Error)]
#[error("the time limit cannot be used: {0}")]
pub(crate) struct TimeLimitError(#[from] jiff::Error);

/// A text that is not a time of the day.
#[derive(Debug, Error)]
#[error("use a time of the day such as 06:00")]
pub(crate) struct InvalidTime(#[source] jiff::Error);

/// When a run starts no more orders.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TimeLimit {
    at: Zoned,
    /// The reason, for the report.
    pub(crate) why: String,
}

impl TimeLimit {
    /// The earlier of the two, counted from `now`; `None` if neither is given.
    ///
    /// # Errors
    /// [`TimeLimitError`] when the moment is outside of the calendar.
    pub(crate) fn of(until: Option<Time>, span: Option<Duration>, now: &Zoned) -> Result<Option<Self>, TimeLimitError> {
        let until = until.map(|time| {
            let at = next(time, now)?;
            Ok::<_, jiff::Error>(Self { at, why: format!("it was {} (--until)", time.strftime("%H:%M")) })
        });
        let span = span.map(|span| {
            let why = format!("the run had lasted {} (--max-duration)", rounded(span));
            Ok(Self { at: now.checked_add(SignedDuration::try_from(span)?)?, why })
        });
        let all = [until, span].into_iter().flatten().collect::<Result<Vec<_>, jiff::Error>>()?;
        Ok(all.into_iter().min_by(|a, b| a.at.cmp(&b.at)))
    }

    /// Waits for the end of the time.
    pub(crate) async fn wait(&self) {
        while let Ok(left) = Duration::try_from(Zoned::now().duration_until(&self.at)) {
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK_EVERY)).await;
        }
    }
}

/// The signals of the process since the batch began.
pub(crate) struct StopSignals {
    received: mpsc::Receiver<()>,
    /// How many arrived before there was a pool.
    count: u32,
}

impl StopSignals {
    /// Receives them from now on. With `counted` somebody else receives them and counts: then a signal is never seen here
    /// before it is counted there.
    ///
    /// # Errors
    /// [`BatchError::Signals`]
    pub(crate) fn listen(counted: Option<watch::Receiver<u32>>) -> Result<Self, BatchError> {
        let received = match counted {
            Some(counted) => one_by_one(counted),
            None => Signals::watch().map_err(BatchError::Signals)?.count(),
        };
        Ok(Self { received, count: 0 })
    }

    /// Waits for the second signal. Until there is a pool, the first one is only announced: it is obeyed when the
    /// orders are in the journal. Dropping the future loses no signal.
    pub(crate) async fn second(&mut self, grace: Duration, observer: &Observer) {
        while self.count < 2 {
            if self.received.recv().await.is_none() {
                return std::future::pending().await;
            }
            self.count += 1;
            let step = if self.count == 1 { ShutdownStep::Draining } else { ShutdownStep::Aborting };
            observer(&event_of(step, grace));
        }
    }

    /// Climbs the steps of `pool` with each signal, those included that were received before.
    pub(crate) fn follow(self, pool: PoolControl) -> mpsc::Receiver<ShutdownStep> {
        ShutdownHandler::new(pool).follow(self.count, self.received)
    }
}

/// Signals that are counted elsewhere, each as a message of its own; those included that were counted before.
fn one_by_one(mut counted: watch::Receiver<u32>) -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel(MOST_SIGNALS);
    tokio::spawn(async move {
        let mut told = 0;
        loop {
            let count = *counted.borrow_and_update();
            while told < count {
                told += 1;
                if sender.try_send(()).is_err() && sender.is_closed() {
                    return;
                }
            }
            let is_open = tokio::select! {
                changed = counted.changed() => changed.is_ok(),
                () = sender.closed() => false,
            };
            if !is_open {
                return;
            }
        }
    });
    receiver
}

/// Drains the pool when the time limit is reached; without a limit it never returns.
pub(crate) async fn drain_at_limit(limit: Option<&TimeLimit>, control: &PoolControl, observer: &Observer) {
    let Some(limit) = limit else { return std::future::pending().await };
    limit.wait().await;
    observer(&BatchEvent::TimeUp(limit.why.clone()));
    if control.drain_because(StopKind::TimeUp, limit.why.clone()).await.is_err() {
        tracing::debug!("the time limit was reached after the pool had closed");
    }
}

/// The event of a shutdown step. `grace` is how long running orders may continue.
pub(crate) fn event_of(step: ShutdownStep, grace: Duration) -> BatchEvent {
    match step {
        ShutdownStep::Draining => BatchEvent::Draining(grace),
        ShutdownStep::Aborting => BatchEvent::Aborting,
        ShutdownStep::Killed => BatchEvent::Killed,
    }
}

/// The next moment at `time`. On a day that skips this time (clocks go forward) it is the moment right after the gap.
fn next(time: Time, now: &Zoned) -> Result<Zoned, jiff::Error> {
    let zone = now.time_zone().clone();
    let today = now.date().to_datetime(time).to_zoned(zone.clone())?;
    if today > *now { Ok(today) } else { now.date().tomorrow()?.to_datetime(time).to_zoned(zone) }
}

/// Reads a time of the day, such as `06:00`.
pub(crate) fn time_of_day(text: &str) -> Result<Time, InvalidTime> {
    Time::strptime("%H:%M", text.trim()).map_err(InvalidTime)
}

#[cfg(test)]
mod tests {
    use jiff::civil::DateTime;
    use jiff::tz::TimeZone;

    use super::*;

    /// A Central European clock, given by its rule: a machine need not have a time zone database.
    fn at(text: &str) -> Zoned {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        text.parse::<DateTime>().unwrap().to_zoned(zone).unwrap()
    }

    fn closing(until: Option<&str>, span: Option<u64>, now: &str) -> Zoned {
        let until = until.map(|text| time_of_day(text).unwrap());
        TimeLimit::of(until, span.map(Duration::from_secs), &at(now)).unwrap().unwrap().at
    }

    #[test]
    fn until_is_the_next_time_that_the_clock_shows() {
        assert_eq!(closing(Some("06:00"), None, "2026-11-20T22:00"), at("2026-11-21T06:00"));
        assert_eq!(closing(Some("06:00"), None, "2026-11-20T05:59"), at("2026-11-20T06:00"));
        assert_eq!(closing(Some("06:00"), None, "2026-11-20T06:00"), at("2026-11-21T06:00"));
    }

    #[test]
    fn the_night_on_which_clocks_change_has_its_own_length() {
        let now = at("2026-03-28T22:00");
        let until = closing(Some("06:00"), None, "2026-03-28T22:00");
        assert_eq!(now.duration_until(&until), SignedDuration::from_hours(7));
    }

    #[test]
    fn the_earlier_of_the_two_counts() {
        let now = "2026-11-20T22:00";
        assert_eq!(closing(Some("06:00"), Some(3600), now), at("2026-11-20T23:00"));
        assert_eq!(closing(Some("22:30"), Some(3600), now), at("2026-11-20T22:30"));
        assert_eq!(TimeLimit::of(None, None, &at(now)).unwrap(), None);
    }

    #[tokio::test]
    async fn signals_that_are_counted_elsewhere_arrive_one_by_one() {
        let (count, counted) = watch::channel(2);
        let mut signals = StopSignals::listen(Some(counted)).unwrap();
        for _before in 0..2 {
            signals.received.recv().await.unwrap();
        }
        assert!(signals.received.try_recv().is_err(), "no signal is told twice");
        count.send(3).unwrap();
        signals.received.recv().await.unwrap();
        drop(count);
        assert_eq!(signals.received.recv().await, None);
    }

    #[test]
    fn what_is_no_time_of_the_day_is_refused() {
        for text in ["", "6", "25:00", "noon", "06:00:00"] {
            time_of_day(text).unwrap_err();
        }
    }
}
