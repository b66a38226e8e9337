//! Start, stop and the view from outside.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::faults::{FaultSwitches, Faults, LoginAnswer, PortalFault, RetryAfter};
use super::pages::ListDelay;
use crate::demo::catalogue::orders::{Catalogue, DemoOrder};
use crate::demo::catalogue::rng::Rng;
use crate::demo::portal_kind::PortalKind;
use crate::demo::server::assets::Assets;
use crate::demo::server::connection::{Connection, Connections};
use crate::demo::server::logins::Logins;
use crate::demo::server::respond::answer;
use crate::model::{FileOrigin, OrderStatus, PoNumber};

/// Connections are cut at once when the portal stops; this is for their tasks to notice.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);

/// What a portal is to be like.
#[derive(Clone, Debug)]
pub struct DemoConfig {
    /// How many orders can be asked for, missing ones included; default 25, at least 1 (0 counts as 1).
    pub orders: usize,
    /// What the orders and the bytes of their files follow from; default 1.
    pub seed: u64,
    /// What goes wrong from the start; default nothing.
    pub faults: Faults,
    /// How late the buttons come.
    pub pace: PortalLatency,
    /// As which kind of portal it shows itself; default [`PortalKind::Coupa`].
    pub look: PortalKind,
}

impl Default for DemoConfig {
    fn default() -> Self {
        Self { orders: 25, seed: 1, faults: Faults::new(), pace: PortalLatency::default(), look: PortalKind::default() }
    }
}

/// How late the attachment buttons of a page come. Each page has its own times between the two ends, from the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortalLatency {
    /// From the page's load to the buttons; default 100 ms to 1 s.
    pub appear: (Duration, Duration),
    /// From there until they are replaced by others that look the same; never if `None`. Default 150 to 400 ms.
    pub replace: Option<(Duration, Duration)>,
}

impl Default for PortalLatency {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self { appear: (ms(100), ms(1_000)), replace: Some((ms(150), ms(400))) }
    }
}

impl PortalLatency {
    /// Buttons come with the load and stay.
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

/// What an honest run brings for one order, by the default rule for requisitions ("when the order lists none").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// How it ends.
    pub status: OrderStatus,
    /// The supplier as the page shows it; none where it shows none.
    pub supplier: Option<String>,
    /// Its files, each once.
    pub files: Vec<ExpectedFile>,
}

/// One file of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedFile {
    /// As the portal names it; two files can have the same name.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// SHA-256 of its bytes, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Which page lists it.
    pub source: FileOrigin,
}

/// What has been asked of a portal so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortalCounts {
    /// Requests of every kind.
    pub requests: u64,
    /// Login forms that were sent, whatever became of them: how often a password crossed the wire.
    pub passwords_sent: u64,
    /// Logins that were let in.
    pub logins_accepted: u64,
    /// Logins that were ended by a fault.
    pub logins_ended: u64,
    /// Pages that were asked for before the time had passed that a `Retry-After` wished.
    pub asked_early: u64,
    /// Login forms with a wrong user name or password, or for a locked account.
    pub logins_refused: u64,
    /// Login pages put before someone who asked for something else.
    pub login_pages: u64,
    /// Order pages, of whatever kind.
    pub order_pages: u64,
    /// Requisition pages.
    pub requisition_pages: u64,
    /// Files of attachments.
    pub files_served: u64,
    /// One-time addresses given out.
    pub tickets_issued: u64,
    /// Downloads and pages behind links that are no attachments.
    pub decoys_served: u64,
    /// Faults that struck.
    pub faults_struck: u64,
}

/// What every request of one portal shares.
#[derive(Debug)]
pub(crate) struct Portal {
    pub(crate) catalogue: Catalogue,
    pub(crate) assets: Assets,
    pub(crate) logins: Logins,
    pub(crate) faults: FaultSwitches,
    pub(crate) pace: PortalLatency,
    pub(crate) look: PortalKind,
    pub(crate) stop: CancellationToken,
    tally: Mutex<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    counts: PortalCounts,
    asked: Vec<PoNumber>,
    login_answer: LoginAnswer,
    refuses_with_welcome: bool,
    has_person: bool,
    wish: Option<Instant>,
    struck: Vec<(PortalFault, u64)>,
}

impl Portal {
    /// Counts something.
    pub(crate) fn count(&self, one_more: impl FnOnce(&mut PortalCounts)) {
        one_more(&mut self.tally().counts);
    }

    /// Notes that an order page was asked for.
    pub(crate) fn note(&self, po: &PoNumber) {
        self.tally().asked.push(po.clone());
    }

    pub(crate) fn login_answer(&self) -> LoginAnswer {
        self.tally().login_answer
    }

    /// Whether a refused login is shown the front page, with a message and without a form.
    pub(crate) fn refuses_with_welcome(&self) -> bool {
        self.tally().refuses_with_welcome
    }

    /// Wishes not to be asked for some time.
    pub(crate) fn wish(&self, after: RetryAfter) {
        let span = match after {
            RetryAfter::Seconds(seconds) => Duration::from_secs(seconds.into()),
            // as it is written: in whole seconds
            RetryAfter::Date(date) => {
                let whole = date.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                (UNIX_EPOCH + Duration::from_secs(whole)).duration_since(SystemTime::now()).unwrap_or_default()
            }
        };
        self.tally().wish = Some(Instant::now() + span);
    }

    /// Whether a wish is in force at this moment.
    pub(crate) fn is_wished(&self) -> bool {
        self.tally().wish.is_some_and(|until| Instant::now() < until)
    }

    /// Notes that a fault has struck.
    pub(crate) fn note_fault(&self, fault: &PortalFault) {
        let mut tally = self.tally();
        match tally.struck.iter_mut().find(|(known, _)| known == fault) {
            Some((_, count)) => *count += 1,
            None => tally.struck.push((fault.clone(), 1)),
        }
    }

    /// What somebody types who sits before the login page, if somebody does.
    pub(crate) fn typed(&self) -> Option<(&str, &SecretString)> {
        self.tally().has_person.then(|| (self.logins.username(), self.logins.password()))
    }

    fn tally(&self) -> MutexGuard<'_, Counters> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running portal on loopback. Dropping it stops it too, without waiting.
#[derive(Debug)]
pub struct DemoPortal {
    portal: Arc<Portal>,
    base_url: Url,
    server: JoinHandle<io::Result<()>>,
}

impl DemoPortal {
    /// Starts a portal on a free port of 127.0.0.1. Must be called within a tokio runtime, which it serves from.
    ///
    /// # Errors
    /// When no port of the loopback address can be listened on.
    pub async fn start(config: DemoConfig) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address: SocketAddr = listener.local_addr()?;
        let base_url = Url::parse(&format!("http://{address}/")).map_err(io::Error::other)?;
        let stop = CancellationToken::new();
        let portal = Arc::new(Portal {
            catalogue: Catalogue::new(config.orders, config.seed),
            assets: Assets::new(config.seed),
            logins: Logins::new("demo"),
            faults: FaultSwitches::new(config.faults),
            pace: config.pace,
            look: config.look,
            stop: stop.clone(),
            tally: Mutex::default(),
        });
        let app = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&portal))
            .into_make_service_with_connect_info::<Connection>();
        let lines = Connections::new(listener, stop.clone());
        let server =
            tokio::spawn(async move { axum::serve(lines, app).with_graceful_shutdown(stop.cancelled_owned()).await });
        Ok(Self { portal, base_url, server })
    }

    /// Where it is, with a `/` at the end.
    #[must_use]
    pub fn base_url(&self) -> Url {
        self.base_url.clone()
    }

    /// As which kind of portal it shows itself.
    #[must_use]
    pub fn look(&self) -> PortalKind {
        self.portal.look
    }

    /// The page of this order, whether there is such an order or not.
    #[must_use]
    pub fn order_page(&self, po: &PoNumber) -> Url {
        self.at(&self.portal.look.order(po.digits()))
    }

    /// The page of this order's requisition, if it has one.
    #[must_use]
    pub fn requisition_page(&self, po: &PoNumber) -> Option<Url> {
        let requisition = self.portal.catalogue.order(po.digits())?.requisition.as_ref()?;
        Some(self.at(&self.portal.look.requisition(&requisition.id)))
    }

    fn at(&self, path: &str) -> Url {
        self.base_url.join(path).unwrap_or_else(|_| self.base_url())
    }

    /// The user that it knows.
    #[must_use]
    pub fn username(&self) -> &str {
        self.portal.logins.username()
    }

    /// That user's password, another one at each start.
    #[must_use]
    pub fn password(&self) -> SecretString {
        self.portal.logins.password().clone()
    }

    /// The cookies and the tokens of forms that it has handed out so far, ended ones included.
    #[must_use]
    pub fn handed_out(&self) -> Vec<SecretString> {
        self.portal.logins.handed_out()
    }

    /// Every number to ask for, those of missing and forbidden orders included. The first one is a plain order.
    #[must_use]
    pub fn orders(&self) -> Vec<PoNumber> {
        self.portal.catalogue.orders().iter().map(|order| order.po.clone()).collect()
    }

    /// What an honest run brings for this order; none for numbers that are not among [`DemoPortal::orders`]. The bytes
    /// of its files are made for it, so it is not for tight loops.
    #[must_use]
    pub fn expected(&self, po: &PoNumber) -> Option<Expected> {
        let order = self.portal.catalogue.order(po.digits())?;
        let files = order.wanted().map(|(file, source)| {
            let (sha256, size) = file.digest();
            ExpectedFile { name: file.name.clone(), size, sha256, source }
        });
        Some(Expected { status: order.status(), supplier: order.supplier.map(str::to_owned), files: files.collect() })
    }

    /// What has been asked so far.
    #[must_use]
    pub fn counts(&self) -> PortalCounts {
        self.portal.tally().counts
    }

    /// How often this fault has struck so far.
    #[must_use]
    pub fn struck(&self, fault: &PortalFault) -> u64 {
        self.portal.tally().struck.iter().find(|(known, _)| known == fault).map_or(0, |(_, count)| *count)
    }

    /// The order pages that were asked for, oldest first, with repetitions.
    #[must_use]
    pub fn asked(&self) -> Vec<PoNumber> {
        self.portal.tally().asked.clone()
    }

    /// The switches for what goes wrong.
    #[must_use]
    pub fn faults(&self) -> &FaultSwitches {
        &self.portal.faults
    }

    /// Ends every login: whoever asks next meets the login page.
    pub fn end_logins(&self) {
        self.portal.logins.end_all();
    }

    /// How many logins are open.
    #[must_use]
    pub fn login_count(&self) -> usize {
        self.portal.logins.open_count()
    }

    /// Whether a login ends the older ones, as on some portals; it does not unless told.
    pub fn set_single_login(&self, is_single: bool) {
        self.portal.logins.set_single(is_single);
    }

    /// Whether the password alone does not let in and a code is wanted after it, on a page of the portal's own; it is
    /// not unless told.
    pub fn set_second_step(&self, is_wanted: bool) {
        self.portal.logins.set_second_step(is_wanted);
    }

    /// Whether a refused login is redirected to the front page, which has the complaint and no form; it is shown the form
    /// again unless told.
    pub fn set_refusal_on_welcome(&self, is_there: bool) {
        self.portal.tally().refuses_with_welcome = is_there;
    }

    /// How those who are not logged in are sent to the login page; by a redirect unless told.
    pub fn set_login_answer(&self, answer: LoginAnswer) {
        self.portal.tally().login_answer = answer;
    }

    /// Whether somebody sits before each login page and fills it in after a moment, and types the code of a second step
    /// eight seconds later, in which a window that closes too soon is gone; nobody does unless told.
    pub fn set_person(&self, has_person: bool) {
        self.portal.tally().has_person = has_person;
    }

    /// Closes the listener and every connection, whatever is under way on them, and returns when that is done (after
    /// five seconds at the latest). When it is cancelled the portal stops all the same.
    pub async fn stop(mut self) {
        self.portal.stop.cancel();
        if tokio::time::timeout(CLOSE_DEADLINE, &mut self.server).await.is_err() {
            tracing::warn!("the demo portal's connections did not close in time and were left to the runtime");
        }
    }
}

impl Drop for DemoPortal {
    fn drop(&mut self) {
        self.portal.stop.cancel();
    }
}
