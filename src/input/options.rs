//! How inputs are read, as far as the caller decides it.

use crate::model::{PoNumberFormat, TaskPriority};

/// How inputs are read. The default finds everything out by itself.
#[derive(Clone, Debug, Default)]
pub struct InputOptions {
    /// The priority of orders whose row says nothing.
    pub priority: TaskPriority,
    /// How order numbers are written.
    pub numbers: PoNumberFormat,
    /// Whether two numbers with the same digits and other prefixes are two orders.
    pub prefix_counts: bool,
    /// The column with the numbers: its heading, or its letter.
    pub column: Option<String>,
    /// The only sheet of a workbook to read.
    pub sheet: Option<String>,
}
