//! Dates as spreadsheets store them: the number of days since the end of 1899.

use jiff::civil::{Date, DateTime, Time, date};
use jiff::{SignedDuration, Span};

/// The last number that a spreadsheet shows as a date: 9999-12-31.
pub(crate) const LAST_DATE: f64 = 2_958_465.0;
/// Days between the two beginnings that workbooks count from, 1900 and 1904.
const DAYS_TO_1904: f64 = 1462.0;
const SECONDS_OF_A_DAY: f64 = 86_400.0;

/// The date, time or both of `serial`; `None` if it is not a date.
pub(crate) fn shown(serial: f64, is_1904: bool) -> Option<String> {
    let serial = if is_1904 { serial + DAYS_TO_1904 } else { serial };
    if !(0.0..LAST_DATE + 1.0).contains(&serial) {
        return None;
    }
    let seconds = SignedDuration::from_secs_f64((serial.fract() * SECONDS_OF_A_DAY).round());
    let time = DateTime::from_parts(first_day(serial)?, Time::midnight()).checked_add(seconds).ok()?;
    Some(match (serial < 1.0, time.time() == Time::midnight()) {
        (true, _) => time.time().to_string(),
        (false, true) => time.date().to_string(),
        (false, false) => format!("{} {}", time.date(), time.time()),
    })
}

/// The day of `serial`. Spreadsheets believe that 1900 was a leap year, so the days before its March are off by one.
fn first_day(serial: f64) -> Option<Date> {
    let zero = if serial < 60.0 { date(1899, 12, 31) } else { date(1899, 12, 30) };
    #[expect(clippy::cast_possible_truncation, reason = "it is below three millions")]
    let days = serial.trunc() as i64;
    zero.checked_add(Span::new().try_days(days).ok()?).ok()
}

/// The number that stands for a date in ISO 8601, such as `43687-01-31` or `2024-03-05T10:00:00`. Years of any length
/// are understood: an order number that is formatted as a date becomes one far away.
pub(crate) fn serial_of(iso: &str) -> Option<f64> {
    let (day, time) = iso.split_once(['T', ' ']).unwrap_or((iso, ""));
    let mut parts = day.splitn(3, '-').map(str::parse::<i64>);
    let (Some(Ok(year)), Some(Ok(month @ 1..=12)), Some(Ok(day @ 1..=31)), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    if !(1899..=99_999_999).contains(&year) || !time.chars().all(|c| matches!(c, '0' | ':' | '.' | 'Z')) {
        return None;
    }
    // days of the proleptic calendar, years beginning in March (H. Hinnant, "chrono-compatible low-level date
    // algorithms")
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    Some((days - 693_899) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_shown_as_spreadsheets_show_them() {
        for (serial, is_1904, text) in [
            (45_356.0, false, "2024-03-05"),
            (43_894.0, true, "2024-03-05"),
            (45_356.5, false, "2024-03-05 12:00:00"),
            (0.75, false, "18:00:00"),
            (1.0, false, "1900-01-01"),
            (61.0, false, "1900-03-01"),
            (LAST_DATE, false, "9999-12-31"),
        ] {
            assert_eq!(shown(serial, is_1904).as_deref(), Some(text), "{serial}");
        }
        for serial in [-1.0, LAST_DATE + 1.0, 15_262_984.0, f64::NAN, f64::INFINITY] {
            assert_eq!(shown(serial, false), None, "{serial}");
        }
    }

    #[test]
    fn the_number_behind_a_date_is_found_again() {
        for (iso, serial) in [
            ("2024-03-05", Some(45_356.0)),
            ("1900-03-01", Some(61.0)),
            ("9999-12-31T00:00:00", Some(LAST_DATE)),
            ("43687-12-31", Some(15_262_755.0)),
            ("2024-03-05T10:00:00", None),
            ("2024-13-05", None),
            ("05.03.2024", None),
            ("", None),
        ] {
            assert_eq!(serial_of(iso), serial, "{iso:?}");
        }
    }
}
