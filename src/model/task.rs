//! What is asked for: an order with its priority and the caller's notes; or a row that is not an order.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::PoNumber;

/// The caller's notes on a task. The report repeats them; they are never interpreted.
pub type Metadata = BTreeMap<String, String>;

/// How urgent a task is. Strict: while an urgent task waits, no other one is started. First in, first out within one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskPriority {
    /// Before everything else.
    Urgent,
    /// Before normal and low.
    High,
    /// The default.
    #[default]
    Normal,
    /// When nothing else waits.
    Low,
}

impl TaskPriority {
    /// All four, most urgent first.
    pub const ALL: [Self; 4] = [Self::Urgent, Self::High, Self::Normal, Self::Low];

    /// The word in settings and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }
}

impl fmt::Display for TaskPriority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TaskPriority {
    type Err = InvalidPriority;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|priority| priority.as_str().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| InvalidPriority(text.trim().to_owned()))
    }
}

/// A text that is not a priority.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is not a priority: use urgent, high, normal or low")]
pub struct InvalidPriority(String);

/// One order to fetch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WrittenTask", into = "WrittenTask")]
pub struct PoTask {
    /// Which order.
    pub po: PoNumber,
    /// How urgent; normal by default.
    pub priority: TaskPriority,
    /// The caller's notes; empty by default.
    pub metadata: Metadata,
}

/// A task as it is written: the text of a number does not show whether its prefix counts.
#[derive(Serialize, Deserialize)]
struct WrittenTask {
    po: PoNumber,
    #[serde(default)]
    priority: TaskPriority,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    prefix_counts: bool,
}

impl From<WrittenTask> for PoTask {
    fn from(written: WrittenTask) -> Self {
        let WrittenTask { po, priority, metadata, prefix_counts } = written;
        Self { po: if prefix_counts { po.distinct() } else { po }, priority, metadata }
    }
}

impl From<PoTask> for WrittenTask {
    fn from(task: PoTask) -> Self {
        let PoTask { po, priority, metadata } = task;
        Self { prefix_counts: po.is_distinct(), po, priority, metadata }
    }
}

impl PoTask {
    /// A task of normal priority without metadata.
    #[must_use]
    pub fn new(po: PoNumber) -> Self {
        Self { po, priority: TaskPriority::default(), metadata: Metadata::new() }
    }

    /// The same task with another priority.
    #[must_use]
    pub fn with_priority(mut self, priority: TaskPriority) -> Self {
        self.priority = priority;
        self
    }
}

/// A row of the input that is not an order. The report lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedRow {
    /// The file, `standard input` or `argument`.
    pub source: String,
    /// The row as a spreadsheet counts it, from 1.
    pub line: u64,
    /// Its text, shortened if it is long.
    pub text: String,
    /// Why it was rejected.
    pub reason: String,
}

impl fmt::Display for RejectedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}: {:?}: {}", self.source, self.line, self.text, self.reason)
    }
}
