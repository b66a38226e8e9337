//! Facts about a run, and about the latest outcome of an order.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::{OrderStatus, Outcome, RejectedRow, RunId, StopReason};

/// Facts recorded at the start of a run. They contain no secret, since anyone who may read the journal sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStart {
    /// When it started.
    pub started_at: Timestamp,
    /// The portal's address.
    pub base_url: Option<String>,
    /// The version of the program.
    pub version: String,
    /// Rejected rows of the input.
    pub rejects: Vec<RejectedRow>,
    /// The caller's own data, stored unchanged for a resumed run.
    pub options: serde_json::Value,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnd {
    /// The time.
    pub finished_at: Timestamp,
    /// Why it stopped early, if it did.
    pub stopped: Option<StopReason>,
}

/// Facts about one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunInfo {
    /// Which run.
    pub run: RunId,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended; `None` while it is running, and if it was killed.
    pub finished_at: Option<Timestamp>,
    /// The portal's address.
    pub base_url: Option<String>,
    /// The version of the program that started it.
    pub version: String,
    /// Why it stopped early, if it did.
    pub stopped: Option<StopReason>,
    /// The caller's own data.
    pub options: serde_json::Value,
    /// Number of orders by status, open ones as [`OrderStatus::NotDone`]. Statuses without orders are not included.
    pub by_status: BTreeMap<OrderStatus, u64>,
    /// How many open orders a worker has (or had, when the run was killed).
    pub leased_count: u64,
}

impl RunInfo {
    /// The number of orders.
    #[must_use]
    pub fn order_count(&self) -> u64 {
        self.by_status.values().sum()
    }

    /// The number of orders without an outcome.
    #[must_use]
    pub fn open_count(&self) -> u64 {
        self.by_status.get(&OrderStatus::NotDone).copied().unwrap_or_default()
    }

    /// Whether it can be resumed: it has open orders, or its end was never recorded. A run that stopped early is unfinished; one
    /// that was killed before it accepted an order has nothing to resume.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.open_count() > 0 || (self.finished_at.is_none() && self.order_count() > 0)
    }
}

/// The latest outcome of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriorOutcome {
    /// The run that settled it.
    pub run: RunId,
    /// The status, as reports show it.
    pub status: OrderStatus,
    /// The time.
    pub settled_at: Timestamp,
    /// The outcome with its files and their digests.
    pub outcome: Outcome,
}
