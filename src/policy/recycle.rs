//! When a session is worn out.

/// Strikes after which a session is replaced.
const MAX_STRIKES: u32 = 2;

/// What a session has been through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wear {
    /// Attempts that it has served.
    pub attempts: u32,
    /// Failures in a row that were its fault.
    pub strikes: u32,
}

/// Why a session is to be replaced before its next task, or `None` when it is to be kept.
#[must_use]
pub fn is_worn(wear: Wear, recycle_after: u32) -> Option<&'static str> {
    if wear.strikes >= MAX_STRIKES {
        Some("its pages timed out twice in a row")
    } else if wear.attempts >= recycle_after {
        Some("it has served its number of orders")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worn_by_work_or_by_strikes() {
        assert_eq!(is_worn(Wear { attempts: 99, strikes: 1 }, 100), None);
        assert!(is_worn(Wear { attempts: 100, strikes: 0 }, 100).is_some());
        assert!(is_worn(Wear { attempts: 1, strikes: 2 }, 100).is_some());
    }
}
