//! State and counters that all requests of one portal share.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::faults::{FaultSwitches, LoginAnswer, PortalFault, RetryAfter};
use crate::demo::catalogue::Catalogue;
use crate::demo::catalogue::orders::DemoOrder;
use crate::demo::catalogue::rng::Rng;
use crate::demo::pages::ListDelay;
use crate::demo::portal_kind::PortalKind;
use crate::demo::server::assets::Assets;
use crate::demo::server::logins::Logins;
use crate::model::PoNumber;

/// How late the attachment buttons of a page appear. Each page has its own times within these ranges, from the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortalLatency {
    /// From the page's load until the buttons appear; default 100 ms to 1 s.
    pub appear: (Duration, Duration),
    /// From then until they are replaced by equal ones; never if `None`. Default 150 to 400 ms.
    pub replace: Option<(Duration, Duration)>,
}

impl Default for PortalLatency {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self { appear: (ms(100), ms(1_000)), replace: Some((ms(150), ms(400))) }
    }
}

impl PortalLatency {
    /// Buttons appear at once and stay.
    #[must_use]
    pub fn prompt() -> Self {
        Self { appear: (Duration::ZERO, Duration::ZERO), replace: None }
    }

    pub(crate) fn of(self, order: &DemoOrder) -> ListDelay {
        let mut dice = Rng::new(order.looks, 1);
        let mut between = |(low, high): (Duration, Duration)| {
            let (low, high) = (low.as_millis() as u64, high.as_millis() as u64);
            u128::from(dice.between(low, high + 1))
        };
        ListDelay { appear: between(self.appear), replace: self.replace.map(between) }
    }
}

/// Counters of a portal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortalCounts {
    /// Requests of every kind.
    pub requests: u64,
    /// Submitted login forms: how often a password was sent.
    pub passwords_sent: u64,
    /// Successful logins.
    pub logins_accepted: u64,
    /// Logins that were ended by a fault.
    pub logins_ended: u64,
    /// Pages that were requested earlier than a `Retry-After` allowed.
    pub asked_early: u64,
    /// Login forms with a wrong user name or password, or for a locked account.
    pub logins_refused: u64,
    /// Login pages shown in place of something else.
    pub login_pages: u64,
    /// Order pages of every kind.
    pub order_pages: u64,
    /// Requisition pages.
    pub requisition_pages: u64,
    /// Files of attachments.
    pub files_served: u64,
    /// One-time addresses that were issued.
    pub tickets_issued: u64,
    /// Requests for links that are not attachments.
    pub decoys_served: u64,
    /// Faults that occurred.
    pub faults_struck: u64,
    /// For how long altogether the portal wished to be left alone.
    pub wished: Duration,
}

/// State that all requests of one portal share.
#[derive(Debug)]
pub(crate) struct Portal {
    pub(crate) catalogue: Catalogue,
    pub(crate) assets: Assets,
    pub(crate) logins: Logins,
    pub(crate) faults: FaultSwitches,
    pub(crate) pace: PortalLatency,
    pub(crate) look: PortalKind,
    pub(crate) stop: CancellationToken,
    pub(crate) counters: Mutex<Counters>,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) counts: PortalCounts,
    pub(crate) asked: Vec<PoNumber>,
    pub(crate) login_answer: LoginAnswer,
    pub(crate) refuses_with_welcome: bool,
    pub(crate) has_person: bool,
    pub(crate) wish: Option<Instant>,
    pub(crate) struck: Vec<(PortalFault, u64)>,
}

impl Portal {
    /// Changes the counters.
    pub(crate) fn count(&self, one_more: impl FnOnce(&mut PortalCounts)) {
        one_more(&mut self.counters().counts);
    }

    /// Records a request for an order page.
    pub(crate) fn note(&self, po: &PoNumber) {
        self.counters().asked.push(po.clone());
    }

    pub(crate) fn login_answer(&self) -> LoginAnswer {
        self.counters().login_answer
    }

    /// Whether a refused login leads to the front page, with a message and without a form.
    pub(crate) fn refuses_with_welcome(&self) -> bool {
        self.counters().refuses_with_welcome
    }

    /// Records a `Retry-After`.
    pub(crate) fn wish(&self, after: RetryAfter) {
        let span = match after {
            RetryAfter::Seconds(seconds) => Duration::from_secs(seconds.into()),
            // in whole seconds, as it is sent
            RetryAfter::Date(date) => {
                let whole = date.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                (UNIX_EPOCH + Duration::from_secs(whole)).duration_since(SystemTime::now()).unwrap_or_default()
            }
        };
        let mut counters = self.counters();
        let now = Instant::now();
        let until = now + span;
        let before = counters.wish.map_or(now, |before| before.max(now));
        counters.counts.wished += until.saturating_duration_since(before);
        counters.wish = Some(until);
    }

    /// Whether a `Retry-After` is in force now.
    pub(crate) fn is_wished(&self) -> bool {
        self.counters().wish.is_some_and(|until| Instant::now() < until)
    }

    /// Records that a fault occurred.
    pub(crate) fn note_fault(&self, fault: &PortalFault) {
        let mut counters = self.counters();
        match counters.struck.iter_mut().find(|(known, _)| known == fault) {
            Some((_, count)) => *count += 1,
            None => counters.struck.push((fault.clone(), 1)),
        }
    }

    /// User name and password that an imitated person types, if there is one.
    pub(crate) fn typed(&self) -> Option<(&str, &SecretString)> {
        self.counters().has_person.then(|| (self.logins.username(), self.logins.password()))
    }

    pub(crate) fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
