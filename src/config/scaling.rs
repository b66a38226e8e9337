//! The rules that the settings of the number of workers must obey.

use std::num::NonZeroUsize;

use super::sections::ScalingConfig;
use super::types::{MAX_WORKERS, WorkerCount};

/// Most workers of a pool that finds their number itself: beyond that the portal is the limit, not this machine.
const AUTO_MAX_WORKERS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

/// The bounds around `count`; `None` when they were refused.
pub(crate) fn scaling(
    count: WorkerCount,
    min: Option<u32>,
    max: Option<u32>,
    refuse: &mut impl FnMut(&str, String),
) -> Option<ScalingConfig> {
    let bound = |value: u32| NonZeroUsize::new(value as usize);
    let least = bound(min.unwrap_or(1))?;
    let most = max.and_then(bound);
    let (start, usual) = match count {
        WorkerCount::Auto => (None, AUTO_MAX_WORKERS),
        WorkerCount::Exactly(count) => {
            if count.get() > MAX_WORKERS as usize {
                refuse("workers", format!("{count} is out of range: use 1 to {MAX_WORKERS}"));
            }
            (Some(count), count)
        }
    };
    // a least number alone lifts the most that nobody has named
    let scaling = ScalingConfig {
        min: least,
        max: most.unwrap_or(usual.max(least)),
        is_automatic: count == WorkerCount::Auto || max.is_some(),
    };
    if scaling.min > scaling.max {
        refuse("min_workers", format!("{least} is more than max_workers, which is {}", scaling.max));
    }
    if let Some(start) = start.filter(|start| *start > scaling.max || (min.is_some() && *start < scaling.min)) {
        refuse("workers", format!("{start} is not between min_workers ({least}) and max_workers ({})", scaling.max));
    }
    Some(scaling)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Settings, resolve};

    #[test]
    fn the_bounds_of_the_number_of_workers_belong_together() {
        let said = |workers: &str, min_workers, max_workers| {
            let workers = Some(workers.parse().unwrap());
            resolve(Settings { workers, min_workers, max_workers, ..Settings::default() }, None).map(|config| {
                let ScalingConfig { min, max, is_automatic } = config.scaling;
                (min.get(), max.get(), is_automatic)
            })
        };
        assert_eq!(said("auto", None, None).unwrap(), (1, 8, true));
        assert_eq!(said("4", None, None).unwrap(), (1, 4, false));
        assert_eq!(said("4", Some(2), Some(6)).unwrap(), (2, 6, true));
        assert_eq!(said("auto", Some(12), None).unwrap(), (12, 12, true));
        for (workers, min, max, setting) in [
            ("65", None, None, "workers"),
            ("4", Some(0), None, "min_workers"),
            ("auto", Some(3), Some(2), "min_workers"),
            ("auto", None, Some(65), "max_workers"),
            ("7", None, Some(6), "workers"),
            ("1", Some(2), None, "workers"),
        ] {
            let why = said(workers, min, max).unwrap_err().to_string();
            assert!(why.contains(setting), "{workers} {min:?} {max:?}: {why}");
        }
        assert!("0".parse::<WorkerCount>().is_err() && "many".parse::<WorkerCount>().is_err());
    }
}
