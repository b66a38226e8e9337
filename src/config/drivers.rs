//! The ports that drivers may listen on.

use std::ops::RangeInclusive;

/// Parses `9515-9600`, or a single port; each of `workers` sessions needs one.
///
/// # Errors
/// Why the text is not a usable range of ports, for a person.
pub(crate) fn parse_ports(text: &str, workers: usize) -> Result<RangeInclusive<u16>, String> {
    let range =
        range(text).ok_or_else(|| format!("{text:?} is not a range of ports from 1024 on, such as 9515-9600"))?;
    if range.len() < workers {
        let ports = if range.len() == 1 { "1 port is".to_owned() } else { format!("{} ports are", range.len()) };
        return Err(format!("{ports} too few for {workers} drivers, one per worker"));
    }
    Ok(range)
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (1024 <= first && first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        assert_eq!(range("9515-9600"), Some(9515..=9600));
        assert_eq!(range(" 9515 - 9516 "), Some(9515..=9516));
        assert_eq!(range("9515"), Some(9515..=9515));
        for text in ["", "80-90", "9600-9515", "9515-", "a-b", "9515-99999"] {
            assert_eq!(range(text), None, "{text}");
        }
    }

    #[test]
    fn each_worker_needs_a_port() {
        assert_eq!(parse_ports("9515-9518", 4), Ok(9515..=9518));
        let refused = parse_ports("9515-9517", 4).unwrap_err();
        assert_eq!(refused, "3 ports are too few for 4 drivers, one per worker");
        assert!(parse_ports("x", 4).unwrap_err().contains("not a range of ports"));
    }
}
