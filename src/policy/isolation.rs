//! How far an order is kept from others, after browsers that ended under it.

use crate::model::AttemptCounts;

/// Browsers that one order may crash before it counts as the cause. The first crash may have been bad luck, and even
/// two may have been: somebody killed the browsers, or memory ran out.
pub(super) const SUSPECT_AFTER: u32 = 2;

/// Beside which other orders an order may be in work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Beside any, in the same browser too.
    None,
    /// Alone in its browser: one ended under it and others, and if it is to blame, it shall pay for the next one alone.
    Browser,
    /// Alone in the pool, in a fresh browser and after all others: it has crashed two.
    Pool,
}

/// How far an order of these counts is kept from others.
#[must_use]
pub fn isolation(counts: AttemptCounts) -> Isolation {
    if counts.crashes >= SUSPECT_AFTER {
        Isolation::Pool
    } else if counts.shared_crashes > 0 {
        Isolation::Browser
    } else {
        Isolation::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FailureKind;

    #[test]
    fn an_order_is_kept_apart_from_others_by_the_browsers_that_ended_under_it() {
        let (mut crashed, mut kept_apart) = (AttemptCounts::default(), Vec::new());
        for kind in [FailureKind::SessionHung, FailureKind::Crashed] {
            kept_apart.push(isolation(crashed));
            crashed = crashed.after_failure(kind, true);
        }
        assert_eq!(kept_apart, [Isolation::None, Isolation::None]);
        assert_eq!(isolation(crashed), Isolation::Pool);
        let shared = AttemptCounts { shared_crashes: 1, ..AttemptCounts::default() };
        assert_eq!(isolation(shared), Isolation::Browser);
        assert_eq!(isolation(AttemptCounts { shared_crashes: 1, ..crashed }), Isolation::Pool);
    }
}
