//! All inputs together: each order once, every refused row with its place.
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use bytesize::ByteSize;

use super::source::read_all;
use super::table::{SheetKind, gather};
use super::text::{TextRows, decode};
use super::workbook::{is_workbook, take_workbook};
use super::{InputError, Source};
use crate::input::cell::shorten;
use crate::model::{Metadata, PoNumber, PoTask, RejectedRow, TaskPriority};

/// Largest input; a list of a million orders with a dozen columns is half of it.
const MAX_SIZE: ByteSize = ByteSize::mb(200);
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

/// Reads all of `sources`; tasks that say nothing about their priority get `default`.
///
/// An intake without tasks is not an error: then every row was refused, and `rejects` says why.
///
/// # Errors
/// [`InputError`] of the first source that cannot be used at all.
pub fn read(sources: &[Source], default: TaskPriority) -> Result<Intake, InputError> {
    let mut intake = Intake::default();
    let mut places = HashMap::new();
    for source in sources {
        let mut gathering = IntakeBuilder {
            input: source.to_string(),
            default,
            intake: &mut intake,
            places: &mut places,
            row_count: 0,
        };
        match source {
            Source::Argument(po) => gathering.take(po.clone(), None, Metadata::new()),
            Source::Path(_) | Source::Stdin => take_bytes(&read_all(source, MAX_SIZE)?, &mut gathering)?,
        }
    }
    Ok(intake)
}

fn take_bytes(bytes: &[u8], gathering: &mut IntakeBuilder<'_>) -> Result<(), InputError> {
    let input = gathering.input.clone();
    let shape = if is_workbook(bytes) {
        take_workbook(bytes, gathering)?
    } else {
        let Some(text) = decode(bytes) else { return Err(InputError::NotText { input }) };
        gather(&mut TextRows::new(&text), true, gathering)?
    };
    match shape {
        SheetKind::Table | SheetKind::List => Ok(()),
        SheetKind::Unknown(columns) => Err(InputError::NoPoColumn { input, columns }),
        SheetKind::Blank => Err(InputError::Empty { input }),
    }
}

/// The intake as one source fills it.
pub(crate) struct IntakeBuilder<'a> {
    input: String,
    default: TaskPriority,
    intake: &'a mut Intake,
    places: &'a mut HashMap<PoNumber, usize>,
    row_count: u64,
}

impl IntakeBuilder<'_> {
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
