//! Counts, time spans and lines in messages.

use std::ops::Range;
use std::time::Duration;

use humantime::FormattedDuration;

/// `1 order`, `2 orders`.
pub(crate) fn count(number: impl TryInto<u64>, noun: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    let plural = if noun.ends_with('s') { "es" } else { "s" };
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}{plural}") }
}

/// A time span in whole seconds, or in milliseconds below one second.
pub(crate) fn rounded(span: Duration) -> FormattedDuration {
    let millis = span.saturating_add(Duration::from_micros(500)).as_millis();
    let shown = if millis < 1000 {
        Duration::from_millis(u64::try_from(millis).unwrap_or_default())
    } else {
        Duration::from_secs(span.saturating_add(Duration::from_millis(500)).as_secs())
    };
    humantime::format_duration(shown)
}

/// The line of `text` that `span` begins in, counted from 1; the first if it is not known.
pub(crate) fn line_of(text: &str, span: Option<Range<usize>>) -> usize {
    let before = span.and_then(|span| text.get(..span.start)).unwrap_or_default();
    before.matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_agree_with_their_nouns() {
        assert_eq!([0_u64, 1, 2].map(|number| count(number, "row")), ["0 rows", "1 row", "2 rows"]);
        assert_eq!(count(2_usize, "process"), "2 processes");
    }

    #[test]
    fn time_spans_are_rounded() {
        for (span, shown) in [
            (Duration::from_nanos(29_999_999_722), "30s"),
            (Duration::from_nanos(249_999_999), "250ms"),
            (Duration::from_nanos(999_999_999), "1s"),
            (Duration::from_millis(90_400), "1m 30s"),
            (Duration::ZERO, "0s"),
        ] {
            assert_eq!(rounded(span).to_string(), shown);
        }
    }
}
