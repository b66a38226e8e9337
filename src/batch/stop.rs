//! What stops a batch early: signals, a time of day, a maximum duration.

use std::time::Duration;

use jiff::civil::Time;
use jiff::{SignedDuration, Zoned};

use crate::batch::event::{BatchEvent, Observer};
use crate::model::StopKind;
use crate::pool::{PoolControl, ShutdownStep};

/// How often the clock is looked at. A timer alone would not do: it stands still while a laptop sleeps, and the clock on
/// the wall does not.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// The end of a run's time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TimeLimit {
    at: Zoned,
    /// Why, for the report.
    pub(crate) why: String,
}

impl TimeLimit {
    /// The earlier of the two, counted from `now`; none when neither is given.
    ///
    /// # Errors
    /// A message, when the moment lies outside of what calendars know.
    pub(crate) fn of(until: Option<Time>, span: Option<Duration>, now: &Zoned) -> Result<Option<Self>, String> {
        let until = until.map(|time| {
            let at = next(time, now)?;
            Ok::<_, jiff::Error>(Self { at, why: format!("it was {}, as --until says", time.strftime("%H:%M")) })
        });
        let span = span.map(|span| {
            let why = format!("{} were over, as --max-duration says", humantime::format_duration(span));
            Ok(Self { at: now.checked_add(SignedDuration::try_from(span)?)?, why })
        });
        let all = [until, span].into_iter().flatten().collect::<Result<Vec<_>, jiff::Error>>();
        Ok(all.map_err(|why| why.to_string())?.into_iter().min_by(|a, b| a.at.cmp(&b.at)))
    }

    /// Returns when the time is over. Dropping the future forgets it.
    pub(crate) async fn wait(&self) {
        while let Ok(left) = Duration::try_from(Zoned::now().duration_until(&self.at)) {
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK_EVERY)).await;
        }
    }
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

/// The event of a signal's step. `grace` is how long running orders may go on.
pub(crate) fn event_of(step: ShutdownStep, grace: Duration) -> BatchEvent {
    match step {
        ShutdownStep::Draining => BatchEvent::Draining(grace),
        ShutdownStep::Aborting => BatchEvent::Aborting,
        ShutdownStep::Killed => BatchEvent::Killed,
    }
}

/// When it is `time` next. On a day without that time (clocks go forward) the moment right after the gap.
fn next(time: Time, now: &Zoned) -> Result<Zoned, jiff::Error> {
    let zone = now.time_zone().clone();
    let today = now.date().to_datetime(time).to_zoned(zone.clone())?;
    if today > *now { Ok(today) } else { now.date().tomorrow()?.to_datetime(time).to_zoned(zone) }
}

/// A time of the day, such as `06:00`.
pub(crate) fn time_of_day(text: &str) -> Result<Time, String> {
    Time::strptime("%H:%M", text.trim()).map_err(|_| "use a time of the day such as 06:00".to_owned())
}

#[cfg(test)]
mod tests {
    use jiff::civil::DateTime;
    use jiff::tz::TimeZone;

    use super::*;

    /// A clock of central Europe, told by its rule: a machine need not have a data base of time zones.
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

    #[test]
    fn what_is_no_time_of_the_day_is_refused() {
        for text in ["", "6", "25:00", "noon", "06:00:00"] {
            time_of_day(text).unwrap_err();
        }
    }
}
