//! How many workers there are, when their browsers are replaced, and when they rest.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;

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
            "0" => Err("0 is not between 1 and 64".to_owned()),
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
    /// memory and [`crate::pool::Control::scale_to`] change it.
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
pub struct HoldConfig {
    /// While more than this share of all processors is in use; default never.
    pub max_cpu: Option<f64>,
    /// While less memory than this is free; default never.
    pub min_free_memory: Option<ByteSize>,
}
