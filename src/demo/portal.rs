//! Start, stop and the view from outside.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::faults::{FaultSwitches, Faults, LoginAnswer, PortalFault};
use crate::demo::catalogue::Catalogue;
use crate::demo::portal_kind::PortalKind;
use crate::demo::server::answer;
use crate::demo::server::assets::Assets;
use crate::demo::server::connection::{Connection, Connections};
use crate::demo::server::logins::Logins;
use crate::demo::state::{Portal, PortalCounts, PortalLatency};
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
            counters: Mutex::default(),
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
        self.at(&self.portal.look.order(po))
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

    /// The counters.
    #[must_use]
    pub fn counts(&self) -> PortalCounts {
        self.portal.counters().counts
    }

    /// How often this fault has occurred.
    #[must_use]
    pub fn struck(&self, fault: &PortalFault) -> u64 {
        self.portal.counters().struck.iter().find(|(known, _)| known == fault).map_or(0, |(_, count)| *count)
    }

    /// The requested order pages, oldest first, with repetitions.
    #[must_use]
    pub fn asked(&self) -> Vec<PoNumber> {
        self.portal.counters().asked.clone()
    }

    /// The faults, which can be changed at any time.
    #[must_use]
    pub fn faults(&self) -> &FaultSwitches {
        &self.portal.faults
    }

    /// Ends every login: the next request gets the login page.
    pub fn end_logins(&self) {
        self.portal.logins.end_all();
    }

    /// The number of open logins.
    #[must_use]
    pub fn login_count(&self) -> usize {
        self.portal.logins.open_count()
    }

    /// Whether a login ends the older ones, as on some portals; by default it does not.
    pub fn set_single_login(&self, is_single: bool) {
        self.portal.logins.set_single(is_single);
    }

    /// Whether the password alone does not let in and a code is wanted after it, on a page of the portal's own; it is
    /// not unless told.
    pub fn set_second_step(&self, is_wanted: bool) {
        self.portal.logins.set_second_step(is_wanted);
    }

    /// Whether a refused login is redirected to the front page, which has the complaint and no form; it is shown the
    /// form again unless told.
    pub fn set_refusal_on_welcome(&self, is_there: bool) {
        self.portal.counters().refuses_with_welcome = is_there;
    }

    /// How those who are not logged in are sent to the login page; by default with a redirect.
    pub fn set_login_answer(&self, answer: LoginAnswer) {
        self.portal.counters().login_answer = answer;
    }

    /// Whether somebody sits before each login page and fills it in after a moment, and types the code of a second step
    /// four seconds later, by which time a window that closes too soon is gone. Default: nobody does.
    pub fn set_person(&self, has_person: bool) {
        self.portal.counters().has_person = has_person;
    }

    /// Closes the listener and every connection, and waits for that, at most five seconds. The portal stops even if the
    /// future is dropped.
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
