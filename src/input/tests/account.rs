//! The law of this room: no row is lost, changed or invented without a word, in any format.

use proptest::prelude::*;

use super::writers::{Grid, Value, every_format};
use super::{numbers, take};

/// A cell of the column of the numbers, and the order that it is.
#[derive(Clone, Debug)]
struct PoCell {
    value: Value,
    order: Option<String>,
}

fn po_cell() -> impl Strategy<Value = PoCell> {
    let number = || 15_262_984..15_262_999_u32;
    let text =
        |text: String, order: Option<u32>| PoCell { value: Value::Text(text), order: order.map(|po| po.to_string()) };
    prop_oneof![
        4 => number().prop_map(|po| PoCell { value: Value::Number(f64::from(po)), order: Some(po.to_string()) }),
        4 => number().prop_map(move |po| text(format!("PO{po}"), Some(po))),
        1 => number().prop_map(move |po| text(format!("  po\u{2013}{po}\u{a0}"), Some(po))),
        1 => number().prop_map(move |po| text(format!("00{po}"), Some(po))),
        1 => number().prop_map(move |po| text(format!("={po:?}"), Some(po))),
        1 => number().prop_map(move |po| text(format!("{po}\n{}", po + 1), None)),
        1 => number().prop_map(move |po| text(format!("15.{po}.000"), None)),
        1 => "(N/A|PO|tbd|1\\.5|-7|12E9|PO7-2|\"|;|,)".prop_map(move |junk| text(junk, None)),
        1 => Just(PoCell { value: Value::Flag(true), order: None }),
        1 => Just(PoCell { value: Value::Error, order: None }),
        2 => Just(PoCell { value: Value::Blank, order: None }),
    ]
}

fn other_cell() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => Just(Value::Blank),
        2 => "[a-z;,\"'|]{1,6}".prop_filter("it can be seen", |text| !text.trim().is_empty()).prop_map(Value::Text),
        1 => "[a-z]{2} \n[a-z]{2}".prop_map(Value::Text),
        1 => (1..9_u8).prop_map(|number| Value::Number(f64::from(number))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_row_is_an_order_a_repetition_or_rejected_in_every_format(
        column in 0..3_usize,
        titles in 0..3_usize,
        rows in prop::collection::vec((po_cell(), prop::collection::vec(other_cell(), 3)), 1..24),
    ) {
        let row = |po: Value, others: &[Value]| {
            let mut row = others.to_vec();
            row.insert(column, po);
            row
        };
        let word = |text: &str| Value::Text(text.to_owned());
        let head_line = titles + 1;
        let mut grid: Grid = vec![row(word("of May"), &[word("Orders"), Value::Blank, word("x")]); titles];
        grid.push(row(word("PO_NUMBER"), &[word("Supplier"), word("Note"), word("Amount")]));
        grid.extend(rows.iter().map(|(po, others)| row(po.value.clone(), others)));

        let lines = || (head_line as u64 + 1..).zip(&rows);
        let is_filled = |(po, others): &(PoCell, Vec<Value>)| {
            po.value != Value::Blank || others.iter().any(|value| *value != Value::Blank)
        };
        let row_count = rows.iter().filter(|row| is_filled(row)).count() as u64;
        let mut orders: Vec<String> = Vec::new();
        for order in rows.iter().filter_map(|(po, _)| po.order.clone()) {
            if !orders.contains(&order) {
                orders.push(order);
            }
        }
        let rejected: Vec<_> = lines().filter(|(_, row)| is_filled(row) && row.0.order.is_none()).map(|(line, _)| line).collect();

        for (format, bytes) in every_format(&grid) {
            let intake = take(&bytes).map_err(|why| TestCaseError::fail(format!("{format}: {why}")))?;
            let [counts] = intake.row_counts.as_slice() else { panic!("{format}: one account") };
            prop_assert!(counts.is_complete(), "{}: {:?}", format, counts);
            prop_assert_eq!(counts.rows, row_count, "rows of {}: {:?}", format, intake);
            let taken: Vec<_> = intake.tasks.iter().map(|task| task.po.digits().trim_start_matches('0').to_owned()).collect();
            prop_assert_eq!(&taken, &orders, "orders of {}", format);
            let refused: Vec<_> = intake.rejects.iter().map(|reject| reject.line).collect();
            // a web page has no blank rows to count, and a text has none that it could tell from the end of a line
            if !format.starts_with("CSV") {
                prop_assert_eq!(&refused, &rejected, "rejected rows of {}", format);
            }
            prop_assert_eq!(refused.len(), rejected.len(), "rejected rows of {}", format);
        }
    }

    #[test]
    fn every_line_of_a_list_is_an_order_a_repetition_or_rejected_in_every_format(
        rows in prop::collection::vec(po_cell(), 1..24),
    ) {
        prop_assume!(rows.iter().any(|po| po.order.is_some()));
        prop_assume!(rows.iter().all(|po| po.value != Value::Text("PO".to_owned()))); // that would be its heading
        let grid: Grid = rows.iter().map(|po| vec![po.value.clone()]).collect();
        for (format, bytes) in every_format(&grid) {
            // a list has no cells that are told apart by a delimiter
            if format.starts_with("CSV") && rows.iter().any(|po| matches!(&po.value, Value::Text(text) if text.contains(['\n', ';', ',', '"']))) {
                continue;
            }
            let intake = take(&bytes).map_err(|why| TestCaseError::fail(format!("{format}: {why}")))?;
            let counts = &intake.row_counts[0];
            prop_assert!(counts.is_complete());
            prop_assert_eq!(counts.rows as usize, rows.iter().filter(|po| po.value != Value::Blank).count(), "{}", format);
            prop_assert_eq!((counts.orders + counts.merged) as usize, rows.iter().filter(|po| po.order.is_some()).count(), "{}", format);
        }
    }

    #[test]
    fn of_no_text_is_more_taken_than_stands_there(text in "(PO_NUMBER[,;\t|\n]|PO|[0-9]{1,9}|[,;\"\n\r#=' ]|\\PC){0,60}") {
        let Ok(intake) = take(text.as_bytes()) else { return Ok(()) };
        let line_count = text.split(['\n', '\r']).count();
        prop_assert!(intake.row_counts.iter().all(|counts| counts.is_complete()));
        for number in numbers(&intake) {
            let digits = number.trim_start_matches(char::is_alphabetic);
            let plain: String = text.chars().filter(char::is_ascii_digit).collect();
            prop_assert!(plain.contains(digits), "{number} of {text:?}");
        }
        for reject in &intake.rejects {
            prop_assert!((1..=line_count).contains(&usize::try_from(reject.line).unwrap()), "{reject:?} of {text:?}");
            prop_assert!(!reject.reason.is_empty() && !reject.text.contains('\n'), "{reject:?}");
        }
    }
}
