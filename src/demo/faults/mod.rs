//! Faults of the portal: what fails, for which requests, how often. They can be changed while the portal runs.
pub(crate) mod inject;
pub(crate) mod presets;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::model::PoNumber;

/// A fault. A new one needs its arm in `inject::go_wrong`; the compiler asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PortalFault {
    /// The login of this request ends: this and all its later requests get the login page, until it logs in again.
    LoginEnded(LoginAnswer),
    /// The login page with status 200 in place of a page or a file; the login stays valid.
    LoginInstead,
    /// A page that no recipe knows, with status 200.
    WrongShape,
    /// This HTTP status and a short page.
    Status(u16),
    /// 429 with `Retry-After`.
    Throttled(RetryAfter),
    /// The connection is reset before anything is sent. Browsers repeat the request by themselves if the connection had
    /// been used before, so a single reset may go unnoticed.
    Reset,
    /// The length is announced, half of it is sent, the connection is closed.
    Truncated,
    /// The length is announced, half of it is sent, a moment later the connection is reset.
    ResetMidway,
    /// Half of it is sent without a length, and the connection is closed.
    CutShort,
    /// The right page, whose links to attachments appear after a script has requested them ([`RequestTarget::List`]);
    /// if that request fails, they never appear. Files are served as they are.
    LateList,
    /// The right answer, so much later.
    Slow(Duration),
    /// The right file, spread evenly over so much time. Pages are served as they are.
    SlowBody(Duration),
    /// The right file under this `Content-Type`. Pages are served as they are.
    Declared(&'static str),
    /// The first half is sent and the connection stays open until the portal stops.
    NeverFinishes,
    /// A page whose script never ends: it blocks each later command to its tab. Files are served as they are.
    BusyScript,
    /// The right page, which opens many dialogs (`alert`, `confirm`) and does not want to be left (`beforeunload`).
    /// Files are served as they are.
    Dialogs,
    /// The right page, whose links and buttons for attachments show a viewer that is empty when they are clicked, and
    /// nothing else. Files are served as they are.
    Viewer,
    /// The right page, which leaves some megabytes behind in the browser each time. Files are served as they are.
    Leaky,
    /// The right page in the look of the recipe `coupa`, with its attachments listed in another way, as after a
    /// redesign. Files and the pages of other looks are served as they are.
    Relisted(ListChange),
    /// A redirect to another host, `localhost`, where the same portal answers.
    Elsewhere,
    /// The right bytes under this `Content-Disposition`, byte by byte; under none if it is not a header.
    Disposition(Vec<u8>),
    /// A redirect to this address.
    LedTo(String),
    /// The right page, whose script goes to this address. Files are served as they are.
    LedByScript(String),
    /// The right page, with a picture, a frame and a script's request that come from this address. Files are served as
    /// they are.
    Embeds(String),
    /// The right bytes and then more of them, without an end and without a length.
    Endless,
    /// The right bytes, compressed for the way (`Content-Encoding: gzip`), as servers do.
    Compressed,
    /// A few kilobytes that a browser unpacks to 16 MB (`Content-Encoding: gzip`).
    Bomb,
    /// An HTML error page under the name and type of the requested file. Pages are served as they are.
    WrongType,
}

/// How a page lists its attachments instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListChange {
    /// As buttons under a heading that counts them, "Attachments (2)"; the areas where they stood are gone.
    Redesigned,
    /// The same, and the areas where they stood are left and empty.
    Moved,
    /// Neither attachments nor the areas for them are on the page.
    Gone,
    /// One link and the buttons, under a heading that counts them all.
    Counted,
    /// The same, and a button "Show 2 more" that shows the other links.
    Folded,
    /// So long after the load, and until then the page gives this sign of it.
    Late(Duration, LoadingSign),
}

/// How a page shows that its list is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadingSign {
    /// Not at all.
    Silence,
    /// Its areas are marked as busy (`aria-busy`).
    Busy,
    /// Its scripts fetch one thing after another.
    Calls,
}

/// How the login page is put before someone who is not logged in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoginAnswer {
    /// By a redirect to it.
    #[default]
    Redirect,
    /// At once, with status 200 under the address that was asked for.
    Page,
    /// Not at all: a short page with this status, such as 401.
    Status(u16),
}

/// The two forms of `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// As a number of seconds.
    Seconds(u32),
    /// As a date.
    Date(SystemTime),
}

/// What kind of request a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestTarget {
    /// The page of an order.
    OrderPage,
    /// The page of a requisition.
    RequisitionPage,
    /// The bytes of an attachment, behind a link or a one-time address.
    File,
    /// The one-time address that a button asks for.
    Ticket,
    /// What a page asks for that lists its links late.
    List,
    /// The login form, shown or sent.
    Login,
    /// The login form, sent: with a password in it.
    Password,
    /// Every request, sub-resources of pages excepted.
    Anything,
}

/// One fault and when it strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultRule {
    fault: PortalFault,
    part: RequestTarget,
    order: Option<PoNumber>,
    times: Option<u32>,
    every: u32,
    seen: u32,
}

impl FaultRule {
    /// `fault` for every request of kind `part`, for all orders and until it is cleared.
    #[must_use]
    pub fn new(fault: PortalFault, part: RequestTarget) -> Self {
        Self { fault, part, order: None, times: None, every: 1, seen: 0 }
    }

    /// Only for this order, its requisition and its files.
    #[must_use]
    pub fn for_order(mut self, po: &PoNumber) -> Self {
        self.order = Some(po.clone());
        self
    }

    /// Only the first `count` times.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.times = Some(count);
        self
    }

    /// Only each `count`-th time.
    #[must_use]
    pub fn every(mut self, count: u32) -> Self {
        self.every = count.max(1);
        self
    }

    /// Takes note of a request of its kind; true when it is its turn.
    fn is_due(&mut self) -> bool {
        self.seen += 1;
        self.seen.is_multiple_of(self.every)
    }

    fn is_for(&self, part: RequestTarget, order: Option<&PoNumber>) -> bool {
        let is_wider = self.part == RequestTarget::Anything
            || (self.part == RequestTarget::Login && part == RequestTarget::Password);
        (is_wider || self.part == part)
            && self.times != Some(0)
            && self.order.as_ref().is_none_or(|wanted| order == Some(wanted))
    }
}

/// The rules that a portal starts with, in the order in which they are looked at. Default: none.
pub type Faults = Vec<FaultRule>;

/// The switches of a running portal.
#[derive(Debug)]
pub struct FaultSwitches {
    rules: Mutex<Faults>,
    gates: watch::Sender<HeldRequests>,
}

#[derive(Debug, Default)]
struct HeldRequests {
    held: BTreeSet<(String, HoldPoint)>,
    waiting: BTreeMap<String, usize>,
}

/// Where an order's requests can be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HoldPoint {
    Page,
    File,
}

impl FaultSwitches {
    pub(crate) fn new(rules: Faults) -> Self {
        Self { rules: Mutex::new(rules), gates: watch::Sender::new(HeldRequests::default()) }
    }

    /// Turns a fault on. Of several that fit a request the oldest strikes.
    pub fn add(&self, rule: FaultRule) {
        self.rules().push(rule);
    }

    /// Turns all faults off. What is held stays held.
    pub fn clear(&self) {
        self.rules().clear();
    }

    /// Answers to this order's page (and its requisition's) wait until [`FaultSwitches::release`].
    pub fn hold(&self, po: &PoNumber) {
        self.close(po, HoldPoint::Page);
    }

    /// This order's files stand still, half of their bytes sent, until [`FaultSwitches::release`].
    pub fn hold_files(&self, po: &PoNumber) {
        self.close(po, HoldPoint::File);
    }

    /// Lets go of everything that is held for this order.
    pub fn release(&self, po: &PoNumber) {
        self.gates.send_modify(|gates| gates.held.retain(|(digits, _)| digits != po.digits()));
    }

    /// Lets go of everything.
    pub fn release_all(&self) {
        self.gates.send_modify(|gates| gates.held.clear());
    }

    /// Returns once a request of this order waits at a closed gate: from then on its order is "in work" until it
    /// is released. Has no deadline of its own.
    pub async fn wait_until_held(&self, po: &PoNumber) {
        let mut gates = self.gates.subscribe();
        // the sender lives as long as `self`, so this ends by the condition alone
        let _ = gates.wait_for(|gates| gates.waiting.contains_key(po.digits())).await;
    }

    /// Waits at a gate; at once through an open one.
    pub(crate) async fn pass(&self, po: &PoNumber, point: HoldPoint) {
        let gate = (po.digits().to_owned(), point);
        let mut gates = self.gates.subscribe();
        if !gates.borrow().held.contains(&gate) {
            return;
        }
        let _waiting = HeldGuard::new(&self.gates, po.digits());
        let _ = gates.wait_for(|gates| !gates.held.contains(&gate)).await;
    }

    /// The fault that strikes a request, if one does; one of its times is used up.
    pub(crate) fn strike(&self, part: RequestTarget, order: Option<&PoNumber>) -> Option<PortalFault> {
        let mut rules = self.rules();
        let at = rules.iter_mut().position(|rule| rule.is_for(part, order) && rule.is_due())?;
        let rule = rules.get_mut(at)?;
        if let Some(times) = &mut rule.times {
            *times -= 1;
        }
        Some(rule.fault.clone())
    }

    fn close(&self, po: &PoNumber, point: HoldPoint) {
        self.gates.send_modify(|gates| {
            gates.held.insert((po.digits().to_owned(), point));
        });
    }

    fn rules(&self) -> MutexGuard<'_, Faults> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a request that waits, also when it goes away before it was let through.
struct HeldGuard<'a> {
    gates: &'a watch::Sender<HeldRequests>,
    digits: String,
}

impl<'a> HeldGuard<'a> {
    fn new(gates: &'a watch::Sender<HeldRequests>, digits: &str) -> Self {
        gates.send_modify(|gates| *gates.waiting.entry(digits.to_owned()).or_default() += 1);
        Self { gates, digits: digits.to_owned() }
    }
}

impl Drop for HeldGuard<'_> {
    fn drop(&mut self) {
        self.gates.send_modify(|gates| {
            if let Some(count) = gates.waiting.get_mut(&self.digits) {
                *count -= 1;
                if *count == 0 {
                    gates.waiting.remove(&self.digits);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn po(text: &str) -> PoNumber {
        text.parse().unwrap()
    }

    #[test]
    fn a_rule_strikes_as_often_as_it_says_and_only_where_it_says() {
        let switches = FaultSwitches::new(Vec::new());
        switches.add(FaultRule::new(PortalFault::Reset, RequestTarget::File).for_order(&po("7")).times(2));
        assert_eq!(switches.strike(RequestTarget::OrderPage, Some(&po("7"))), None);
        assert_eq!(switches.strike(RequestTarget::File, Some(&po("8"))), None);
        assert_eq!(switches.strike(RequestTarget::File, None), None);
        assert_eq!(switches.strike(RequestTarget::File, Some(&po("PO7"))), Some(PortalFault::Reset));
        assert_eq!(switches.strike(RequestTarget::File, Some(&po("7"))), Some(PortalFault::Reset));
        assert_eq!(switches.strike(RequestTarget::File, Some(&po("7"))), None);
    }

    #[test]
    fn a_rule_can_strike_now_and_then() {
        let switches = FaultSwitches::new(Vec::new());
        switches.add(FaultRule::new(PortalFault::Reset, RequestTarget::File).every(3).times(2));
        let strikes: Vec<_> = (1..=10).filter(|_| switches.strike(RequestTarget::File, None).is_some()).collect();
        assert_eq!(strikes, [3, 6]);
    }

    #[test]
    fn clearing_ends_a_lasting_fault() {
        let switches = FaultSwitches::new(vec![FaultRule::new(PortalFault::Status(500), RequestTarget::Anything)]);
        assert!(switches.strike(RequestTarget::Login, None).is_some());
        assert!(switches.strike(RequestTarget::Login, None).is_some());
        switches.clear();
        assert!(switches.strike(RequestTarget::Login, None).is_none());
    }

    #[tokio::test]
    async fn a_held_order_waits_and_others_pass() {
        let switches = FaultSwitches::new(Vec::new());
        switches.hold(&po("7"));
        switches.pass(&po("8"), HoldPoint::Page).await;
        switches.pass(&po("7"), HoldPoint::File).await;
        let seven = po("7");
        tokio::join!(switches.pass(&seven, HoldPoint::Page), async {
            switches.wait_until_held(&seven).await;
            switches.release(&seven);
        });
    }

    #[tokio::test]
    async fn a_request_that_gave_up_no_longer_counts_as_waiting() {
        let switches = FaultSwitches::new(Vec::new());
        switches.hold(&po("7"));
        let seven = po("7");
        tokio::select! {
            () = switches.pass(&seven, HoldPoint::Page) => unreachable!("nobody let it through"),
            () = switches.wait_until_held(&seven) => {}
        }
        assert!(switches.gates.borrow().waiting.is_empty());
    }
}
