//! How many workers a pool has.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

/// Most workers that one machine is asked to bear.
pub(crate) const MAX_WORKERS: u32 = 64;

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
