//! One cell of a sheet: what it holds, and how that is shown.

pub(crate) mod date;
pub(crate) mod number;
pub(crate) mod words;

use std::borrow::Cow;

use self::words::is_empty;

/// Characters that are kept of a cell.
const MAX_TEXT: usize = 1000;

/// What a cell holds. Cells that hold nothing are left out of their row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    /// Text.
    Text(String),
    /// A number of a workbook, as it is stored.
    Number(f64),
    /// A number that is formatted as a date or a time, or a date of its own.
    Date(DateCell),
    /// True or false.
    Flag(bool),
    /// An error of the spreadsheet, such as `#N/A`.
    Error(String),
    /// A formula whose value was never calculated.
    NoValue,
}

/// A date or a time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DateCell {
    /// The underlying number: days since the end of 1899, if any.
    pub(crate) serial: Option<f64>,
    /// The date in ISO 8601.
    pub(crate) shown: String,
}

impl Cell {
    /// A text; none if nothing of it can be seen. Of a text that is longer than any number or note the beginning is
    /// kept: workbooks store a text once for all cells that hold it, and would make gigabytes of a small file.
    pub(crate) fn text(text: &str) -> Option<Self> {
        let text = clipped(text);
        (!is_empty(&text)).then(|| Self::Text(text.into_owned()))
    }

    /// About how much memory its text takes.
    pub(crate) fn text_len(&self) -> usize {
        match self {
            Self::Text(text) | Self::Error(text) => text.len(),
            Self::Date(date) => date.shown.len(),
            Self::Number(_) | Self::Flag(_) | Self::NoValue => 0,
        }
    }

    /// The cell as people see it.
    pub(crate) fn shown(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) | Self::Error(text) => Cow::Borrowed(text),
            Self::Number(number) => Cow::Owned(plain_number(*number)),
            Self::Date(date) => Cow::Borrowed(&date.shown),
            Self::Flag(flag) => Cow::Borrowed(if *flag { "TRUE" } else { "FALSE" }),
            Self::NoValue => Cow::Borrowed("a formula without a value"),
        }
    }

    /// Its text, if it holds one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) | Self::Date(_) | Self::Flag(_) | Self::Error(_) | Self::NoValue => None,
        }
    }
}

/// The beginning of a text that is too long, marked so that it is not a number.
pub(crate) fn clipped(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) if !text.ends_with('…') || text.len() > end + '…'.len_utf8() => {
            Cow::Owned(format!("{}…", &text[..end]))
        }
        _ => Cow::Borrowed(text),
    }
}

/// A number with the 15 digits that spreadsheets keep, without an exponent unless it is enormous.
fn plain_number(number: f64) -> String {
    if !number.is_finite() || number.abs() >= 1e21 {
        return format!("{number:e}");
    }
    // the digits beyond the fifteenth are an accident of the binary form: 0.30000000000000004
    let kept: f64 = format!("{number:.14e}").parse().unwrap_or(number);
    kept.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_shown_as_people_see_them() {
        for (cell, shown) in [
            (Cell::Number(15_262_984.0), "15262984"),
            (Cell::Number(0.1 + 0.2), "0.3"),
            (Cell::Number(-1.5), "-1.5"),
            (Cell::Number(1e300), "1e300"),
            (Cell::Number(f64::NAN), "NaN"),
            (Cell::Flag(true), "TRUE"),
            (Cell::Error("#SPILL!".to_owned()), "#SPILL!"),
            (Cell::Text(" x".to_owned()), " x"),
        ] {
            assert_eq!(cell.shown(), shown);
        }
        assert_eq!(Cell::text(" \u{a0}\u{200b}"), None);
        let Some(Cell::Text(cut)) = Cell::text(&format!("15262984{}", " ".repeat(1_000_000))) else { panic!() };
        assert!(cut.len() < 1010 && cut.ends_with('…'), "what was cut is no number");
    }
}
