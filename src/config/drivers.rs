//! The rules that settings of driver processes must obey.

use std::ops::RangeInclusive;

/// What settings say of drivers.
pub(crate) struct Drivers {
    pub(crate) sessions_per_driver: u32,
    pub(crate) min_count: u32,
    /// 0 for no limit.
    pub(crate) max_count: u32,
    pub(crate) ports: String,
    pub(crate) workers: u32,
}

impl Drivers {
    /// Tells every rule that is broken, and gives the range of ports if there is one.
    pub(crate) fn check(&self, refuse: &mut impl FnMut(&str, String)) -> Option<RangeInclusive<u16>> {
        let Self { sessions_per_driver, min_count, max_count, ref ports, workers } = *self;
        if sessions_per_driver > 1 && !cfg!(target_os = "linux") {
            let why = "more than 1 needs Linux, where one browser of several can be closed on its own: leave it at 1"
                .to_owned();
            refuse("sessions_per_driver", why);
        }
        if sessions_per_driver == 1 {
            for (name, count) in [("min_drivers", min_count), ("max_drivers", max_count)] {
                if count > 0 {
                    let why = "each session has its own driver: set sessions_per_driver too, or leave this out";
                    refuse(name, why.to_owned());
                }
            }
        } else if max_count > 0 && min_count > max_count {
            refuse("min_drivers", format!("{min_count} is more than max_drivers"));
        } else if max_count > 0 && max_count.saturating_mul(sessions_per_driver) < workers {
            let why =
                format!("{max_count} drivers of {sessions_per_driver} sessions each are too few for {workers} workers");
            refuse("max_drivers", why);
        }
        if ports.is_empty() {
            return None;
        }
        let Some(range) = read_ports(ports) else {
            refuse("driver_ports", format!("{ports:?} is not a range of ports from 1024 on, such as 9515-9600"));
            return None;
        };
        let needed = workers.div_ceil(sessions_per_driver.max(1)).max(min_count);
        if range.len() < needed as usize {
            refuse("driver_ports", format!("{} ports are too few for {needed} drivers", range.len()));
        }
        Some(range)
    }
}

/// `9515-9600`, or one port.
fn read_ports(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (1024 <= first && first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(sessions_per_driver: u32, min_count: u32, max_count: u32, ports: &str) -> Vec<String> {
        let mut names = Vec::new();
        let drivers = Drivers { sessions_per_driver, min_count, max_count, ports: ports.to_owned(), workers: 4 };
        drivers.check(&mut |name, why| names.push(format!("{name}: {why}")));
        names
    }

    #[test]
    fn ranges_are_read() {
        assert_eq!(read_ports("9515-9600"), Some(9515..=9600));
        assert_eq!(read_ports(" 9515 - 9516 "), Some(9515..=9516));
        assert_eq!(read_ports("9515"), Some(9515..=9515));
        for text in ["", "80-90", "9600-9515", "9515-", "a-b", "9515-99999"] {
            assert_eq!(read_ports(text), None, "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused_by_name() {
        assert_eq!(refused(1, 0, 0, "9515-9518"), Vec::<String>::new());
        for (wrong, name) in [
            (refused(1, 2, 0, ""), "min_drivers"),
            (refused(1, 0, 2, ""), "max_drivers"),
            (refused(1, 0, 0, "9515-9517"), "driver_ports"),
            (refused(1, 0, 0, "x"), "driver_ports"),
        ] {
            assert!(wrong.len() == 1 && wrong[0].starts_with(name), "{wrong:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn shared_drivers_must_carry_all_workers() {
        assert_eq!(refused(2, 1, 2, "9515-9516"), Vec::<String>::new());
        assert!(refused(2, 3, 2, "")[0].starts_with("min_drivers"));
        assert!(refused(2, 0, 1, "")[0].starts_with("max_drivers"));
    }

    #[cfg(not(target_os = "linux"))]
    #[test]
    fn elsewhere_each_session_has_a_driver_of_its_own() {
        assert!(refused(2, 0, 0, "")[0].contains("only Linux"));
    }
}
