//! The places of drivers: who stands at which, how many sessions it carries, and who may come next.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::browser::driver::Driver;
use crate::model::{DriverStatus, WorkerId};

/// Longest wait before a driver that ends again and again is started once more.
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// The places of all drivers of a fleet.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    all: Vec<Slot>,
    /// The post that is asked first for the next session.
    next: usize,
    /// How many sessions each worker has: two while the next one is opened before the old one goes.
    seated: BTreeMap<WorkerId, usize>,
}

/// The place of one driver and its successors.
#[derive(Debug)]
pub(crate) struct Slot {
    holds: SlotState,
    session_count: usize,
    start_count: u32,
    failure_count: u32,
    not_before: Instant,
    last_exit: Option<String>,
}

#[derive(Debug)]
enum SlotState {
    Nothing,
    /// A driver to be shared is being started for it.
    Coming,
    /// A driver that its session owns.
    Own(Weak<Driver>),
    Shared(Arc<Driver>),
}

impl Slot {
    fn driver(&self) -> Option<Arc<Driver>> {
        let driver = match &self.holds {
            SlotState::Nothing | SlotState::Coming => None,
            SlotState::Own(driver) => driver.upgrade(),
            SlotState::Shared(driver) => Some(driver.clone()),
        };
        driver.filter(|driver| driver.is_alive())
    }

    fn has(&self, driver: *const Driver) -> bool {
        match &self.holds {
            SlotState::Nothing | SlotState::Coming => false,
            SlotState::Own(own) => std::ptr::eq(own.as_ptr(), driver),
            SlotState::Shared(shared) => std::ptr::eq(Arc::as_ptr(shared), driver),
        }
    }

    fn is_vacant(&self) -> bool {
        !matches!(self.holds, SlotState::Coming) && self.driver().is_none()
    }

    /// The driver of a post that sessions share.
    fn shared(&self) -> Option<Arc<Driver>> {
        self.driver().filter(|_| matches!(self.holds, SlotState::Shared(_)))
    }

    fn take_in(&mut self, holds: SlotState, session_count: usize) {
        self.holds = holds;
        self.session_count = session_count;
        self.start_count += 1;
    }

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

impl Slots {
    /// How many sessions this worker has.
    pub(crate) fn seated(&self, worker: WorkerId) -> usize {
        self.seated.get(&worker).copied().unwrap_or_default()
    }

    /// How many shared drivers run that nobody has told to end.
    pub(crate) fn running_count(&self) -> usize {
        self.all.iter().filter_map(Slot::shared).filter(|driver| !driver.is_killed()).count()
    }

    /// The next place at a shared driver that is well and carries fewer than `limit`, taken for this worker.
    pub(crate) fn take(&mut self, worker: WorkerId, limit: usize) -> Option<(usize, Arc<Driver>)> {
        let count = self.all.len();
        let (post, driver) = (0..count).map(|step| (self.next + step) % count).find_map(|at| {
            let post = &self.all[at];
            let driver = post.shared().filter(|driver| driver.is_healthy() && !driver.is_killed())?;
            (post.session_count < limit).then_some((at, driver))
        })?;
        self.next = post + 1;
        self.all[post].session_count += 1;
        *self.seated.entry(worker).or_default() += 1;
        Some((post, driver))
    }

    /// A post for one more shared driver, and when it may be started; none when there are `max`, whoever runs beside them
    /// for one session alone. To be given back with [`Slots::came`], [`Slots::failed`] or [`Slots::release`].
    pub(crate) fn reserve(&mut self, max: usize) -> Option<(usize, Instant)> {
        let counts = |post: &&Slot| matches!(post.holds, SlotState::Coming) || post.shared().is_some();
        if self.all.iter().filter(counts).count() >= max {
            return None;
        }
        let post = self.vacant();
        self.all[post].holds = SlotState::Coming;
        Some((post, self.all[post].not_before))
    }

    /// Gives a post back for which nothing was started.
    pub(crate) fn release(&mut self, post: usize) {
        if matches!(self.all[post].holds, SlotState::Coming) {
            self.all[post].holds = SlotState::Nothing;
        }
    }

    /// The driver of a reserved post is there.
    pub(crate) fn came(&mut self, post: usize, driver: Arc<Driver>) {
        self.all[post].take_in(SlotState::Shared(driver), 0);
    }

    /// The driver of a reserved post did not start.
    pub(crate) fn failed(&mut self, post: usize, how: &str) {
        self.all[post].fail(how);
    }

    /// A post for a driver that this worker's session has for itself.
    pub(crate) fn take_own(&mut self, worker: WorkerId, driver: &Arc<Driver>) -> usize {
        let post = self.vacant();
        self.all[post].take_in(SlotState::Own(Arc::downgrade(driver)), 1);
        *self.seated.entry(worker).or_default() += 1;
        post
    }

    /// This worker's session has left its driver. Ends the driver, if it is a shared one that has no other and is not one
    /// of the `min` that are kept: in the same step, so that nobody is given a place there in between.
    pub(crate) fn leave(&mut self, post: usize, worker: WorkerId, driver: &Driver, min: usize) {
        if let Some(count) = self.seated.get_mut(&worker) {
            *count = count.saturating_sub(1);
        }
        let place = &mut self.all[post];
        if !place.has(driver) {
            return; // there is a successor, which never had this session
        }
        place.session_count = place.session_count.saturating_sub(1);
        let is_idle = matches!(place.holds, SlotState::Shared(_)) && place.session_count == 0;
        if is_idle && self.running_count() > min {
            driver.kill();
        }
    }

    /// A driver has ended, and is let go of. `is_failure` says that nobody wanted that, `is_settled` that it is not how
    /// it was started.
    pub(crate) fn ended(
        &mut self,
        post: usize,
        driver: *const Driver,
        status: &str,
        is_failure: bool,
        is_settled: bool,
    ) {
        let place = &mut self.all[post];
        place.last_exit = Some(status.to_owned());
        if place.has(driver) {
            place.holds = SlotState::Nothing;
        }
        if is_settled || !is_failure {
            place.failure_count = 0;
        }
        if is_failure {
            place.fail(status);
        }
    }

    /// Every driver that there is or was a moment ago.
    pub(crate) fn views(&self) -> Vec<DriverStatus> {
        let views = self.all.iter().enumerate().map(|(at, post)| {
            let driver = post.driver();
            let driver = driver.as_deref();
            DriverStatus {
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

    fn vacant(&mut self) -> usize {
        let found = self.all.iter().position(Slot::is_vacant);
        found.unwrap_or_else(|| {
            self.all.push(Slot {
                holds: SlotState::Nothing,
                session_count: 0,
                start_count: 0,
                failure_count: 0,
                not_before: Instant::now(),
                last_exit: None,
            });
            self.all.len() - 1
        })
    }
}
