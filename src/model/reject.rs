//! What was asked for and could not be taken.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A row of the input that is not an order; listed in the report, so that nobody waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedRow {
    /// The file, `standard input` or `argument`.
    pub source: String,
    /// The row as a spreadsheet counts it, from 1.
    pub line: u64,
    /// What stands there, shortened when it is long.
    pub text: String,
    /// Why it was not taken.
    pub reason: String,
}

impl fmt::Display for RejectedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}: {:?}: {}", self.source, self.line, self.text, self.reason)
    }
}
