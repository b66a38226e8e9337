//! The drivers of a pool: one for each session, or a few that carry several each; numbered, looked after, told of.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::seat::DriverLease;
use crate::backend::{BoxFuture, SessionError};
use crate::browser::driver::browser_tree::BrowserTree;
use crate::browser::driver::slots::Slots;
use crate::browser::driver::{Driver, DriverEnv, ProcessExit};
use crate::browser::install::locate::Installation;
use crate::browser::profile::manager::{Profile, ProfileManager, ProfilePaths};
use crate::config::DriverConfig;
use crate::model::{DriverStatus, WorkerId};
use crate::process::ports::PortAllocator;

/// A driver that has lived for so long did not end because of how it was started.
const SETTLED_AFTER: Duration = Duration::from_secs(60);
/// How many ports of a range are tried for one driver.
const MAX_PORTS: usize = 10;
/// How long one of our own drivers may take to give its port back: longer than a killed one takes to be gone.
const PORT_WITHIN: Duration = Duration::from_secs(10);

/// The drivers of one factory. Dropping it ends those that are kept without a session.
#[derive(Debug)]
pub(crate) struct DriverPool {
    installation: Installation,
    config: DriverConfig,
    profiles: ProfileManager,
    ports: PortAllocator,
    posts: Mutex<Slots>,
    /// One driver at a time is started to be shared, so that two sessions do not start two.
    starting: tokio::sync::Mutex<()>,
    freed: Notify,
}

/// Who a seat is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaseRequest {
    pub(crate) worker: WorkerId,
    /// Whether it gets a driver of its own, whatever settings say.
    pub(crate) is_alone: bool,
}

/// A post that is kept for a driver which is being started. Dropping it gives the post back.
struct SlotReservation<'a> {
    fleet: &'a DriverPool,
    post: usize,
}

impl Drop for SlotReservation<'_> {
    fn drop(&mut self) {
        self.fleet.lock().release(self.post);
    }
}

impl DriverPool {
    pub(crate) fn new(installation: Installation, config: &DriverConfig, profiles: ProfileManager) -> Arc<Self> {
        Arc::new(Self {
            installation,
            profiles,
            ports: PortAllocator::new(config.ports.clone()),
            config: config.clone(),
            posts: Mutex::default(),
            starting: tokio::sync::Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// A driver for a session on `plot`, its own or a shared one, as settings say; `ends` is given what to wait for
    /// before the profile is wiped. Unbounded: the caller has a deadline for all of opening.
    ///
    /// A guest that has a session already, or that is of no worker, is not waited with: where there is no room for it
    /// beside the others, an error says so at once, and its first session can be closed before the next one opens.
    pub(crate) async fn seat(
        self: &Arc<Self>,
        plot: &ProfilePaths,
        guest: LeaseRequest,
        ends: impl FnOnce(BoxFuture<'static, ProcessExit>),
    ) -> Result<DriverLease, SessionError> {
        let is_extra = guest.is_alone || self.lock().seated(guest.worker) > 0;
        if guest.is_alone || self.config.sessions_per_driver.get() == 1 {
            return self.own(plot, guest, is_extra, ends).await;
        }
        loop {
            let freed = self.freed.notified();
            if let Some(seat) = self.take(plot, guest.worker) {
                ends(seat.end());
                return Ok(seat);
            }
            let starting = self.starting.lock().await;
            if let Some(seat) = self.take(plot, guest.worker) {
                ends(seat.end());
                return Ok(seat);
            }
            if self.start_shared(is_extra).await? {
                continue;
            }
            if is_extra {
                let why = "all drivers (max_drivers) carry as many sessions as they may (sessions_per_driver)";
                return Err(SessionError::NotStarted(why.to_owned()));
            }
            drop(starting);
            freed.await; // as many as allowed are there and full
        }
    }

    async fn own(
        self: &Arc<Self>,
        plot: &ProfilePaths,
        guest: LeaseRequest,
        is_extra: bool,
        ends: impl FnOnce(BoxFuture<'static, ProcessExit>),
    ) -> Result<DriverLease, SessionError> {
        let mut ends = Some(ends);
        let ground = DriverEnv { folder: Some(&plot.folder), temp: Some(&plot.temp), is_shared: false };
        let started = self.start(ground, is_extra, |end| {
            if let Some(ends) = ends.take() {
                ends(end);
            }
        });
        let driver = Arc::new(started.await?);
        let post = self.lock().take_own(guest.worker, &driver);
        let (fleet, end, pointer) = (Arc::downgrade(self), driver.ended(), Arc::downgrade(&driver));
        tokio::spawn(async move {
            let end = end.await;
            if let Some(fleet) = fleet.upgrade() {
                fleet.lock().ended(post, pointer.as_ptr(), &end.status, false, true);
            }
        });
        Ok(DriverLease::new(driver, None, Arc::downgrade(self), post, guest.worker))
    }

    /// Starts a driver on a port of the range; another one when somebody was quicker to take it. Waits a while for a port
    /// of a driver of ours that is ending, unless that one is wanted in addition to those that there are.
    async fn start(
        &self,
        ground: DriverEnv<'_>,
        is_extra: bool,
        mut ends: impl FnMut(BoxFuture<'static, ProcessExit>),
    ) -> Result<Driver, SessionError> {
        let mut tried = BTreeSet::new();
        let mut failure = None;
        let until = Instant::now() + PORT_WITHIN;
        loop {
            let freed = self.ports.freed();
            let Some(port) = self.ports.take(&tried) else {
                let may_come = !is_extra && self.ports.held_count() > 0;
                if may_come && timeout_at(until, freed).await.is_ok() {
                    continue;
                }
                return Err(failure.unwrap_or_else(|| SessionError::NotStarted(self.ports.why_none())));
            };
            tried.insert(port.number());
            let started = Driver::start(&self.installation, ground, port, self.config.health_interval, &mut ends).await;
            match started {
                Ok(driver) => return Ok(driver),
                Err(why) if tried.len() < MAX_PORTS && is_port_taken(&why) => failure = Some(why),
                Err(why) => return Err(why),
            }
        }
    }

    /// The next place at a driver that is well.
    fn take(self: &Arc<Self>, plot: &ProfilePaths, worker: WorkerId) -> Option<DriverLease> {
        let (post, driver) = self.lock().take(worker, self.config.sessions_per_driver.get())?;
        // a driver without a number is one that has ended this very moment: its session is lost as soon as it begins
        let ward = BrowserTree::new(driver.pid().unwrap_or_default(), &plot.profile);
        Some(DriverLease::new(driver, Some(ward), Arc::downgrade(self), post, worker))
    }

    /// Starts one more driver; false when there are as many as allowed.
    async fn start_shared(self: &Arc<Self>, is_extra: bool) -> Result<bool, SessionError> {
        let max = self.config.max_count.map_or(usize::MAX, std::num::NonZero::get);
        let Some((post, not_before)) = self.lock().reserve(max) else { return Ok(false) };
        let reserved = SlotReservation { fleet: self, post };
        sleep_until(not_before).await;
        let profiles = self.profiles.clone();
        let made = spawn_blocking(move || profiles.create_for_driver(post + 1)).await;
        let folder = made.map_err(std::io::Error::other).flatten().map_err(|source| SessionError::Io {
            what: format!("a folder for a driver cannot be made in {}", self.profiles.base().display()),
            source,
        })?;
        let plot = folder.plot();
        let ground = DriverEnv { folder: Some(&plot.folder), temp: Some(&plot.temp), is_shared: true };
        let mut end = None;
        let started = self.start(ground, is_extra, |ends| end = Some(ends)).await;
        let driver = match started {
            Ok(driver) => Arc::new(driver),
            Err(why) => {
                self.lock().failed(post, &why.to_string());
                return Err(why);
            }
        };
        if let Some(group) = driver.pid() {
            folder.lives_with(group);
        }
        self.lock().came(post, driver.clone());
        drop(reserved);
        tokio::spawn(look_after(Arc::downgrade(self), post, Arc::downgrade(&driver), folder, end));
        Ok(true)
    }

    /// Has as many drivers as settings want running at any time. Does not wait.
    pub(crate) fn keep_up(self: &Arc<Self>) {
        if self.running_count() >= self.config.min_count {
            return;
        }
        let fleet = Arc::downgrade(self);
        tokio::spawn(async move {
            while let Some(fleet) = fleet.upgrade().filter(|fleet| fleet.running_count() < fleet.config.min_count) {
                let _starting = fleet.starting.lock().await;
                if fleet.running_count() >= fleet.config.min_count {
                    return;
                }
                match fleet.start_shared(false).await {
                    Ok(true) => fleet.freed.notify_waiters(),
                    Ok(false) => return,
                    Err(why) => tracing::warn!("a driver does not start, trying again: {why}"),
                }
            }
        });
    }

    fn running_count(&self) -> usize {
        self.lock().running_count()
    }

    /// A session has left its driver.
    pub(crate) fn left(&self, post: usize, worker: WorkerId, driver: &Driver) {
        self.lock().leave(post, worker, driver, self.config.min_count);
        self.freed.notify_waiters();
    }

    /// Every driver that there is or was a moment ago. Never blocks for long.
    pub(crate) fn views(&self) -> Vec<DriverStatus> {
        self.lock().views()
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a driver ended because another program was quicker to take its port.
fn is_port_taken(why: &SessionError) -> bool {
    let text = why.to_string().to_ascii_lowercase();
    ["port not available", "address already in use", "unable to start"].iter().any(|words| text.contains(words))
}

/// Waits for the end of a shared driver, however it comes, wipes its folder, and has another one started if it is missed.
async fn look_after(
    fleet: Weak<DriverPool>,
    post: usize,
    driver: Weak<Driver>,
    folder: Profile,
    end: Option<BoxFuture<'static, ProcessExit>>,
) {
    let Some(end) = end else { return };
    let end = end.await;
    let is_wanted = driver.upgrade().is_some_and(|driver| driver.is_killed());
    let (cleared, lived) =
        driver.upgrade().map_or((None, Duration::ZERO), |driver| (Some(driver.clearing()), driver.uptime()));
    if let Some(left) = &end.left {
        tracing::warn!("{left}");
    }
    match spawn_blocking(move || folder.wipe()).await {
        Ok(Err(left)) => tracing::warn!("{left}"),
        Ok(Ok(())) => {}
        Err(why) => tracing::debug!(%why, "the runtime is ending: the driver's folder was wiped by being dropped"),
    }
    if let Some(cleared) = cleared {
        cleared.send_replace(true);
    }
    let Some(fleet) = fleet.upgrade() else { return };
    if !is_wanted {
        tracing::warn!(driver = post + 1, status = %end.status, "a driver has ended with its sessions");
    }
    fleet.lock().ended(post, driver.as_ptr(), &end.status, !is_wanted, lived >= SETTLED_AFTER);
    fleet.freed.notify_waiters();
    fleet.keep_up();
}
