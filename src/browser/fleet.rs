//! The drivers of a pool: one for each session, or a few that carry several each; numbered, looked after, told of.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

use super::driver::{Driver, End, Ground};
use super::locate::Installation;
use super::ports::Ports;
use super::profile::{Plot, Profile, ProfileManager};
use super::seat::Seat;
use super::ward::Ward;
use crate::config::DriverConfig;
use crate::model::DriverView;
use crate::ports::{Fut, SessionError};

/// A driver that has lived for so long did not end because of how it was started.
const SETTLED_AFTER: Duration = Duration::from_secs(60);
/// How many ports of a range are tried for one driver.
const MAX_PORTS: usize = 10;
/// Longest wait before a driver that ends again and again is started once more.
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// The drivers of one factory. Dropping it ends those that are kept without a session.
#[derive(Debug)]
pub(super) struct Fleet {
    installation: Installation,
    config: DriverConfig,
    profiles: ProfileManager,
    ports: Ports,
    posts: Mutex<Posts>,
    /// One driver at a time is started to be shared, so that two sessions do not start two.
    starting: tokio::sync::Mutex<()>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Posts {
    all: Vec<Post>,
    /// The post that is asked first for the next session.
    next: usize,
}

/// The place of one driver and its successors.
#[derive(Debug)]
struct Post {
    holds: Holds,
    session_count: usize,
    start_count: u32,
    failure_count: u32,
    not_before: Instant,
    last_exit: Option<String>,
}

#[derive(Debug)]
enum Holds {
    Nothing,
    /// A driver that its session owns.
    Own(Weak<Driver>),
    Shared(Arc<Driver>),
}

impl Post {
    fn driver(&self) -> Option<Arc<Driver>> {
        let driver = match &self.holds {
            Holds::Nothing => None,
            Holds::Own(driver) => driver.upgrade(),
            Holds::Shared(driver) => Some(driver.clone()),
        };
        driver.filter(|driver| driver.is_alive())
    }
}

impl Fleet {
    pub(super) fn new(installation: Installation, config: &DriverConfig, profiles: ProfileManager) -> Arc<Self> {
        Arc::new(Self {
            installation,
            profiles,
            ports: Ports::new(config.ports.clone()),
            config: config.clone(),
            posts: Mutex::default(),
            starting: tokio::sync::Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// A driver for a session on `plot`, its own or a shared one, as settings say; `ends` is given what to wait for
    /// before the profile is wiped. Unbounded: the caller has a deadline for all of opening.
    pub(super) async fn seat(
        self: &Arc<Self>,
        plot: &Plot,
        is_alone: bool,
        ends: impl FnOnce(Fut<'static, End>),
    ) -> Result<Seat, SessionError> {
        if is_alone || self.config.sessions_per_driver.get() == 1 {
            return self.own(plot, ends).await;
        }
        loop {
            let freed = self.freed.notified();
            if let Some(seat) = self.take(plot) {
                ends(seat.end());
                return Ok(seat);
            }
            let starting = self.starting.lock().await;
            if let Some(seat) = self.take(plot) {
                ends(seat.end());
                return Ok(seat);
            }
            if !self.start_shared().await? {
                drop(starting);
                freed.await; // as many as allowed are there and full
            }
        }
    }

    async fn own(self: &Arc<Self>, plot: &Plot, ends: impl FnOnce(Fut<'static, End>)) -> Result<Seat, SessionError> {
        let mut ends = Some(ends);
        let driver = self
            .start(Ground { folder: Some(&plot.folder), temp: plot.temp.as_deref(), is_shared: false }, |end| {
                if let Some(ends) = ends.take() {
                    ends(end);
                }
            })
            .await?;
        let driver = Arc::new(driver);
        let post = {
            let mut posts = self.lock();
            let post = vacant(&mut posts, usize::MAX).unwrap_or_default();
            posts.all[post].holds = Holds::Own(Arc::downgrade(&driver));
            posts.all[post].session_count = 1;
            posts.all[post].start_count += 1;
            post
        };
        let (fleet, end) = (Arc::downgrade(self), driver.ended());
        tokio::spawn(async move {
            let end = end.await;
            if let Some(fleet) = fleet.upgrade() {
                fleet.lock().all[post].last_exit = Some(end.status);
            }
        });
        Ok(Seat::new(driver, None, Arc::downgrade(self), post))
    }

    /// Starts a driver on a port of the range; another one when somebody was quicker to take it.
    async fn start(&self, ground: Ground<'_>, mut ends: impl FnMut(Fut<'static, End>)) -> Result<Driver, SessionError> {
        let mut tried = BTreeSet::new();
        let mut failure = None;
        while let Some(port) = self.ports.take(&tried) {
            tried.insert(port.number());
            let started = Driver::start(&self.installation, ground, port, self.config.health_interval, &mut ends).await;
            match started {
                Ok(driver) => return Ok(driver),
                Err(why) if tried.len() < MAX_PORTS && is_port_taken(&why) => failure = Some(why),
                Err(why) => return Err(why),
            }
        }
        Err(failure.unwrap_or_else(|| {
            SessionError::NotStarted(format!("{} are all in use: free one, or widen the range", self.ports.shown()))
        }))
    }

    /// The next place at a driver that is well.
    fn take(self: &Arc<Self>, plot: &Plot) -> Option<Seat> {
        let mut posts = self.lock();
        let count = posts.all.len();
        let limit = self.config.sessions_per_driver.get();
        let (post, driver) = (0..count).map(|step| (posts.next + step) % count).find_map(|at| {
            let post = &posts.all[at];
            let driver = post.driver().filter(|driver| driver.is_healthy() && !driver.is_killed())?;
            (matches!(post.holds, Holds::Shared(_)) && post.session_count < limit).then_some((at, driver))
        })?;
        posts.next = post + 1;
        posts.all[post].session_count += 1;
        let ward = Ward::new(driver.pid()?, &plot.profile);
        Some(Seat::new(driver, Some(ward), Arc::downgrade(self), post))
    }

    /// Starts one more driver; false when there are as many as allowed.
    async fn start_shared(self: &Arc<Self>) -> Result<bool, SessionError> {
        let max = self.config.max_count.map_or(usize::MAX, std::num::NonZero::get);
        let (post, not_before) = {
            let mut posts = self.lock();
            let Some(post) = vacant(&mut posts, max) else { return Ok(false) };
            (post, posts.all[post].not_before)
        };
        sleep_until(not_before).await;
        let profiles = self.profiles.clone();
        let made = spawn_blocking(move || profiles.create_for_driver(post + 1)).await;
        let folder = made.map_err(std::io::Error::other).flatten().map_err(|source| SessionError::Io {
            what: format!("a folder for a driver cannot be made in {}", self.profiles.base().display()),
            source,
        })?;
        let plot = folder.plot();
        let mut end = None;
        let started = self
            .start(Ground { folder: Some(&plot.folder), temp: plot.temp.as_deref(), is_shared: true }, |ends| {
                end = Some(ends)
            })
            .await;
        let mut posts = self.lock();
        let place = &mut posts.all[post];
        let driver = match started {
            Ok(driver) => Arc::new(driver),
            Err(why) => {
                place.fail(&why.to_string());
                return Err(why);
            }
        };
        place.holds = Holds::Shared(driver.clone());
        place.session_count = 0;
        place.start_count += 1;
        drop(posts);
        tokio::spawn(look_after(Arc::downgrade(self), post, Arc::downgrade(&driver), folder, end));
        Ok(true)
    }

    /// Has as many drivers as settings want running at any time. Does not wait.
    pub(super) fn keep_up(self: &Arc<Self>) {
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
                match fleet.start_shared().await {
                    Ok(true) => fleet.freed.notify_waiters(),
                    Ok(false) => return,
                    Err(why) => tracing::warn!("a driver does not start, trying again: {why}"),
                }
            }
        });
    }

    fn running_count(&self) -> usize {
        self.lock().all.iter().filter(|post| post.driver().is_some_and(|driver| !driver.is_killed())).count()
    }

    /// A session has left; `shared` is its driver if there may be others.
    pub(super) fn left(&self, post: usize, shared: Option<&Arc<Driver>>) {
        let mut posts = self.lock();
        let is_current = match (&posts.all[post].holds, shared) {
            (Holds::Shared(current), Some(driver)) => Arc::ptr_eq(current, driver),
            (Holds::Own(_), None) => true,
            _ => false, // there is a successor, which never had this session
        };
        if is_current {
            posts.all[post].session_count = posts.all[post].session_count.saturating_sub(1);
        }
        let is_idle = is_current && posts.all[post].session_count == 0;
        drop(posts);
        if let Some(driver) = shared.filter(|_| is_idle && self.running_count() > self.config.min_count) {
            driver.kill();
        }
        self.freed.notify_waiters();
    }

    /// Every driver that there is or was a moment ago. Never blocks for long.
    pub(super) fn views(&self) -> Vec<DriverView> {
        let posts = self.lock();
        let views = posts.all.iter().enumerate().map(|(at, post)| {
            let driver = post.driver();
            let driver = driver.as_deref();
            DriverView {
                number: u16::try_from(at + 1).unwrap_or(u16::MAX),
                pid: driver.and_then(Driver::pid),
                port: driver.map(Driver::port),
                session_count: if driver.is_some() { post.session_count } else { 0 },
                is_healthy: driver.is_some_and(Driver::is_healthy),
                health_micros: driver.and_then(Driver::health_micros),
                restart_count: post.start_count.saturating_sub(1),
                uptime_seconds: driver.map_or(0, |driver| driver.uptime().as_secs()),
                last_exit: post.last_exit.clone(),
            }
        });
        views.collect()
    }

    fn lock(&self) -> MutexGuard<'_, Posts> {
        self.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Post {
    /// Waits longer each time before the next start; not at all after the first failure in a row.
    fn fail(&mut self, how: &str) {
        self.last_exit = Some(how.to_owned());
        self.failure_count += 1;
        let delay = match self.failure_count {
            0 | 1 => Duration::ZERO,
            more => Duration::from_secs(1 << (more - 2).min(5)).min(LONGEST_DELAY),
        };
        self.not_before = Instant::now() + delay;
    }
}

/// Whether a driver ended because another program was quicker to take its port.
fn is_port_taken(why: &SessionError) -> bool {
    let text = why.to_string().to_ascii_lowercase();
    ["port not available", "address already in use", "unable to start"].iter().any(|words| text.contains(words))
}

/// A post without a driver, or a new one if there are fewer than `max`.
fn vacant(posts: &mut Posts, max: usize) -> Option<usize> {
    let found = posts.all.iter().position(|post| post.driver().is_none());
    if found.is_some() || posts.all.len() >= max {
        return found;
    }
    posts.all.push(Post {
        holds: Holds::Nothing,
        session_count: 0,
        start_count: 0,
        failure_count: 0,
        not_before: Instant::now(),
        last_exit: None,
    });
    Some(posts.all.len() - 1)
}

/// Waits for the end of a shared driver, however it comes, wipes its folder, and has another one started if it is missed.
async fn look_after(
    fleet: Weak<Fleet>,
    post: usize,
    driver: Weak<Driver>,
    folder: Profile,
    end: Option<Fut<'static, End>>,
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
    {
        let mut posts = fleet.lock();
        let place = &mut posts.all[post];
        place.last_exit = Some(end.status.clone());
        if lived >= SETTLED_AFTER || is_wanted {
            place.failure_count = 0;
        }
        if !is_wanted {
            tracing::warn!(driver = post + 1, status = %end.status, "a driver has ended with its sessions");
            place.fail(&end.status);
        }
    }
    fleet.freed.notify_waiters();
    fleet.keep_up();
}
