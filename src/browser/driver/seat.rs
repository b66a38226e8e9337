//! A session's place at a driver, which may be its own or have other sessions.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use super::fleet::DriverPool;
use crate::backend::BoxFuture;
use crate::browser::driver::browser_tree::BrowserTree;
use crate::browser::driver::{Driver, ProcessExit};
use crate::model::WorkerId;

/// A session's place at a driver. Dropping it ends the session's browser, and the driver when nobody else needs it.
#[derive(Debug)]
pub(crate) struct DriverLease {
    pub(crate) driver: Arc<Driver>,
    /// The browser alone, where the driver has others.
    pub(crate) ward: Option<BrowserTree>,
    fleet: Weak<DriverPool>,
    post: usize,
    worker: WorkerId,
    is_left: AtomicBool,
}

impl DriverLease {
    pub(crate) fn new(
        driver: Arc<Driver>,
        ward: Option<BrowserTree>,
        fleet: Weak<DriverPool>,
        post: usize,
        worker: WorkerId,
    ) -> Self {
        Self { driver, ward, fleet, post, worker, is_left: AtomicBool::new(false) }
    }

    /// Ends the browser, and the driver when nobody else needs it; does not wait.
    pub(crate) fn leave(&self) {
        match &self.ward {
            None => self.driver.kill(),
            Some(ward) => ward.kill(),
        }
        if self.is_left.swap(true, Ordering::AcqRel) {
            return;
        }
        match self.fleet.upgrade() {
            Some(fleet) => fleet.left(self.post, self.worker, &self.driver),
            None => self.driver.kill(),
        }
    }

    /// What ends the browser from elsewhere.
    pub(crate) fn killer(&self) -> Box<dyn Fn() + Send + Sync> {
        match &self.ward {
            None => Box::new(self.driver.killer()),
            Some(ward) => {
                let ward = ward.clone();
                Box::new(move || ward.kill())
            }
        }
    }

    /// Waits, after [`DriverLease::leave`], until nothing of it runs.
    pub(crate) fn end(&self) -> BoxFuture<'static, ProcessExit> {
        let Some(ward) = self.ward.clone() else { return Box::pin(self.driver.ended()) };
        let (driver, mut cleared) = (Arc::downgrade(&self.driver), self.driver.cleared());
        let ended = self.driver.ended();
        Box::pin(async move {
            let mut end = match driver.upgrade() {
                Some(driver) => ward.gone(&driver).await,
                None => ended.await,
            };
            let is_going = driver.upgrade().is_none_or(|driver| driver.is_killed());
            // an error means that the runtime ends, and everything with it
            if is_going && cleared.wait_for(|is_cleared| *is_cleared).await.is_err() {
                end.status = "ended with the program".to_owned();
            }
            end
        })
    }
}

impl Drop for DriverLease {
    fn drop(&mut self) {
        self.leave();
    }
}
