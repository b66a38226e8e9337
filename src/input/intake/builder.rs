//! An intake in the making: every row is counted first and must then be settled, once.

use std::collections::{BTreeMap, HashMap};

use super::{Intake, Remark, RemarkKind, RowCounts};
use crate::input::cell::words::shorten;
use crate::input::error::InputError;
use crate::input::options::InputOptions;
use crate::model::{Metadata, PoNumber, PoTask, RejectedRow, TaskPriority};

/// Most rows of one input: more than any spreadsheet holds.
const MAX_ROWS: u64 = 2_000_000;
/// Largest sum of what is kept of the other columns of an input.
const MAX_NOTES: usize = 200 * 1024 * 1024;
/// Numbers of so many digits at most are remarkable where nearly all others have at least [`LONG`].
const SHORT: usize = 3;
const LONG: usize = 6;
/// So many orders of an input tell what its numbers look like.
const ENOUGH_ORDERS: u64 = 10;

/// The intake as one source fills it.
pub(crate) struct IntakeBuilder<'a> {
    options: &'a InputOptions,
    intake: &'a mut Intake,
    /// Where each order stands in the intake.
    places: &'a mut HashMap<PoNumber, usize>,
    input: String,
    sheet: Option<String>,
    counts: RowCounts,
    hidden_count: u64,
    remarks: Vec<(RemarkKind, Remark)>,
    lengths: BTreeMap<usize, NumberLength>,
    notes_len: usize,
    has_full_notes: bool,
}

/// The orders whose numbers have the same number of digits.
struct NumberLength {
    count: u64,
    first: String,
}

impl<'a> IntakeBuilder<'a> {
    /// Adds what the source `input` holds to `intake`; `places` tells where each order stands in it.
    pub(crate) fn new(
        input: String,
        options: &'a InputOptions,
        intake: &'a mut Intake,
        places: &'a mut HashMap<PoNumber, usize>,
    ) -> Self {
        let counts = RowCounts { source: input.clone(), rows: 0, orders: 0, merged: 0, rejected: 0 };
        Self {
            options,
            intake,
            places,
            input,
            sheet: None,
            counts,
            hidden_count: 0,
            remarks: Vec::new(),
            lengths: BTreeMap::new(),
            notes_len: 0,
            has_full_notes: false,
        }
    }

    pub(crate) fn options(&self) -> &'a InputOptions {
        self.options
    }

    pub(crate) fn input(&self) -> &str {
        &self.input
    }

    /// Rows so far.
    pub(crate) fn row_count(&self) -> u64 {
        self.counts.rows
    }

    /// The rows that follow are of this sheet; none if the input has no other.
    pub(crate) fn begin_sheet(&mut self, name: Option<&str>) {
        self.sheet = name.map(|name| format!("{}, sheet {:?}", self.input, shorten(name)));
    }

    /// The input, with its sheet if it has several.
    pub(crate) fn place(&self) -> String {
        self.sheet.as_ref().unwrap_or(&self.input).clone()
    }

    /// Counts a row that holds something. Then it must be taken or rejected.
    pub(crate) fn count_row(&mut self, line: u64, is_hidden: bool) -> Result<(), InputError> {
        self.counts.rows += 1;
        self.hidden_count += u64::from(is_hidden);
        if self.counts.rows.max(line) > MAX_ROWS {
            return Err(InputError::TooManyRows { input: self.input.clone(), max: MAX_ROWS });
        }
        Ok(())
    }

    /// Takes the order of a row.
    pub(crate) fn take(&mut self, line: u64, po: PoNumber, priority: Option<TaskPriority>, metadata: Metadata) {
        let priority = priority.unwrap_or(self.options.priority);
        let po = if self.options.prefix_counts { po.distinct() } else { po };
        if let Some(task) = self.places.get(&po).and_then(|place| self.intake.tasks.get_mut(*place)) {
            self.counts.merged += 1;
            task.priority = task.priority.min(priority); // the most urgent is the least
            let kept = task.po.clone();
            if kept.prefix() != po.prefix() {
                self.remark(RemarkKind::OtherPrefix, line, &format!("{po} and {kept}"));
            } else if kept.digits() != po.digits() {
                self.remark(RemarkKind::LeadingZeros, line, &format!("{po} and {kept}"));
            }
            return;
        }
        self.counts.orders += 1;
        let length = self.lengths.entry(po.digits().len());
        length.or_insert_with(|| NumberLength { count: 0, first: format!("{po} in line {line}") }).count += 1;
        let metadata = self.kept_notes(metadata);
        self.places.insert(po.clone(), self.intake.tasks.len());
        self.intake.tasks.push(PoTask { po, priority, metadata });
    }

    /// The notes of a row, as long as there is room for them.
    fn kept_notes(&mut self, notes: Metadata) -> Metadata {
        self.notes_len += notes.iter().map(|(name, text)| name.len() + text.len()).sum::<usize>();
        if self.notes_len <= MAX_NOTES {
            return notes;
        }
        if !self.has_full_notes {
            self.has_full_notes = true;
            let order = self.counts.orders;
            self.say(format!("its other columns are too large: from order {order} on they are left out of the report"));
        }
        Metadata::new()
    }

    /// Rejects a row.
    pub(crate) fn reject(&mut self, line: u64, text: &str, reason: impl Into<String>) {
        self.counts.rejected += 1;
        let row = RejectedRow { source: self.place(), line, text: shorten(text), reason: reason.into() };
        self.intake.rejects.push(row);
    }

    /// Says something about a row that is taken.
    pub(crate) fn remark(&mut self, kind: RemarkKind, line: u64, text: &str) {
        let (source, example) = (self.place(), shorten(text));
        let same = |(known, remark): &&mut (RemarkKind, Remark)| *known == kind && remark.source == source;
        match self.remarks.iter_mut().find(same) {
            Some((_, remark)) => remark.add(example),
            None => {
                let what = kind.what(self.options.priority);
                let remark = Remark { source, line: Some(line), count: 1, examples: vec![example], what };
                self.remarks.push((kind, remark));
            }
        }
    }

    /// Says something about the whole input.
    pub(crate) fn say(&mut self, what: String) {
        let source = self.input.clone();
        self.intake.remarks.push(Remark { source, line: None, count: 0, examples: Vec::new(), what });
    }

    /// Closes the account of the input.
    ///
    /// # Errors
    /// If a row was not settled, or twice.
    pub(crate) fn finish(mut self) -> Result<(), InputError> {
        if !self.counts.is_complete() {
            return Err(InputError::Miscounted { input: self.input });
        }
        match self.hidden_count {
            0 => {}
            1 => self.say("1 of its rows is hidden, by a filter or by hand; it is read like the others".to_owned()),
            many => self
                .say(format!("{many} of its rows are hidden, by a filter or by hand; they are read like the others")),
        }
        self.say_short_numbers();
        self.intake.remarks.extend(self.remarks.into_iter().map(|(_, remark)| remark));
        self.intake.row_counts.push(self.counts);
        Ok(())
    }

    /// A sum or the number of a line that stands in the column of the orders is short where orders are long.
    fn say_short_numbers(&mut self) {
        let count = |lengths: &mut dyn Iterator<Item = &NumberLength>| lengths.map(|length| length.count).sum::<u64>();
        let short = count(&mut self.lengths.range(..=SHORT).map(|(_, length)| length));
        let long = count(&mut self.lengths.range(LONG..).map(|(_, length)| length));
        let Some((_, NumberLength { first, .. })) = self.lengths.first_key_value() else { return };
        if short == 0 || self.counts.orders < ENOUGH_ORDERS || long * 10 < (long + short) * 9 {
            return;
        }
        let orders = if short == 1 { "1 order has" } else { &format!("{short} orders have") };
        let what = format!("{orders} far fewer digits than the others, such as {first}: check that they are orders");
        self.say(what);
    }
}
