//! What people and spreadsheets make of a number, undone.

use crate::model::PoNumber;

/// Longest piece of a bad cell that is repeated in a message.
const MAX_SHOWN: usize = 60;

/// Takes a cell as an order number, or says why not.
pub(crate) fn po_number(cell: &str) -> Result<PoNumber, String> {
    let text = cell.trim_matches(is_blank).trim_start_matches('\'');
    if text.is_empty() {
        return Err("there is no number in this row".to_owned());
    }
    if text.contains('\n') {
        return Err("the cell runs over several lines: a quotation mark before it is not closed".to_owned());
    }
    if is_rounded(text) {
        return Err("the spreadsheet has rounded the number: format the column as text and enter it again".to_owned());
    }
    without_fraction(text).parse::<PoNumber>().map_err(|refused| refused.reason.to_owned())
}

/// The name of a column without case, blanks and punctuation.
pub(crate) fn column_name(cell: &str) -> String {
    cell.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
}

/// A piece of a cell, short enough for a message and on one line.
pub(crate) fn shorten(cell: &str) -> String {
    let text: String = cell.trim_matches(is_blank).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Whether nothing can be seen in the cell.
pub(crate) fn is_empty(cell: &str) -> bool {
    cell.chars().all(is_blank)
}

/// White space, and what is as invisible: zero-width marks that are copied along from web pages and mails.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// `15262984.0`, as tools write a whole number of a column that also has empty cells.
fn without_fraction(text: &str) -> &str {
    text.split_once('.')
        .filter(|(_, fraction)| !fraction.is_empty() && fraction.bytes().all(|digit| digit == b'0'))
        .map_or(text, |(whole, _)| whole)
}

/// `1.52630E+07`: digits are lost, so guessing would fetch another order.
fn is_rounded(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    upper.split_once("E+").is_some_and(|(mantissa, exponent)| {
        !mantissa.is_empty()
            && mantissa.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b','))
            && exponent.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spreadsheet_spellings_are_undone() {
        for (cell, shown) in [
            ("15262984.0", "15262984"),
            ("15262984.000", "15262984"),
            ("'15262984", "15262984"),
            ("\u{a0}PO15262984\u{200b}", "PO15262984"),
            ("\u{feff}po-7", "PO7"),
        ] {
            assert_eq!(po_number(cell).unwrap().to_string(), shown, "{cell:?}");
        }
    }

    #[test]
    fn junk_is_refused() {
        for cell in ["N/A", "PO-ABC", "1.5", "1.52630E+07", "7.", "12\n13", "TRUE", "-"] {
            assert!(po_number(cell).is_err(), "{cell:?}");
        }
        assert!(po_number("1,5E+07").unwrap_err().contains("rounded"));
    }

    proptest! {
        #[test]
        fn a_number_is_taken_as_it_stands_whatever_surrounds_it(
            blank in "[ \t\u{a0}\u{200b}\u{feff}]{0,3}",
            prefix in "(PO|PM|po|Po-|PM )?",
            digits in "[1-9][0-9]{0,9}",
            fraction in "(\\.0{1,3})?",
        ) {
            let po = po_number(&format!("{blank}{prefix}{digits}{fraction}{blank}"));
            prop_assert_eq!(po.as_ref().map(PoNumber::digits), Ok(digits.as_str()));
        }

        #[test]
        fn no_number_is_made_up(cell in "(\\PC|[0-9]|PO|PM|E\\+|[.,-]){0,12}") {
            if let Ok(po) = po_number(&cell) {
                prop_assert!(cell.contains(po.digits()), "{} of {cell:?}", po.digits());
            }
            prop_assert!(shorten(&cell).chars().count() <= MAX_SHOWN + 1);
        }
    }
}
