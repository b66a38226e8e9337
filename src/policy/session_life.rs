//! When a browser is replaced although nothing is wrong with it, and when something is.

use std::fmt;
use std::time::Duration;

use crate::config::RecycleConfig;

/// Strikes after which a session counts as sick.
pub const MAX_PAGE_TIMEOUTS: u32 = 2;

/// Differences that are smaller than this are noise, whatever the factor.
const NOTICEABLE: Duration = Duration::from_millis(250);

/// What a session has been through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionUsage {
    /// Attempts that it has served.
    pub attempts: u32,
    /// How long it has lived.
    pub age: Duration,
    /// Memory of its process tree in bytes, if known.
    pub memory_bytes: Option<u64>,
    /// How long its last pages took, if it has opened enough to tell.
    pub page_time: Option<Duration>,
}

/// Why a session is worn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecycleReason {
    /// It has served its number of orders.
    Orders,
    /// It has reached its age.
    Age,
    /// It holds too much memory.
    Memory,
    /// Its pages have become slower than a fresh session's.
    Slow,
    /// Its profile folder has grown beyond its limit.
    Profile,
}

impl fmt::Display for RecycleReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Orders => "it has served its number of orders",
            Self::Age => "it has reached its age",
            Self::Memory => "it holds too much memory",
            Self::Slow => "its pages have become much slower than a fresh one's",
            Self::Profile => "its profile folder has grown too large",
        })
    }
}

/// Why a session is to be replaced before its next task, or `None` when it is to be kept.
///
/// `fresh` is how long the pages of the session took that was opened last, while it was new: a portal that has become
/// slow for everybody makes the next fresh session slow as well, and with that the comparison comes right by itself.
#[must_use]
pub fn recycle_reason(wear: &SessionUsage, fresh: Option<Duration>, config: &RecycleConfig) -> Option<RecycleReason> {
    let is_slow = || {
        let (now, fresh, factor) = (wear.page_time?, fresh?, config.slowdown?);
        Some(now > fresh.mul_f64(factor) && now > fresh + NOTICEABLE)
    };
    if wear.attempts == 0 {
        None // a replacement would be worn as soon, and nothing would ever be done
    } else if wear.attempts >= config.after {
        Some(RecycleReason::Orders)
    } else if wear.age >= config.age {
        Some(RecycleReason::Age)
    } else if wear.memory_bytes.is_some_and(|bytes| bytes >= config.memory.as_u64()) {
        Some(RecycleReason::Memory)
    } else if is_slow() == Some(true) {
        Some(RecycleReason::Slow)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PoolConfig;

    #[test]
    fn worn_by_work_age_memory_or_slowness() {
        let config = PoolConfig::builder().build().unwrap().recycle;
        let ms = Duration::from_millis;
        let well = SessionUsage {
            attempts: 99,
            page_time: Some(ms(400)),
            memory_bytes: Some(900_000_000),
            ..SessionUsage::default()
        };
        let fresh = Some(ms(200));
        assert_eq!(recycle_reason(&well, fresh, &config), None);
        let worn = |wear: SessionUsage| recycle_reason(&wear, fresh, &config);
        assert_eq!(worn(SessionUsage { attempts: 100, ..well }), Some(RecycleReason::Orders));
        assert_eq!(worn(SessionUsage { age: config.age, ..well }), Some(RecycleReason::Age));
        assert_eq!(worn(SessionUsage { memory_bytes: Some(1_500_000_000), ..well }), Some(RecycleReason::Memory));
        assert_eq!(worn(SessionUsage { page_time: Some(ms(700)), ..well }), Some(RecycleReason::Slow));
        // a factor of a very short time is noise; and one that has served nothing yet is never replaced
        let quick = SessionUsage { page_time: Some(ms(80)), ..well };
        assert_eq!(recycle_reason(&quick, Some(ms(8)), &config), None);
        assert_eq!(worn(SessionUsage { attempts: 0, age: config.age, ..well }), None);
        assert_eq!(recycle_reason(&SessionUsage { page_time: Some(ms(9000)), ..well }, None, &config), None);
    }
}
