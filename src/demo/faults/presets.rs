//! Faults by name, for `demo --fault`.

use crate::demo::faults::{FaultRule, LoginAnswer, PortalFault, RequestTarget, RetryAfter};

/// A fault with a name.
#[derive(Clone, Copy, Debug)]
pub struct NamedFault {
    /// Its name: lower-case words with `-` between them.
    pub name: &'static str,
    /// What fails, and how a run handles it.
    pub about: &'static str,
    fault: fn() -> PortalFault,
    part: RequestTarget,
}

/// An address in a private network that browsers may not reach.
const BLOCKED_URL: &str = "http://10.255.255.1/secret";

const fn named(name: &'static str, part: RequestTarget, fault: fn() -> PortalFault, about: &'static str) -> NamedFault {
    NamedFault { name, about, fault, part }
}

const ALL: [NamedFault; 17] = [
    named(
        "login-ends",
        RequestTarget::OrderPage,
        || PortalFault::LoginEnded(LoginAnswer::Redirect),
        "the login ends, and an order's page redirects to the login page: one worker logs in again, nothing is lost",
    ),
    named(
        "login-page",
        RequestTarget::File,
        || PortalFault::LoginInstead,
        "the login page arrives instead of a file: it is recognised, and the file is fetched after a new login",
    ),
    named(
        "wrong-shape",
        RequestTarget::OrderPage,
        || PortalFault::WrongShape,
        "an order's page matches no recipe: tried once more, then page_changed",
    ),
    named(
        "server-error",
        RequestTarget::OrderPage,
        || PortalFault::Status(503),
        "an order's page is answered with 503: the run slows down, and the attempt is not counted",
    ),
    named(
        "file-error",
        RequestTarget::File,
        || PortalFault::Status(500),
        "a file is answered with 500: fetched again, then reported as missing",
    ),
    named(
        "throttled",
        RequestTarget::OrderPage,
        || PortalFault::Throttled(RetryAfter::Seconds(2)),
        "429 with Retry-After: the whole run waits as long as the portal asks",
    ),
    named(
        "reset",
        RequestTarget::File,
        || PortalFault::Reset,
        "a file's connection is reset: the browser tries again by itself, then the run does",
    ),
    named(
        "truncated",
        RequestTarget::File,
        || PortalFault::Truncated,
        "only half of a file arrives: it is never placed, and fetched again",
    ),
    named(
        "stalls",
        RequestTarget::File,
        || PortalFault::NeverFinishes,
        "a file stops halfway: it is stopped after download_timeout, and fetched again",
    ),
    named(
        "wrong-type",
        RequestTarget::File,
        || PortalFault::WrongType,
        "an error page arrives under a file's name: it is never placed, and the file is fetched again",
    ),
    named(
        "hangs",
        RequestTarget::OrderPage,
        || PortalFault::BusyScript,
        "a page's script never ends: its browser is replaced, and another one takes the order",
    ),
    named(
        "dialogs",
        RequestTarget::OrderPage,
        || PortalFault::Dialogs,
        "a page opens one dialog after another, also when it is left: they are dismissed",
    ),
    named(
        "viewer",
        RequestTarget::OrderPage,
        || PortalFault::Viewer,
        "a click on an attachment only opens a viewer: the link's address is fetched instead",
    ),
    named(
        "leaks",
        RequestTarget::OrderPage,
        || PortalFault::Leaky,
        "pages leak memory in their browser: it is replaced when it has grown too large",
    ),
    named(
        "compressed",
        RequestTarget::File,
        || PortalFault::Compressed,
        "a file is compressed in transit: it arrives unchanged",
    ),
    named(
        "led-away",
        RequestTarget::File,
        || PortalFault::LedTo(BLOCKED_URL.to_owned()),
        "a file redirects to a private network: nothing is requested there, the file is reported as missing",
    ),
    named(
        "led-by-script",
        RequestTarget::OrderPage,
        || PortalFault::LedByScript(BLOCKED_URL.to_owned()),
        "a page's script redirects to a private network: nothing is requested there, the order fails",
    ),
];

impl NamedFault {
    /// All of them.
    pub const ALL: &'static [Self] = &ALL;

    /// The fault with this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|named| named.name == name)
    }

    /// A rule that applies it to every `every`-th request of its kind; 0 counts as 1.
    #[must_use]
    pub fn each(self, every: u32) -> FaultRule {
        FaultRule::new((self.fault)(), self.part).every(every)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_there_once_and_finds_its_fault() {
        for named in NamedFault::ALL {
            assert_eq!(NamedFault::ALL.iter().filter(|other| other.name == named.name).count(), 1, "{}", named.name);
            assert_eq!(NamedFault::find(named.name).unwrap().each(3), named.each(3));
        }
        assert!(NamedFault::find("rain").is_none());
    }
}
