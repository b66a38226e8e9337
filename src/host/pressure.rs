//! What the Linux kernel says of programs that wait for memory (PSI, pressure stall information).

/// Shares of the last ten seconds in which some, and in which all programs waited: those of the machine, or of this
/// program's container, whichever are greater.
#[cfg(target_os = "linux")]
pub(crate) fn read() -> (Option<f64>, Option<f64>) {
    // not there with a kernel before 4.20, or one that was built or started without it
    let text = |path: &std::path::Path| std::fs::read_to_string(path).unwrap_or_default();
    let machine = parse(&text("/proc/pressure/memory".as_ref()));
    let container =
        own_group(&text("/proc/self/cgroup".as_ref())).map(|group| parse(&text(&group))).unwrap_or_default();
    // an unknown share is less than any that is known
    let greater = |one: Option<f64>, other: Option<f64>| one.into_iter().chain(other).reduce(f64::max);
    (greater(machine.0, container.0), greater(machine.1, container.1))
}

/// Where the pressure of the own control group (version 2) stands.
#[cfg(any(target_os = "linux", test))]
fn own_group(groups: &str) -> Option<std::path::PathBuf> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(std::path::Path::new("/sys/fs/cgroup").join(path).join("memory.pressure"))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn read() -> (Option<f64>, Option<f64>) {
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
    use super::{own_group, parse};
    use std::path::Path;

    #[test]
    fn both_shares_are_read_and_their_absence_is_no_pressure() {
        let text = "some avg10=12.50 avg60=1.00 avg300=0.01 total=9\nfull avg10=0.00 avg60=0.0 avg300=0 total=3\n";
        assert_eq!(parse(text), (Some(0.125), Some(0.0)));
        assert_eq!(parse(""), (None, None));
        assert_eq!(parse("some avg60=1"), (None, None));
    }

    #[test]
    fn the_own_group_is_the_one_of_the_unified_hierarchy() {
        let groups = "4:memory:/x\n0::/system.slice/nightly.service\n";
        let found = own_group(groups).unwrap();
        assert_eq!(found, Path::new("/sys/fs/cgroup/system.slice/nightly.service/memory.pressure"));
        assert_eq!(own_group("0::/\n").unwrap(), Path::new("/sys/fs/cgroup/memory.pressure"));
        assert_eq!(own_group("4:memory:/x\n"), None);
    }
}
