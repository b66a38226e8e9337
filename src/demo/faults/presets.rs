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
        "the login ends and an order's page leads to the login page: one worker logs in again, nothing is lost",
    ),
    named(
        "login-page",
        RequestTarget::File,
        || PortalFault::LoginInstead,
        "the login page comes in the place of a file: it is known as such, and the file is fetched after a login",
    ),
    named(
        "wrong-shape",
        RequestTarget::OrderPage,
        || PortalFault::WrongShape,
        "an order's page is of a shape that no recipe knows: tried once more, then page_changed",
    ),
    named(
        "server-error",
        RequestTarget::OrderPage,
        || PortalFault::Status(503),
        "an order's page is answered 503: the run asks less and later, at no cost to the order",
    ),
    named(
        "file-error",
        RequestTarget::File,
        || PortalFault::Status(500),
        "a file is answered 500: fetched again, then missing",
    ),
    named(
        "throttled",
        RequestTarget::OrderPage,
        || PortalFault::Throttled(RetryAfter::Seconds(2)),
        "429 with Retry-After: the whole run waits as long as the portal wishes",
    ),
    named(
        "reset",
        RequestTarget::File,
        || PortalFault::Reset,
        "the connection of a file is reset: browsers ask again by themselves, then the run does",
    ),
    named(
        "truncated",
        RequestTarget::File,
        || PortalFault::Truncated,
        "half of a file comes: never placed, fetched again",
    ),
    named(
        "stalls",
        RequestTarget::File,
        || PortalFault::NeverFinishes,
        "a file stands still half way: stopped after download_timeout, fetched again",
    ),
    named(
        "wrong-type",
        RequestTarget::File,
        || PortalFault::WrongType,
        "an error page comes under the name of a file: never placed, fetched again",
    ),
    named(
        "hangs",
        RequestTarget::OrderPage,
        || PortalFault::BusyScript,
        "a page's script never ends: its browser is replaced, and another one does the order",
    ),
    named(
        "dialogs",
        RequestTarget::OrderPage,
        || PortalFault::Dialogs,
        "a page opens one dialog after the other and does not want to be left: they are dismissed",
    ),
    named(
        "viewer",
        RequestTarget::OrderPage,
        || PortalFault::Viewer,
        "a click on an attachment shows a viewer and nothing else: the link's address is fetched instead",
    ),
    named(
        "leaks",
        RequestTarget::OrderPage,
        || PortalFault::Leaky,
        "pages leave megabytes behind in their browser: it is replaced when it has grown",
    ),
    named(
        "compressed",
        RequestTarget::File,
        || PortalFault::Compressed,
        "a file is packed for the way: it arrives as it is",
    ),
    named(
        "led-away",
        RequestTarget::File,
        || PortalFault::LedTo(BLOCKED_URL.to_owned()),
        "a file leads to a private network: nothing is asked there, the file is missing",
    ),
    named(
        "led-by-script",
        RequestTarget::OrderPage,
        || PortalFault::LedByScript(BLOCKED_URL.to_owned()),
        "a page's script goes to a private network: nothing is asked there, the order fails",
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
