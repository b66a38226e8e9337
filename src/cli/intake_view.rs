//! What was read, on the terminal: the account of each input, what is remarkable, and the rejected rows.

use crate::cli::output::count;
use crate::cli::progress::Progress;
use crate::input::{Intake, RowCounts};

/// Rejected rows that the terminal lists before it refers to the report.
const SHOWN_REJECTS: usize = 20;

/// Prints the account of the inputs, the remarks and the first rejected rows.
pub(crate) fn show_intake(intake: &Intake, progress: &Progress) {
    lines(intake).iter().for_each(|line| progress.say(line));
}

fn lines(intake: &Intake) -> Vec<String> {
    let mut lines: Vec<_> = intake.row_counts.iter().filter_map(account).collect();
    lines.extend(intake.remarks.iter().map(|remark| format!("note: {remark}")));
    lines.extend(intake.rejects.iter().take(SHOWN_REJECTS).map(|reject| format!("not an order: {reject}")));
    if let Some(more) = intake.rejects.len().checked_sub(SHOWN_REJECTS).filter(|more| *more > 0) {
        let (noun, verb) = if more == 1 { ("row", "is not an order") } else { ("rows", "are not orders") };
        lines.push(format!("{more} more {noun} {verb}: report.json lists all of them"));
    }
    lines
}

/// One line for an input. A number on the command line that is an order needs none.
fn account(counts: &RowCounts) -> Option<String> {
    let RowCounts { source, rows, orders, merged, rejected } = counts;
    if source == "argument" && merged + rejected == 0 {
        return None;
    }
    let mut line = format!("{source}: {}: {}", count(*rows, "row"), count(*orders, "order"));
    match merged {
        0 => {}
        1 => line.push_str(", 1 row repeats an order"),
        many => line.push_str(&format!(", {many} rows repeat an order")),
    }
    match rejected {
        0 => {}
        1 => line.push_str(", 1 row is not an order"),
        many => line.push_str(&format!(", {many} rows are not orders")),
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RejectedRow;

    #[test]
    fn the_account_of_an_input_names_each_of_its_rows() {
        let counts = |source: &str, rows, orders, merged, rejected| RowCounts {
            source: source.to_owned(),
            rows,
            orders,
            merged,
            rejected,
        };
        for (counts, line) in [
            (
                counts("a.csv", 4, 1, 1, 2),
                Some("a.csv: 4 rows: 1 order, 1 row repeats an order, 2 rows are not orders"),
            ),
            (counts("a.csv", 2, 2, 0, 0), Some("a.csv: 2 rows: 2 orders")),
            (counts("argument", 1, 1, 0, 0), None),
            (counts("argument", 1, 0, 1, 0), Some("argument: 1 row: 0 orders, 1 row repeats an order")),
        ] {
            assert_eq!(account(&counts).as_deref(), line);
        }
    }

    #[test]
    fn many_rejected_rows_are_counted() {
        let reject = RejectedRow { source: "a".to_owned(), line: 2, text: "x".to_owned(), reason: "y".to_owned() };
        let intake = Intake { rejects: vec![reject; 22], ..Intake::default() };
        let lines = lines(&intake);
        assert_eq!(
            (lines.len(), lines[20].as_str()),
            (21, "2 more rows are not orders: report.json lists all of them")
        );
    }
}
