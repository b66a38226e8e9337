//! How long a portal asks to be left alone: its `Retry-After`, in both of the forms that it may have.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// A longer wait is a mistake or due to a wrong clock: the portal is tried again after this time.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// When the portal wishes to be asked again, from now on, by the header of an answer of this status; only one that says
/// "too many" or "not now" is believed.
pub(crate) fn wished(status: u16, header: Option<&str>) -> Option<Duration> {
    header.filter(|_| matches!(status, 429 | 503)).and_then(|header| retry_after(header, Timestamp::now()))
}

/// Reads the header: seconds, or a date as HTTP writes it. A past date means now; what is neither means
/// nothing.
fn retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    let wish = if !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_digit()) {
        // more digits than a number can hold is a very long time in any case
        header.parse().map_or(LONGEST, Duration::from_secs)
    } else {
        let date = rfc2822::DateTimeParser::new().parse_timestamp(header).ok()?;
        Duration::try_from(date.duration_since(now)).unwrap_or_default()
    };
    Some(wish.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: &str = "2026-11-21T01:00:00Z";

    fn read(header: &str) -> Option<u64> {
        retry_after(header, NOW.parse().unwrap()).map(|wish| wish.as_secs())
    }

    #[test]
    fn both_forms_of_the_wish_are_read() {
        for (header, seconds) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("86400", Some(3600)),
            ("99999999999999999999999", Some(3600)),
            ("Sat, 21 Nov 2026 01:00:30 GMT", Some(30)),
            ("Sat, 21 Nov 2026 00:59:00 GMT", Some(0)),
            ("Sun, 22 Nov 2026 01:00:00 GMT", Some(3600)),
            ("", None),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
        ] {
            assert_eq!(read(header), seconds, "{header:?}");
        }
    }

    proptest! {
        #[test]
        fn a_wish_is_never_longer_than_an_hour(header in "[0-9]{1,30}|\\PC{0,40}") {
            prop_assert!(read(&header).is_none_or(|seconds| seconds <= 3600));
        }

        #[test]
        fn seconds_and_a_date_say_the_same(seconds in 0_u64..10_000) {
            let date = NOW.parse::<Timestamp>().unwrap() + Duration::from_secs(seconds);
            let written = rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
            prop_assert_eq!(read(&seconds.to_string()), Some(seconds.min(3600)));
            prop_assert_eq!(read(&written), Some(seconds.min(3600)));
        }
    }
}
