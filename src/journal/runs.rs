//! What is known of a run as a whole, and of an order's last end.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::{OrderStatus, Outcome, RejectedRow, RunId, StopReason};

/// What a run begins with. Never holds a secret: everybody who may read the journal sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStart {
    /// When it began.
    pub started_at: Timestamp,
    /// The portal's address.
    pub base_url: Option<String>,
    /// The version of the program.
    pub version: String,
    /// Rows of the input that were no orders.
    pub rejects: Vec<RejectedRow>,
    /// What the caller wants to find again when the run is resumed; stored as it is, never interpreted.
    pub options: serde_json::Value,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnd {
    /// When.
    pub finished_at: Timestamp,
    /// Why it ended before all of its orders did, if so.
    pub stopped: Option<StopReason>,
}

/// A run as a list of runs shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunInfo {
    /// Which run.
    pub run: RunId,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended. None while it is at work, and when it died.
    pub finished_at: Option<Timestamp>,
    /// The portal's address.
    pub base_url: Option<String>,
    /// The version of the program that began it.
    pub version: String,
    /// Why it ended before all of its orders did, if it said so.
    pub stopped: Option<StopReason>,
    /// What the caller left with it.
    pub options: serde_json::Value,
    /// How many of its orders ended how, the open ones as [`OrderStatus::NotDone`]. Statuses without any are not there.
    pub by_status: BTreeMap<OrderStatus, u64>,
    /// How many of the open ones are with a worker (or were, when it died).
    pub leased_count: u64,
}

impl RunInfo {
    /// All of its orders.
    #[must_use]
    pub fn order_count(&self) -> u64 {
        self.by_status.values().sum()
    }

    /// Those without an outcome.
    #[must_use]
    pub fn open_count(&self) -> u64 {
        self.by_status.get(&OrderStatus::NotDone).copied().unwrap_or_default()
    }

    /// Whether there is something to resume: orders that are open, or an end that was never written. A run that was
    /// stopped early has ended and is unfinished; one that died before it accepted an order has nothing to resume.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.open_count() > 0 || (self.finished_at.is_none() && self.order_count() > 0)
    }
}

/// How an order ended when it was settled last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriorOutcome {
    /// In which run.
    pub run: RunId,
    /// The status, as reports show it.
    pub status: OrderStatus,
    /// When.
    pub settled_at: Timestamp,
    /// The outcome with its files and their digests.
    pub outcome: Outcome,
}
