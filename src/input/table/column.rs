//! Which of several columns holds the numbers: decided by what their cells hold, not by their names alone.

use super::head::{FoundHead, Head, letter_of_column};
use crate::input::book::SheetRow;
use crate::input::cell::number::po_number;
use crate::input::cell::words::shorten;
use crate::input::options::InputOptions;
use crate::model::PoNumber;

/// Several columns that could all be meant, by their headings.
#[derive(Debug)]
pub(crate) struct Ambiguous(pub(crate) Vec<String>);

/// A column, and what the sample says about it.
struct Column {
    at: usize,
    /// The order of each row of the sample, if there is one.
    orders: Vec<Option<PoNumber>>,
    filled_count: usize,
    order_count: usize,
}

impl Column {
    fn new(at: usize, rows: &[&SheetRow], options: &InputOptions) -> Self {
        let order = |row: &&SheetRow| po_number(row.cell(at)?, &options.numbers).ok().map(|found| found.po);
        let orders: Vec<_> = rows.iter().map(order).collect();
        let filled_count = rows.iter().filter(|row| row.cell(at).is_some()).count();
        let order_count = orders.iter().flatten().count();
        Self { at, orders, filled_count, order_count }
    }

    /// Whether most of its cells are numbers.
    fn is_numbers(&self) -> bool {
        self.order_count > 0 && self.order_count * 2 >= self.filled_count
    }

    /// Whether a row has different orders in the two columns.
    fn contradicts(&self, other: &Self) -> bool {
        self.orders.iter().zip(&other.orders).any(|(a, b)| a.is_some() && b.is_some() && a != b)
    }
}

/// How many rows of the sample below a head have an order in its column.
pub(crate) fn order_count(head: &Head, sample: &[SheetRow], options: &InputOptions) -> usize {
    let rows: Vec<_> = sample.iter().filter(|row| row.line > head.last).collect();
    Column::new(head.po, &rows, options).order_count
}

/// Chooses the column. One alone is taken as it is: its rows tell what is wrong with them.
///
/// # Errors
/// If several columns hold different numbers.
pub(crate) fn choose(found: FoundHead, sample: &[SheetRow], options: &InputOptions) -> Result<Head, Ambiguous> {
    let FoundHead { rows_from, candidates, mut head } = found;
    let is_order = |row: &&SheetRow| head.records.as_ref().is_none_or(|records| records.other_kind(row).is_none());
    let rows: Vec<_> = sample.iter().skip(rows_from).filter(is_order).collect();
    let columns: Vec<_> = candidates.iter().map(|at| Column::new(*at, &rows, options)).collect();
    let numbers: Vec<_> = columns.iter().filter(|column| column.is_numbers()).collect();
    let heading = |at: usize| head.names.get(&at).map_or_else(String::new, |name| shorten(name));
    let mut pairs = numbers.iter().enumerate().flat_map(|(at, a)| numbers.iter().skip(at + 1).map(move |b| (a, b)));
    if pairs.any(|(a, b)| a.contradicts(b)) {
        let shown = |column: &&Column| format!("{:?} (column {})", heading(column.at), letter_of_column(column.at));
        return Err(Ambiguous(numbers.iter().map(shown).collect()));
    }
    let most = numbers.iter().map(|column| column.order_count).max();
    let chosen = match numbers.iter().find(|column| Some(column.order_count) == most) {
        Some(column) => column.at,
        None => below_merged_heading(&head, &rows, options).unwrap_or(head.po),
    };
    if chosen != head.po {
        head.passed_over = Some(heading(head.po));
        if !head.names.contains_key(&chosen) {
            head.names.insert(chosen, head.po_name().to_owned());
        }
        head.po = chosen;
    }
    Ok(head)
}

/// The column with the numbers, if their heading is merged over several columns and stands in the first.
fn below_merged_heading(head: &Head, rows: &[&SheetRow], options: &InputOptions) -> Option<usize> {
    if rows.iter().any(|row| row.cell(head.po).is_some()) {
        return None;
    }
    let end = head.names.range(head.po + 1..).next().map_or(head.po + 4, |(at, _)| *at);
    (head.po + 1..end.min(head.po + 4)).find(|at| Column::new(*at, rows, options).is_numbers())
}
