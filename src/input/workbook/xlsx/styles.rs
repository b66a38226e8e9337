//! Which numbers are formatted as dates or times: spreadsheets store all of them as numbers.

use std::collections::HashMap;

use quick_xml::events::Event;

use crate::input::cell::date::{self, LAST_DATE};
use crate::input::cell::{Cell, DateCell};
use crate::input::error::SheetError;
use crate::input::workbook::package::Package;
use crate::input::workbook::xml::attribute;

/// How the numbers of a workbook are shown.
#[derive(Debug)]
pub(crate) struct NumberStyles {
    /// Whether the style with this number shows dates.
    are_dates: Vec<bool>,
    is_1904: bool,
}

impl NumberStyles {
    /// A workbook without formats.
    pub(crate) fn plain(is_1904: bool) -> Self {
        Self { are_dates: Vec::new(), is_1904 }
    }

    /// The formats by the numbers of the styles, and the codes of those that are not built in.
    pub(crate) fn new(formats: &[u32], codes: &HashMap<u32, String>, is_1904: bool) -> Self {
        let is_date = |id: &u32| codes.get(id).map_or_else(|| is_built_in_date(*id), |code| is_date_code(code));
        Self { are_dates: formats.iter().map(is_date).collect(), is_1904 }
    }

    /// Reads the part at `path`.
    pub(crate) fn read(package: &mut Package<'_>, path: &str, is_1904: bool) -> Result<Self, SheetError> {
        let (mut codes, mut formats, mut is_in_cells) = (HashMap::new(), Vec::new(), false);
        let Some(mut xml) = package.small_xml(path)? else { return Ok(Self::plain(is_1904)) };
        let id = |text: Option<String>| text.and_then(|id| id.parse().ok()).unwrap_or(0);
        loop {
            match xml.next()? {
                Event::Start(start) => match start.local_name().as_ref() {
                    "numFmt" => {
                        codes.insert(
                            id(attribute(&start, "numFmtId")),
                            attribute(&start, "formatCode").unwrap_or_default(),
                        );
                    }
                    "cellXfs" => is_in_cells = true,
                    "xf" if is_in_cells => formats.push(id(attribute(&start, "numFmtId"))),
                    _ => {}
                },
                Event::End(end) if end.local_name().as_ref() == "cellXfs" => is_in_cells = false,
                Event::Eof => return Ok(Self::new(&formats, &codes, is_1904)),
                _ => {}
            }
        }
    }

    /// A number in this style.
    pub(crate) fn cell(&self, number: f64, style: usize) -> Cell {
        if self.are_dates.get(style) != Some(&true) {
            return Cell::Number(number);
        }
        date_cell(number, self.is_1904)
    }
}

/// A number that is formatted as a date.
pub(crate) fn date_cell(number: f64, is_1904: bool) -> Cell {
    match date::shown(number, is_1904) {
        Some(shown) => Cell::Date(DateCell { serial: Some(number), shown }),
        None if number > LAST_DATE => {
            Cell::Date(DateCell { serial: Some(number), shown: Cell::Number(number).shown().into_owned() })
        }
        None => Cell::Number(number),
    }
}

/// The built-in formats of dates and times, also those of East Asia.
fn is_built_in_date(id: u32) -> bool {
    matches!(id, 14..=22 | 27..=36 | 45..=47 | 50..=58)
}

/// Whether a format's code shows a date or a time: by its letters outside of quotation marks, escapes and brackets.
pub(crate) fn is_date_code(code: &str) -> bool {
    let mut signs = code.chars().peekable();
    let mut previous = ' ';
    while let Some(sign) = signs.next() {
        match sign {
            ';' => return false, // what follows is the format of negative numbers
            '\\' | '_' | '*' => _ = signs.next(),
            '"' => _ = signs.find(|sign| *sign == '"'),
            '[' => {
                let inside: String = signs.by_ref().take_while(|sign| *sign != ']').collect();
                // [h]:mm counts hours; [Red] and [$-409] are not digits
                let first = inside.chars().next().unwrap_or(' ').to_ascii_lowercase();
                if matches!(first, 'h' | 'm' | 's') && inside.chars().all(|c| c.to_ascii_lowercase() == first) {
                    return true;
                }
            }
            'd' | 'D' | 'm' | 'M' | 'y' | 'Y' | 'h' | 'H' | 's' | 'S' => return true,
            // General, and E+00 of exponents
            'e' | 'E'
                if signs.peek().is_none_or(|next| !matches!(next, '+' | '-'))
                    && !previous.is_alphanumeric()
                    && previous != '#' =>
            {
                return true; // the year of an era
            }
            'G' | 'g' if code.to_ascii_lowercase().starts_with("general") => return false,
            _ => {}
        }
        previous = sign;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_told_from_numbers_by_their_format() {
        for code in
            ["dd/mm/yyyy", "[$-409]d\\-mmm\\-yy;@", "h:mm AM/PM", "[h]:mm:ss", "\"on \"yyyy", "mm:ss.0", "[Red]yyyy"]
        {
            assert!(is_date_code(code), "{code}");
        }
        for code in [
            "General",
            "0",
            "#,##0.00",
            "0.00E+00",
            "##0.0E+0",
            "\"day \"0",
            "[Red]0;[Blue]-0",
            "0\\d",
            "0_d",
            "@",
            "[$€-2] #,##0",
            "0;yyyy",
            "0*d",
            "\"PO\"0",
        ] {
            assert!(!is_date_code(code), "{code}");
        }
        assert!(is_built_in_date(14) && !is_built_in_date(0) && !is_built_in_date(49));
    }

    #[test]
    fn a_number_too_large_for_a_date_keeps_its_digits() {
        let Cell::Date(date) = date_cell(15_262_984.0, false) else { panic!() };
        assert_eq!((date.serial, date.shown.as_str()), (Some(15_262_984.0), "15262984"));
    }
}
