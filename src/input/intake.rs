//! All inputs together: each order once, every refused row with its place.

use std::collections::HashMap;

use super::InputError;
use crate::input::cell::shorten;
use crate::model::{Metadata, PoNumber, PoTask, RejectedRow, TaskPriority};

/// Most rows of one input: more than any spreadsheet holds.
const MAX_ROWS: u64 = 2_000_000;

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intake {
    /// Each order once, in the order of its first mention, with its first spelling and its most urgent priority.
    pub tasks: Vec<PoTask>,
    /// Rows that are not orders.
    pub rejects: Vec<RejectedRow>,
    /// Rows that were taken although something in them was not understood.
    pub remarks: Vec<RejectedRow>,
    /// How many rows named an order that was already there.
    pub duplicates: usize,
}

/// The intake as one source fills it.
pub(crate) struct IntakeBuilder<'a> {
    input: String,
    default: TaskPriority,
    intake: &'a mut Intake,
    places: &'a mut HashMap<PoNumber, usize>,
    row_count: u64,
}

impl<'a> IntakeBuilder<'a> {
    /// Adds what the source `input` holds to `intake`; `places` tells where each order stands in it.
    pub(crate) fn new(
        input: String,
        default: TaskPriority,
        intake: &'a mut Intake,
        places: &'a mut HashMap<PoNumber, usize>,
    ) -> Self {
        Self { input, default, intake, places, row_count: 0 }
    }

    pub(crate) fn input(&self) -> &str {
        &self.input
    }

    /// Refuses to go on for ever.
    pub(crate) fn count_row(&mut self, line: u64) -> Result<(), InputError> {
        self.row_count += 1;
        if self.row_count.max(line) > MAX_ROWS {
            return Err(InputError::TooManyRows { input: self.input.clone(), max: MAX_ROWS });
        }
        Ok(())
    }

    pub(crate) fn take(&mut self, po: PoNumber, priority: Option<TaskPriority>, metadata: Metadata) {
        let priority = priority.unwrap_or(self.default);
        let known = self.places.get(&po).and_then(|place| self.intake.tasks.get_mut(*place));
        if let Some(task) = known {
            self.intake.duplicates += 1;
            task.priority = task.priority.min(priority); // the most urgent is the least
            return;
        }
        self.places.insert(po.clone(), self.intake.tasks.len());
        self.intake.tasks.push(PoTask { po, priority, metadata });
    }

    pub(crate) fn reject(&mut self, line: u64, text: &str, reason: String) {
        self.intake.rejects.push(RejectedRow { source: self.input.clone(), line, text: shorten(text), reason });
    }

    pub(crate) fn remark(&mut self, line: u64, text: &str, reason: String) {
        self.intake.remarks.push(RejectedRow { source: self.input.clone(), line, text: shorten(text), reason });
    }
}
