//! What is known of the one download that is waited for, and whether it may continue.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use super::DownloadError;

/// A file that the browser has finished and whose bytes are all on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedDownload {
    /// The download's id.
    pub id: String,
    /// Where the file lies.
    pub path: PathBuf,
    /// Its address after all redirects; may hold a one-time token, so it is never shown.
    pub url: String,
    /// The name that the browser suggests; hostile.
    pub suggested: String,
    /// Bytes.
    pub size: u64,
    /// Whether the portal declared the size beforehand.
    pub is_length_told: bool,
    /// What the portal says it is, where that is known: of links that were saved it is not.
    pub declared: Option<String>,
}

/// How large a download may become, and how slow it may be.
#[derive(Clone, Copy, Debug)]
pub struct TransferLimits {
    /// How long it may stand still.
    pub patience: Duration,
    /// Most bytes, and the setting that says so.
    pub max_bytes: (u64, &'static str),
    /// Least bytes per second, averaged over `patience`; 0 means no limit.
    pub min_rate: u64,
    /// When it must be whole, so that it does not use up the time of the files after it.
    pub until: Instant,
}

/// How far a file has come, and whether that is fast enough to go on. The one place that judges it, for a browser's downloads and
/// for those by HTTP. Time is an argument.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProgressWatch {
    /// Bytes so far.
    pub(crate) received: u64,
    started: Instant,
    last_news: Instant,
    /// When the rate was last checked, and the bytes that there were.
    checkpoint: (Instant, u64),
}

impl ProgressWatch {
    pub(crate) fn new(now: Instant) -> Self {
        Self { received: 0, started: now, last_news: now, checkpoint: (now, 0) }
    }

    /// So many bytes have arrived by now.
    pub(crate) fn advance(&mut self, received: u64, now: Instant) {
        if received > self.received {
            (self.received, self.last_news) = (received, now);
        }
    }

    /// How long nothing has been heard of it.
    pub(crate) fn silent_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.last_news)
    }

    /// Whether it may go on.
    ///
    /// # Errors
    /// `OutOfTime`, `Standstill` and `TooSlow`.
    pub(crate) fn check(&mut self, limits: &TransferLimits, now: Instant) -> Result<(), DownloadError> {
        let received = self.received;
        if now >= limits.until {
            return Err(DownloadError::OutOfTime { received, after: now.saturating_duration_since(self.started) });
        }
        if self.silent_for(now) >= limits.patience {
            return Err(DownloadError::Standstill { received, after: limits.patience });
        }
        let (since, before) = self.checkpoint;
        let span = now.saturating_duration_since(since);
        if span >= limits.patience {
            let wanted = u128::from(limits.min_rate) * span.as_millis() / 1000;
            let came = received - before;
            if u128::from(came) < wanted {
                return Err(DownloadError::TooSlow { came, after: span });
            }
            self.checkpoint = (now, received);
        }
        Ok(())
    }
}

/// A download that has started.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) id: String,
    pub(crate) url: String,
    pub(crate) suggested: String,
    watch: ProgressWatch,
    /// Its size, once the browser says that it is complete.
    pub(crate) completed: Option<u64>,
    pub(crate) is_length_told: bool,
}

impl InFlight {
    pub(crate) fn new(id: String, url: String, suggested: String, now: Instant) -> Self {
        Self { id, url, suggested, watch: ProgressWatch::new(now), completed: None, is_length_told: false }
    }

    /// Bytes so far.
    pub(crate) fn received(&self) -> u64 {
        self.watch.received
    }

    /// More bytes have arrived.
    pub(crate) fn progress(&mut self, received: u64, now: Instant) {
        self.watch.advance(received, now);
    }

    /// The browser says that it is complete.
    pub(crate) fn complete(&mut self, size: u64, is_length_told: bool, now: Instant) {
        (self.completed, self.is_length_told, self.watch.last_news) = (Some(size), is_length_told, now);
    }

    /// How long nothing has been heard of it.
    pub(crate) fn silent_for(&self, now: Instant) -> Duration {
        self.watch.silent_for(now)
    }

    /// Whether it may continue.
    ///
    /// # Errors
    /// `TooLarge`; of one that is not complete also `OutOfTime`, `Standstill` and `TooSlow`.
    pub(crate) fn check(&mut self, limits: &TransferLimits, now: Instant) -> Result<(), DownloadError> {
        let (limit, setting) = limits.max_bytes;
        if self.completed.unwrap_or_default().max(self.watch.received) > limit {
            return Err(DownloadError::TooLarge { limit, setting });
        }
        if self.completed.is_some() { Ok(()) } else { self.watch.check(limits, now) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limits(now: Instant) -> TransferLimits {
        TransferLimits {
            patience: Duration::from_secs(30),
            max_bytes: (1_000_000, "file_max_size"),
            min_rate: 1000,
            until: now + Duration::from_secs(100),
        }
    }

    /// Brings `each` bytes per second, and tells what ended it and after how many seconds.
    fn ended(each: u64, limits: TransferLimits, start: Instant) -> Option<(DownloadError, u64)> {
        let mut ours = InFlight::new("a".into(), String::new(), String::new(), start);
        (1..1000).find_map(|second| {
            let now = start + Duration::from_secs(second);
            ours.progress(each * second, now);
            ours.check(&limits, now).err().map(|error| (error, second))
        })
    }

    #[test]
    fn a_body_without_an_end_is_stopped_whatever_its_rate() {
        let start = Instant::now();
        for (rate, seconds) in [(0, 30), (1, 30), (999, 30), (1000, 100), (9_000, 100), (100_000, 11)] {
            let (error, after) = ended(rate, limits(start), start).unwrap();
            let fits = match rate {
                0 => matches!(error, DownloadError::Standstill { .. }),
                1..1000 => matches!(error, DownloadError::TooSlow { .. }),
                1000..10_000 => matches!(error, DownloadError::OutOfTime { .. }),
                _ => matches!(error, DownloadError::TooLarge { .. }),
            };
            assert!(fits && after == seconds, "{rate}: {error:?} after {after} s");
        }
    }

    #[test]
    fn a_rate_of_zero_allows_any_that_does_not_stand_still() {
        let start = Instant::now();
        let (error, after) = ended(1, TransferLimits { min_rate: 0, ..limits(start) }, start).unwrap();
        assert!(matches!(error, DownloadError::OutOfTime { received: 100, .. }) && after == 100, "{error:?}");
    }

    #[test]
    fn what_is_complete_is_neither_slow_nor_late() {
        let start = Instant::now();
        let mut ours = InFlight::new("a".into(), String::new(), String::new(), start);
        ours.complete(5, true, start);
        ours.check(&limits(start), start + Duration::from_secs(1000)).unwrap();
        ours.complete(1_000_001, true, start);
        assert!(matches!(ours.check(&limits(start), start), Err(DownloadError::TooLarge { .. })));
    }

    proptest! {
        #[test]
        fn a_download_that_keeps_to_the_rate_is_never_too_slow(steps in prop::collection::vec(1u64..20_000, 1..200)) {
            let start = Instant::now();
            let limits = TransferLimits { until: start + Duration::from_hours(9), max_bytes: (u64::MAX, ""), ..limits(start) };
            let mut ours = InFlight::new("a".into(), String::new(), String::new(), start);
            let mut millis = 0;
            for step in steps {
                millis += step;
                let now = start + Duration::from_millis(millis);
                ours.progress(millis, now); // 1000 bytes per second on the dot
                prop_assert!(ours.check(&limits, now).is_ok());
            }
        }
    }
}
