//! How many workers there are, when their browsers are replaced, and when they rest.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;

/// Most workers that one machine is asked to bear.
pub(crate) const MAX_WORKERS: u32 = 64;
/// Most workers of a pool that finds their number itself: beyond that a portal is what holds it up, not this machine.
const AUTO_MAX_WORKERS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

/// How many workers a pool wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WorkerCount {
    /// As many as the orders, the processors and the memory make sense of, and no more than bring anything.
    #[default]
    Auto,
    /// So many.
    Exactly(NonZeroUsize),
}

impl From<NonZeroUsize> for WorkerCount {
    fn from(count: NonZeroUsize) -> Self {
        Self::Exactly(count)
    }
}

impl fmt::Display for WorkerCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.pad("auto"),
            Self::Exactly(count) => count.fmt(f),
        }
    }
}

impl FromStr for WorkerCount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            word if word.eq_ignore_ascii_case("auto") => Ok(Self::Auto),
            "0" => Err(format!("0 is not between 1 and {MAX_WORKERS}")),
            number => match number.parse() {
                Ok(count) => Ok(Self::Exactly(count)),
                Err(_) => Err(format!("{text:?} is neither auto nor a whole number")),
            },
        }
    }
}

/// Between which numbers of workers the pool may move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScalingConfig {
    /// So many remain, however short memory is; default 1.
    pub min: NonZeroUsize,
    /// Never more; default what [`super::PoolConfig::worker_count`] says, 8 if that is automatic.
    pub max: NonZeroUsize,
    /// Whether the pool finds its number itself: when the count is automatic, or a maximum was given. Otherwise only
    /// memory and [`crate::pool::PoolControl::scale_to`] change it.
    pub is_automatic: bool,
}

/// When a browser is replaced by a fresh one although nothing is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RecycleConfig {
    /// After so many attempts; default 100.
    pub after: u32,
    /// At this age; default 4 h.
    pub age: Duration,
    /// When its process tree holds so much; default 1.5 GB.
    pub memory: ByteSize,
    /// When its pages take so many times as long as a fresh one's, above 1; default 3, `None` never.
    pub slowdown: Option<f64>,
}

/// How often a worker whose browser breaks gets another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestartConfig {
    /// So many times within `window`; then the worker is given up and the pool goes on without it. Default 10.
    pub limit: u32,
    /// Default 5 min.
    pub window: Duration,
}

/// When an order that could start waits although a worker is free. One order is always in work.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct AdmissionConfig {
    /// While more than this share of all processors is in use; default never.
    pub max_cpu: Option<f64>,
    /// While less memory than this is free; default never.
    pub min_free_memory: Option<ByteSize>,
}

/// The bounds around `count`; `None` when they were refused.
pub(crate) fn scaling(
    count: WorkerCount,
    min: Option<u32>,
    max: Option<u32>,
    refuse: &mut impl FnMut(&str, String),
) -> Option<ScalingConfig> {
    let mut bound = |name: &str, value: u32| {
        if !(1..=MAX_WORKERS).contains(&value) {
            refuse(name, format!("{value} is not between 1 and {MAX_WORKERS}"));
        }
        NonZeroUsize::new(value as usize)
    };
    let least = bound("min_workers", min.unwrap_or(1))?;
    let most = max.and_then(|value| bound("max_workers", value));
    let (start, usual) = match count {
        WorkerCount::Auto => (None, AUTO_MAX_WORKERS),
        WorkerCount::Exactly(count) => (bound("workers", u32::try_from(count.get()).unwrap_or(u32::MAX)), count),
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
