//! The data of a report: facts about the run, one row per order, and totals. Knows nothing of file formats.

use std::collections::BTreeMap;
use std::fmt;

use bytesize::ByteSize;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backend::History;
use crate::model::{OrderStatus, Outcome, PoTask, RejectedRow, RunId, TaskId, TaskState};

/// Facts about the run as a whole; everything about single orders comes from the journal.
#[derive(Clone, Debug)]
pub(crate) struct RunFacts {
    /// Which run.
    pub(crate) run: RunId,
    /// When it started.
    pub(crate) started: Timestamp,
    /// When it ended.
    pub(crate) finished: Timestamp,
    /// The portal's address.
    pub(crate) base_url: Option<String>,
    /// The version of the program.
    pub(crate) version: String,
    /// Rows of the input that are not orders.
    pub(crate) rejects: Vec<RejectedRow>,
    /// Why the run stopped early; none if it did not.
    pub(crate) stopped_because: Option<String>,
}

/// One order, as both files show it.
pub(crate) struct ReportRow<'a> {
    pub(crate) order: &'a PoTask,
    pub(crate) outcome: Option<&'a Outcome>,
    pub(crate) attempts: u32,
    /// The earlier run that fetched it, if this run reused its outcome.
    pub(crate) reused_from: Option<&'a RunId>,
    pub(crate) settled_at: Option<Timestamp>,
}

/// The orders in the order of their admission.
pub(crate) fn rows(history: &History) -> impl Iterator<Item = ReportRow<'_>> {
    history.tasks.iter().map(|(task, state): (&TaskId, &TaskState)| ReportRow {
        order: state.order(),
        outcome: state.outcome(),
        attempts: state.counts().started,
        reused_from: match state {
            TaskState::Settled { reused_from, .. } => reused_from.as_ref(),
            TaskState::Ready { .. } | TaskState::Leased { .. } => None,
        },
        settled_at: history.settled_at.get(task).copied(),
    })
}

/// The error message of an order that is still open.
pub(crate) fn why_open(facts: &RunFacts) -> &str {
    facts.stopped_because.as_deref().unwrap_or("the run ended before this order was fetched; run it again to continue")
}

/// Totals of a run: the `summary` of `report.json`, what `--json` prints, and what the terminal shows at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Which run.
    pub run: RunId,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// Seconds between the two.
    pub seconds: f64,
    /// All orders of the run.
    pub orders: u64,
    /// Orders by status; every status is there, also those with none.
    pub by_status: BTreeMap<OrderStatus, u64>,
    /// Files in the folders of the orders.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Attachments that were listed and could not be downloaded.
    pub missing: u64,
    /// Rows of the input that are not orders.
    pub rejected: u64,
    /// Why the run ended early, if it did.
    pub stopped_because: Option<String>,
}

impl Summary {
    /// Counts a run.
    #[must_use]
    pub(crate) fn of(history: &History, facts: &RunFacts) -> Self {
        let mut summary = Self {
            run: facts.run.clone(),
            started: facts.started,
            finished: facts.finished,
            seconds: facts.finished.duration_since(facts.started).as_secs_f64().max(0.0),
            orders: 0,
            by_status: OrderStatus::ALL.into_iter().map(|status| (status, 0)).collect(),
            files: 0,
            bytes: 0,
            missing: 0,
            rejected: facts.rejects.len() as u64,
            stopped_because: facts.stopped_because.clone(),
        };
        for row in rows(history) {
            summary.orders += 1;
            let status = row.outcome.map_or(OrderStatus::NotDone, Outcome::status);
            *summary.by_status.entry(status).or_default() += 1;
            if let Some(receipt) = row.outcome.and_then(Outcome::receipt) {
                summary.files += receipt.files.len() as u64;
                summary.bytes += receipt.files.iter().map(|file| file.size).sum::<u64>();
                summary.missing += receipt.missing.len() as u64;
            }
        }
        summary
    }

    /// How many orders ended with `status`.
    #[must_use]
    pub fn count(&self, status: OrderStatus) -> u64 {
        self.by_status.get(&status).copied().unwrap_or_default()
    }

    /// How many orders are still open.
    #[must_use]
    pub fn open_count(&self) -> u64 {
        self.count(OrderStatus::NotDone)
    }

    /// What this login may not see, in words; none if it may see everything.
    fn denied(&self) -> Option<String> {
        let count = |number: u64, noun: &str| match number {
            0 => None,
            1 => Some(format!("1 {noun}")),
            _ => Some(format!("{number} {noun}s")),
        };
        let orders = count(self.count(OrderStatus::AccessDenied), "order");
        let requisitions = count(self.count(OrderStatus::PrNotAccessible), "requisition");
        match (orders, requisitions) {
            (Some(orders), Some(requisitions)) => Some(format!("{orders} and {requisitions}")),
            (orders, requisitions) => orders.or(requisitions),
        }
    }

    /// Whether every order is complete or has nothing to fetch.
    #[must_use]
    pub fn is_all_well(&self) -> bool {
        self.count(OrderStatus::Completed) + self.count(OrderStatus::NoAttachments) == self.orders
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} {} in {:.1} s: {} {}, {}",
            self.orders,
            if self.orders == 1 { "order" } else { "orders" },
            self.seconds,
            self.files,
            if self.files == 1 { "file" } else { "files" },
            ByteSize(self.bytes).display().si()
        )?;
        for status in OrderStatus::ALL {
            let count = self.count(status);
            if count > 0 {
                writeln!(f, "  {status:<18} {count:>7}")?;
            }
        }
        if let Some(denied) = self.denied() {
            writeln!(f, "  no access: ask whoever manages this user's rights in the portal to let it see {denied}")?;
        }
        if self.missing > 0 {
            writeln!(f, "  listed attachments that are missing: {}", self.missing)?;
        }
        if self.rejected > 0 {
            writeln!(f, "  rows of the input that are not orders: {}", self.rejected)?;
        }
        if let Some(why) = &self.stopped_because {
            writeln!(f, "  stopped early: {why}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn everything_is_counted_once() {
        let summary = Summary::of(&sample::history(), &sample::facts());
        assert_eq!(summary.orders, 9);
        assert_eq!(summary.by_status.values().sum::<u64>(), 9);
        assert!(OrderStatus::ALL.into_iter().all(|status| summary.count(status) == 1));
        assert_eq!((summary.files, summary.bytes, summary.missing, summary.rejected), (4, 6000, 1, 1));
        assert!((summary.seconds - 150.0).abs() < f64::EPSILON);
        assert!(!summary.is_all_well());
        assert_eq!(summary.open_count(), 1);
    }

    #[test]
    fn json_round_trips_with_status_words_as_keys() {
        let summary = Summary::of(&sample::history(), &sample::facts());
        let text = serde_json::to_string(&summary).unwrap();
        assert!(text.contains("\"PO_NOT_FOUND\":1"), "{text}");
        assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
    }

    #[test]
    fn the_end_says_whom_to_ask_for_access() {
        let mut summary = Summary::of(&sample::history(), &sample::facts());
        let asks =
            |summary: &Summary| summary.to_string().lines().find(|line| line.contains("ask ")).map(str::to_owned);
        assert!(asks(&summary).unwrap().ends_with("to let it see 1 order and 1 requisition"), "{summary}");
        summary.by_status.insert(OrderStatus::PrNotAccessible, 0);
        summary.by_status.insert(OrderStatus::AccessDenied, 12);
        assert!(asks(&summary).unwrap().ends_with("to let it see 12 orders"), "{summary}");
        summary.by_status.insert(OrderStatus::AccessDenied, 0);
        assert_eq!(asks(&summary), None);
    }

    #[test]
    fn an_empty_run_is_all_well() {
        assert!(Summary::of(&History::default(), &sample::facts()).is_all_well());
    }
}
