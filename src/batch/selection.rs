//! Which orders of the input are fetched, and which are taken over from an earlier run.

use std::collections::HashMap;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use crate::download::is_intact;
use crate::journal::PriorOutcome;
use crate::model::{OrderStatus, PoNumber, PoTask, PriorResult};
use jiff::{SignedDuration, Timestamp};

/// When an order that was completed before is fetched again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Refresh {
    /// Never, whatever is in its folder now.
    Never,
    /// When one of its files is missing or changed.
    #[default]
    Missing,
    /// As `Missing`, and when it was completed longer ago than this.
    OlderThan(Duration),
    /// Always.
    Always,
}

impl FromStr for Refresh {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().to_ascii_lowercase().as_str() {
            "never" => Ok(Self::Never),
            "missing" => Ok(Self::Missing),
            "always" => Ok(Self::Always),
            other => other
                .strip_prefix("older-than")
                .map(|span| span.trim_start_matches([' ', '=', ':']))
                .and_then(|span| humantime::parse_duration(span).ok())
                .map(Self::OlderThan)
                .ok_or_else(|| "use never, missing, always or \"older-than 30d\"".to_owned()),
        }
    }
}

/// What of the input is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OrderFilter {
    pub(crate) refresh: Refresh,
    /// Only orders that an earlier run could not complete.
    pub(crate) only_failed: bool,
    /// Only orders that ended with this status in an earlier run.
    pub(crate) only: Option<OrderStatus>,
}

impl OrderFilter {
    /// Whether the input as a whole is wanted: only then does an unfinished run go on by itself.
    pub(crate) fn is_all(&self) -> bool {
        !self.only_failed && self.only.is_none() && self.refresh != Refresh::Always
    }
}

/// What becomes of the input.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Selection {
    /// In the order of the input, with what an earlier run knows of each. Those that ended are as they were left; the
    /// others are to be fetched.
    pub(crate) orders: Vec<(PoTask, Option<PriorResult>)>,
    /// How many are not wanted.
    pub(crate) left_out: usize,
}

impl Selection {
    /// Adds the canary, unless the input has it.
    pub(crate) fn include(&mut self, canary: &PoNumber) {
        if !self.orders.iter().any(|(order, _)| order.po == *canary) {
            self.orders.insert(0, (PoTask::new(canary.clone()), None));
        }
    }

    /// How many are taken over from an earlier run.
    pub(crate) fn reused_count(&self) -> usize {
        self.orders.iter().filter(|(_, earlier)| matches!(earlier, Some(PriorResult::Ended(..)))).count()
    }
}

/// Goes through the input. Reads every file that might be taken over: blocks for as long as that takes.
pub(crate) fn select(
    tasks: Vec<PoTask>,
    past: &HashMap<PoNumber, PriorOutcome>,
    wanted: OrderFilter,
    filter: &str,
    out: &Path,
    now: Timestamp,
) -> Selection {
    let mut selection = Selection::default();
    for task in tasks {
        let past = past.get(&task.po);
        if !is_wanted(past, wanted) {
            selection.left_out += 1;
        } else {
            let earlier = past.and_then(|past| earlier(past, wanted.refresh, filter, out, now));
            selection.orders.push((task, earlier));
        }
    }
    selection
}

fn is_wanted(past: Option<&PriorOutcome>, wanted: OrderFilter) -> bool {
    let has_failed = |status| {
        matches!(
            status,
            OrderStatus::Failed
                | OrderStatus::Partial
                | OrderStatus::AccessDenied
                | OrderStatus::PrNotAccessible
                | OrderStatus::Skipped
        )
    };
    let failed = !wanted.only_failed || past.is_some_and(|past| has_failed(past.status));
    let status = wanted.only.is_none_or(|status| past.is_some_and(|past| past.status == status));
    failed && status
}

/// Only what is complete is taken over as it is: an order without attachments may have some today. Of an order that is
/// not, or of which something has gone, what is there is not fetched again.
fn earlier(past: &PriorOutcome, refresh: Refresh, filter: &str, out: &Path, now: Timestamp) -> Option<PriorResult> {
    let is_fresh = match refresh {
        Refresh::Always => false,
        Refresh::Never | Refresh::Missing => true,
        Refresh::OlderThan(age) => {
            let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
            now.duration_since(past.settled_at) <= age
        }
    };
    if !is_fresh {
        return None;
    }
    let is_there = || past.outcome.files().iter().all(|file| is_intact(out, file));
    // what one filter left out another one may want
    let is_all = past.outcome.receipt().is_some_and(|receipt| receipt.left_out.is_empty() || receipt.filter == filter);
    if past.status == OrderStatus::Completed && is_all && (refresh == Refresh::Never || is_there()) {
        return Some(PriorResult::Ended(past.outcome.clone(), past.run.clone()));
    }
    past.outcome.receipt().filter(|receipt| !receipt.files.is_empty()).cloned().map(PriorResult::Begun)
}

#[cfg(test)]
mod tests {
    use crate::model::Outcome;
    use crate::model::{Failure, FailureKind, FileRecord, Receipt, RunId};

    use super::*;

    const DAY: u64 = 24 * 3600;

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    /// PO1 complete with a file, PO2 failed, PO3 never tried.
    fn world() -> (tempfile::TempDir, Vec<PoTask>, HashMap<PoNumber, PriorOutcome>) {
        let out = tempfile::tempdir().unwrap();
        std::fs::write(out.path().join("a.txt"), "").unwrap();
        let file = FileRecord {
            path: "a.txt".to_owned(),
            name: "a.txt".to_owned(),
            size: 0,
            sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".to_owned(),
            ..FileRecord::default()
        };
        let settled_at = now() - SignedDuration::from_hours(24);
        let past =
            |outcome: Outcome| PriorOutcome { run: RunId::new("r"), status: outcome.status(), settled_at, outcome };
        let complete = Outcome::Completed(Receipt { files: vec![file], ..Receipt::default() });
        let failed = Outcome::Failed(Failure::new(FailureKind::DownloadCorrupt, "broken"), None);
        let all = HashMap::from([("1".parse().unwrap(), past(complete)), ("2".parse().unwrap(), past(failed))]);
        (out, ["1", "2", "3"].map(|po| PoTask::new(po.parse().unwrap())).to_vec(), all)
    }

    fn fetched(wanted: OrderFilter, break_file: bool) -> String {
        let (out, tasks, past) = world();
        if break_file {
            std::fs::write(out.path().join("a.txt"), "changed").unwrap();
        }
        let selection = select(tasks, &past, wanted, "", out.path(), now());
        let is_fetched =
            |(_, earlier): &&(PoTask, Option<PriorResult>)| !matches!(earlier, Some(PriorResult::Ended(..)));
        selection.orders.iter().filter(is_fetched).map(|(task, _)| task.po.to_string()).collect()
    }

    fn refresh(refresh: Refresh) -> OrderFilter {
        OrderFilter { refresh, ..OrderFilter::default() }
    }

    #[test]
    fn what_is_complete_and_intact_is_taken_over() {
        assert_eq!(fetched(OrderFilter::default(), false), "23");
        assert_eq!(fetched(OrderFilter::default(), true), "123");
        assert_eq!(fetched(refresh(Refresh::Never), true), "23");
        assert_eq!(fetched(refresh(Refresh::Always), false), "123");
        assert_eq!(fetched(refresh(Refresh::OlderThan(Duration::from_secs(2 * DAY))), false), "23");
        assert_eq!(fetched(refresh(Refresh::OlderThan(Duration::from_secs(DAY / 2))), false), "123");
    }

    #[test]
    fn only_what_failed_or_ended_so_is_tried_again() {
        assert_eq!(fetched(OrderFilter { only_failed: true, ..OrderFilter::default() }, false), "2");
        let only =
            OrderFilter { only: Some(OrderStatus::Completed), refresh: Refresh::Always, ..OrderFilter::default() };
        assert_eq!(fetched(only, false), "1");
    }

    #[test]
    fn of_an_order_that_is_tried_again_what_is_there_counts_unless_all_is_wanted_anew() {
        let begun = |wanted| {
            let (out, tasks, past) = world();
            std::fs::write(out.path().join("a.txt"), "changed").unwrap();
            matches!(select(tasks, &past, wanted, "", out.path(), now()).orders[0].1, Some(PriorResult::Begun(_)))
        };
        assert!(begun(OrderFilter::default()));
        assert!(!begun(refresh(Refresh::Always)));
        assert!(!begun(refresh(Refresh::OlderThan(Duration::from_secs(DAY / 2)))));
    }

    #[test]
    fn refresh_is_read_as_people_write_it() {
        assert_eq!("older-than 30d".parse(), Ok(Refresh::OlderThan(Duration::from_secs(30 * DAY))));
        assert_eq!("Missing".parse(), Ok(Refresh::Missing));
        "sometimes".parse::<Refresh>().unwrap_err();
        "older-than".parse::<Refresh>().unwrap_err();
    }
}
