//! What people and spreadsheets make of an order number, undone. What could mean two numbers is refused, never guessed.

use crate::input::cell::date::LAST_DATE;
use crate::input::cell::words::{is_invisible, shorten};
use crate::input::cell::{Cell, DateCell};
use crate::model::{PoNumber, PoNumberFormat};

/// The first number that a spreadsheet can no longer store digit by digit: it keeps fifteen.
const FIRST_ROUNDED: f64 = 1e15;
const MAX_EXACT_DIGITS: usize = 15;
/// Marks around a number that are not digits. Dashes stay: they are signs.
const QUOTES: &[char] = &['\'', '"', '`', '´', '‘', '’', '‚', '“', '”', '„', '«', '»', '′', '″'];
/// Words between two numbers of one cell.
const AND: [&str; 8] = ["AND", "UND", "ET", "E", "Y", "OR", "TO", "BIS"];

/// A number that was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FoundNumber {
    pub(crate) po: PoNumber,
    /// The part of the cell that does not belong to the number.
    pub(crate) change: Option<NumberChange>,
}

/// What was done to read a number, if people should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberChange {
    /// The cell is formatted as a date, and the number behind it was taken.
    DateFormat,
    /// What follows the number was dropped, as the settings say.
    Suffix,
}

/// Takes a cell as an order number, or says why not.
pub(crate) fn po_number(cell: &Cell, format: &PoNumberFormat) -> Result<FoundNumber, String> {
    let found = |po| FoundNumber { po, change: None };
    let found = match cell {
        Cell::Text(text) => of_text(text, format),
        Cell::Number(number) => of_number(*number).map(found),
        Cell::Date(date) => of_date(date),
        Cell::Flag(_) => Err("it is a truth value, not a number".to_owned()),
        Cell::Error(error) => Err(format!("the spreadsheet shows the error {} here", shorten(error))),
        Cell::NoValue => {
            Err("it is a formula without a value: open the file in a spreadsheet program, which calculates \
                              it, and save it there"
                .to_owned())
        }
    }?;
    // a formula that points at an empty cell gives it
    if found.po.digits().bytes().all(|digit| digit == b'0') {
        return Err("it is zero, which is no order number".to_owned());
    }
    Ok(found)
}

/// Said of rows without a number.
pub(crate) const NO_NUMBER: &str = "there is no number in this row";

fn of_number(number: f64) -> Result<PoNumber, String> {
    if number.abs() >= FIRST_ROUNDED {
        return Err(
            "it has more than 15 digits, so the spreadsheet has rounded it: format the column as text and enter \
                    the number again"
                .to_owned(),
        );
    }
    if number < 0.0 || number.fract() != 0.0 {
        return Err("an order number is whole and not negative".to_owned());
    }
    format!("{number}").parse().map_err(|_| "it is not a number".to_owned())
}

fn of_date(date: &DateCell) -> Result<FoundNumber, String> {
    match date.serial.filter(|serial| *serial > LAST_DATE) {
        Some(serial) => of_number(serial).map(|po| FoundNumber { po, change: Some(NumberChange::DateFormat) }),
        None => {
            Err("it is a date or a time: if it should be a number, format the column as a number or as text".to_owned())
        }
    }
}

fn of_text(text: &str, format: &PoNumberFormat) -> Result<FoundNumber, String> {
    let plain = plain(text);
    if plain.is_empty() {
        return Err(NO_NUMBER.to_owned());
    }
    let text = match of_exponent(&plain) {
        Some(exact) => exact?,
        None if is_grouped(&plain) => {
            return Err("a point, comma or blank stands between groups of its digits: write it without them".to_owned());
        }
        None => without_fraction(&plain).to_owned(),
    };
    match format.parse(&text) {
        Ok(found) => {
            let change = (!found.suffix.is_empty()).then_some(NumberChange::Suffix);
            Ok(FoundNumber { po: found.po, change })
        }
        Err(refused) => Err(why_not(&text, format).unwrap_or_else(|| refused.reason.to_owned())),
    }
}

/// The cell with one kind of dash, slash and blank, and without what surrounds its text.
fn plain(text: &str) -> String {
    let spelled: String = text.chars().filter(|c| !is_invisible(*c)).map(spelled).collect();
    let mut rest = spelled.as_str();
    loop {
        let inner = rest.trim().trim_end_matches([',', ';']).trim_matches(QUOTES);
        let inner = inner.strip_prefix('=').unwrap_or(inner);
        if inner.len() == rest.len() {
            return rest.to_owned();
        }
        rest = inner;
    }
}

/// The plainest sign of those that look the same.
fn spelled(c: char) -> char {
    match c {
        '\n' => '\n',
        '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => '-',
        '\u{2044}' | '\u{2215}' | '\u{29f8}' | '\u{ff0f}' | '\\' => '/',
        '\u{ff03}' => '#',
        '\u{ff10}'..='\u{ff19}' => char::from_digit(c as u32 - 0xff10, 10).unwrap_or(c),
        '’' | '‘' | '′' => '\'',
        other if other.is_whitespace() || other.is_control() => ' ',
        other => other,
    }
}

/// The digits of `1.5262986E7`, which names all of them; why not of `1.52630E+07`. None if it has no exponent.
fn of_exponent(text: &str) -> Option<Result<String, String>> {
    let (mantissa, exponent) = text.split_once(['E', 'e'])?;
    let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
    let (whole, fraction) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, ""));
    let are_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || exponent.is_empty() || ![whole, fraction, exponent].into_iter().all(are_digits) {
        return None;
    }
    let rounded = || Some(Err(format!("{text} is a rounded number: format the column as text and enter it again")));
    let Ok(places) = exponent.parse::<usize>() else { return rounded() };
    let Some((digits, rest)) = fraction.split_at_checked(places) else { return rounded() };
    let digits = format!("{whole}{digits}");
    if digits.len() > MAX_EXACT_DIGITS || rest.bytes().any(|digit| digit != b'0') {
        return rounded();
    }
    Some(Ok(digits))
}

/// `15.262.984` and `123.000`: the separator may mark thousands or a fraction, so there are two numbers to choose from.
fn is_grouped(text: &str) -> bool {
    let digits = text.trim_start_matches(|c: char| !c.is_ascii_digit());
    if !digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',' | b'\'' | b' ')) {
        return false;
    }
    // a fraction with another separator than the groups is not a group
    let groups = match digits.rsplit_once(['.', ',']) {
        Some((groups, fraction)) if fraction.len() != 3 && groups.contains(['.', ',', '\'', ' ']) => groups,
        _ => digits,
    };
    let pieces: Vec<usize> = groups.split(['.', ',', '\'', ' ']).map(str::len).collect();
    let [first @ 1..=3, middle @ .., 3] = pieces.as_slice() else { return false };
    // by threes, or in India by twos up to the last three
    middle.iter().all(|len| *len == 3) || (*first <= 2 && middle.iter().all(|len| *len == 2))
}

/// `15262984.0`, as tools write a whole number of a column that also has empty cells.
fn without_fraction(text: &str) -> &str {
    text.split_once(['.', ','])
        .filter(|(_, fraction)| !fraction.is_empty() && fraction.bytes().all(|digit| digit == b'0'))
        .map_or(text, |(whole, _)| whole)
}

/// Why `text` is not a number, if more can be said than that.
fn why_not(text: &str, format: &PoNumberFormat) -> Option<String> {
    if let Some(reason) = unknown_suffix(text, format) {
        return Some(reason);
    }
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '/' | '&' | '+' | '|' | '-'));
    let words: Vec<_> = words.filter(|word| !word.is_empty() && !AND.contains(&word.to_uppercase().as_str())).collect();
    let numbers = words.iter().filter(|word| format.parse(word).is_ok()).count();
    if numbers > 1 {
        return Some(format!("there are {numbers} numbers in this cell: give each of them a row of its own"));
    }
    if text.contains('\n') {
        return Some("the cell has several lines, and they are not one number".to_owned());
    }
    if text.bytes().any(|byte| byte.is_ascii_digit()) && text.contains(char::is_alphabetic) {
        return unknown_prefix(text);
    }
    None
}

/// `US0158122` where `US` is not a known prefix.
fn unknown_prefix(text: &str) -> Option<String> {
    let po = PoNumber::try_from(text.to_owned()).ok().filter(|po| !po.prefix().is_empty())?;
    Some(format!(
        "{:?} is not a known prefix: if it belongs to the numbers of your portal, set po_prefixes = {:?}",
        po.prefix(),
        po.prefix()
    ))
}

/// `PO15262984-2` where nothing is known to follow a number.
fn unknown_suffix(text: &str, format: &PoNumberFormat) -> Option<String> {
    let mut ends = text.char_indices().filter(|(_, c)| !c.is_ascii_digit()).map(|(at, _)| at);
    let end = ends.rfind(|at| text[..*at].ends_with(|c: char| c.is_ascii_digit()))?;
    let (number, suffix) = text.split_at(end);
    let (sign, digits) = suffix.split_at(suffix.find(|c: char| c.is_ascii_digit())?);
    let is_short = (1..=3).contains(&digits.len()) && sign.chars().count() <= 6 && !sign.contains(['\n', '.', ',']);
    if !is_short || sign.trim().is_empty() || format.parse(number).ok()?.po.digits().len() <= digits.len() {
        return None;
    }
    Some(format!(
        "{:?} follows the number: if that is a revision or a line of the order, set po_suffixes = \"{}#\"",
        suffix.trim(),
        sign.trim_start()
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<FoundNumber, String> {
        po_number(&Cell::Text(text.to_owned()), &PoNumberFormat::default())
    }

    #[test]
    fn spreadsheet_spellings_are_undone() {
        for (cell, shown) in [
            ("15262984.0", "15262984"),
            ("15262984.000", "15262984"),
            ("15262984,00", "15262984"),
            ("123.00", "123"),
            ("'15262984", "15262984"),
            ("=\"15262984\"", "15262984"),
            ("=15262984", "15262984"),
            ("“15262984”", "15262984"),
            ("15262984,", "15262984"),
            ("15262984\n", "15262984"),
            ("\u{a0}PO15262984\u{200b}", "PO15262984"),
            ("PO\u{a0}15262984", "PO15262984"),
            ("PO\u{2013}15262984", "PO15262984"),
            ("PO\u{2212}15262984", "PO15262984"),
            ("PO\u{ff0f}15262984", "PO15262984"),
            ("PO\u{ad}15262984", "PO15262984"),
            ("\u{ff11}5262984", "15262984"),
            ("\u{feff}po-7", "PO7"),
            ("1.5262986E7", "15262986"),
            ("1.5262986e+07", "15262986"),
            ("1,5262986E+7", "15262986"),
            ("1.52629860E+07", "15262986"),
        ] {
            assert_eq!(read(cell).unwrap().po.to_string(), shown, "{cell:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused_with_its_own_reason() {
        for (cell, reason) in [
            ("", "no number in this row"),
            ("N/A", "a number consists of digits"),
            ("PO-ABC", "a number consists of digits"),
            ("1.5", "a number consists of digits"),
            ("7.", "a number consists of digits"),
            ("-7", "a number consists of digits"),
            ("1.52630E+07", "rounded"),
            ("1,5E+07", "rounded"),
            ("1.2345678901234567E+16", "rounded"),
            ("15262984E99999999999999999999", "rounded"),
            ("15.262.984", "between groups"),
            ("15,262,984", "between groups"),
            ("15,262,984.00", "between groups"),
            ("15 262 984", "between groups"),
            ("15\u{202f}262\u{202f}984", "between groups"),
            ("15’262’984", "between groups"),
            ("1,52,62,984", "between groups"),
            ("PO 15.262.984", "between groups"),
            ("123.000", "between groups"),
            ("1,526", "between groups"),
            ("12\n13", "2 numbers"),
            ("15262984, 15262990", "2 numbers"),
            ("15262984/15262990", "2 numbers"),
            ("PO15262984 und PO15262990; 7", "3 numbers"),
            ("15262984-15262990", "2 numbers"),
            ("15262984\nurgent", "several lines"),
            ("US0158122", "po_prefixes = \"US\""),
            ("2D-15262984", "po_prefixes = \"2D-\""),
            ("PO15262984-2", "po_suffixes = \"-#\""),
            ("15262984/10", "po_suffixes = \"/#\""),
            ("15262984 rev 2", "po_suffixes = \"rev #\""),
        ] {
            let refused = read(cell).unwrap_err();
            assert!(refused.contains(reason), "{cell:?}: {refused}");
        }
    }

    #[test]
    fn a_number_of_a_workbook_is_taken_when_all_its_digits_are_there() {
        let read = |cell| po_number(&cell, &PoNumberFormat::default()).map(|found| found.po.to_string());
        assert_eq!(read(Cell::Number(15_262_984.0)), Ok("15262984".to_owned()));
        assert_eq!(read(Cell::Number(999_999_999_999_999.0)), Ok("999999999999999".to_owned()));
        for number in [1e15, 123_456_789_012_345_678.0, 1e300, -7.0, 1.5, f64::NAN, f64::INFINITY] {
            assert!(read(Cell::Number(number)).is_err(), "{number}");
        }
        assert!(read(Cell::Number(1e15)).unwrap_err().contains("rounded"));
        for (cell, reason) in [
            (Cell::Flag(true), "truth value"),
            (Cell::Error("#N/A".to_owned()), "#N/A"),
            (Cell::NoValue, "formula"),
            (Cell::Date(DateCell { serial: Some(45_356.0), shown: "2024-03-05".to_owned() }), "date"),
            (Cell::Date(DateCell { serial: None, shown: "10:00:00".to_owned() }), "date"),
        ] {
            assert!(read(cell).unwrap_err().contains(reason));
        }
    }

    #[test]
    fn a_number_that_is_too_large_for_its_date_format_is_taken_and_told() {
        let cell = Cell::Date(DateCell { serial: Some(15_262_984.0), shown: "15262984".to_owned() });
        let found = po_number(&cell, &PoNumberFormat::default()).unwrap();
        assert_eq!((found.po.digits(), found.change), ("15262984", Some(NumberChange::DateFormat)));
    }

    #[test]
    fn prefixes_and_suffixes_of_the_settings_are_read() {
        let format = PoNumberFormat::new(&["US"], &["-#"]).unwrap();
        let found = po_number(&Cell::Text("us\u{2011}0158122\u{2013}2".to_owned()), &format).unwrap();
        assert_eq!((found.po.to_string().as_str(), found.change), ("US0158122", Some(NumberChange::Suffix)));
    }

    proptest! {
        #[test]
        fn a_number_is_taken_as_it_stands_whatever_surrounds_it(
            blank in "[ \t\u{a0}\u{200b}\u{feff}]{0,3}",
            prefix in "(PO|PM|po|Po-|PM |PO\u{2014})?",
            digits in "[1-9][0-9]{0,9}",
            fraction in "(\\.0{1,2})?",
        ) {
            let po = read(&format!("{blank}{prefix}{digits}{fraction}{blank}")).map(|found| found.po);
            prop_assert_eq!(po.as_ref().map(PoNumber::digits), Ok(digits.as_str()));
        }

        #[test]
        fn no_number_is_made_up(cell in "(\\PC|[0-9]|PO|PM|E\\+|[.,-]){0,12}") {
            if let Ok(found) = read(&cell) {
                let digits: String = cell.chars().map(spelled).filter(char::is_ascii_digit).collect();
                prop_assert!(digits.starts_with(found.po.digits()), "{} of {cell:?}", found.po);
            }
        }

        #[test]
        fn no_digit_of_a_workbook_s_number_is_lost(number in 0..999_999_999_999_999_u64) {
            #[allow(clippy::cast_precision_loss, reason = "fifteen digits fit")]
            let cell = Cell::Number(number as f64);
            prop_assert_eq!(po_number(&cell, &PoNumberFormat::default()).unwrap().po.to_string(), number.to_string());
        }
    }
}
