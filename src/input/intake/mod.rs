//! What was read: each order once, every refused row with its place, and the account of all rows.

mod builder;
mod remark;

use crate::model::{PoTask, RejectedRow};

pub(crate) use builder::IntakeBuilder;
pub use remark::Remark;
pub(crate) use remark::RemarkKind;

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intake {
    /// Each order once, in the order of its first mention, with its first spelling and its most urgent priority.
    pub tasks: Vec<PoTask>,
    /// Rows that are not orders.
    pub rejects: Vec<RejectedRow>,
    /// What people should know about rows that were taken, and about sheets that were not read.
    pub remarks: Vec<Remark>,
    /// The account of each input.
    pub row_counts: Vec<RowCounts>,
}

/// The account of one input: each of its rows is in exactly one of the three other numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowCounts {
    /// The input.
    pub source: String,
    /// Rows that hold anything, without headings and comments.
    pub rows: u64,
    /// Rows that became orders.
    pub orders: u64,
    /// Rows that name an order that is already there.
    pub merged: u64,
    /// Rows that are not orders.
    pub rejected: u64,
}

impl RowCounts {
    /// Whether no row is missing and none is counted twice.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.rows == self.orders + self.merged + self.rejected
    }
}
