//! What the Linux kernel says of programs that wait for memory (PSI, pressure stall information).

/// Shares of the last ten seconds in which some, and in which all programs waited.
#[cfg(target_os = "linux")]
pub(super) fn read() -> (Option<f64>, Option<f64>) {
    // not there with a kernel before 4.20, or one that was built or started without it
    parse(&std::fs::read_to_string("/proc/pressure/memory").unwrap_or_default())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn read() -> (Option<f64>, Option<f64>) {
    (None, None)
}

/// `some avg10=1.25 avg60=0.80 …`, in percent, and the same for `full`.
#[cfg(any(target_os = "linux", test))]
fn parse(text: &str) -> (Option<f64>, Option<f64>) {
    let share = |word: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(word))?;
        let percent: f64 = line.trim_start().strip_prefix("avg10=")?.split_whitespace().next()?.parse().ok()?;
        Some(percent / 100.0)
    };
    (share("some"), share("full"))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn both_shares_are_read_and_their_absence_is_no_pressure() {
        let text = "some avg10=12.50 avg60=1.00 avg300=0.01 total=9\nfull avg10=0.00 avg60=0.0 avg300=0 total=3\n";
        assert_eq!(parse(text), (Some(0.125), Some(0.0)));
        assert_eq!(parse(""), (None, None));
        assert_eq!(parse("some avg60=1"), (None, None));
    }
}
