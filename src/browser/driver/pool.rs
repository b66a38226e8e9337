//! Starts one driver per session on the configured ports, and reports on all of them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::backend::{BoxFuture, SessionError};
use crate::browser::driver::{Driver, DriverEnv};
use crate::browser::install::locate::Installation;
use crate::config::DriverConfig;
use crate::model::{DriverStatus, WorkerId};
use crate::process::child::ProcessExit;
use crate::process::ports::{PortAllocator, Ports};

/// How many ports of the range are tried for one driver.
const MAX_PORTS: usize = 10;
/// How long to wait for the port of another driver of this pool: longer than a killed driver takes to be gone.
const PORT_TIMEOUT: Duration = Duration::from_secs(10);

/// The drivers of one factory.
#[derive(Debug)]
pub(crate) struct DriverPool {
    installation: Installation,
    config: DriverConfig,
    ports: PortAllocator,
    slots: Mutex<Vec<Slot>>,
}

/// One driver, or the last one that was here.
#[derive(Debug)]
struct Slot {
    worker: WorkerId,
    driver: Weak<Driver>,
    start_count: u32,
    last_exit: Option<String>,
}

impl Slot {
    fn driver(&self) -> Option<Arc<Driver>> {
        self.driver.upgrade().filter(|driver| driver.is_alive())
    }
}

impl DriverPool {
    pub(crate) fn new(installation: Installation, config: &DriverConfig) -> Self {
        let ports = PortAllocator::new(config.ports.clone().map(Ports::from));
        Self { installation, config: config.clone(), ports, slots: Mutex::default() }
    }

    /// Starts a driver for a session of `worker` on a port of the range, on another one if a different program was
    /// quicker. `on_exit` receives the future to wait for before the session's folder is removed.
    ///
    /// When no port is free it waits up to ten seconds for one of this pool's own drivers to end. It fails at once if
    /// the driver would be an extra one, for a worker that still has one or for none (worker 0): the old session can be
    /// closed first. Otherwise it has no deadline of its own; dropping the future kills what was started.
    ///
    /// # Errors
    /// [`SessionError::NotStarted`].
    pub(crate) async fn start(
        self: &Arc<Self>,
        worker: WorkerId,
        env: DriverEnv<'_>,
        mut on_exit: impl FnMut(BoxFuture<'static, ProcessExit>),
    ) -> Result<Arc<Driver>, SessionError> {
        let is_extra = worker == WorkerId(0) || self.has_driver(worker);
        let (mut tried, mut tries) = (BTreeSet::new(), 0);
        let mut failure = None;
        let until = Instant::now() + PORT_TIMEOUT;
        let driver = loop {
            let freed = self.ports.freed();
            let Some(port) = self.ports.take(&tried) else {
                let may_come = !is_extra && self.ports.held_count() > 0;
                if may_come && timeout_at(until, freed).await.is_ok() {
                    continue;
                }
                return Err(failure.unwrap_or_else(|| SessionError::NotStarted(self.why_no_port())));
            };
            tried.insert(port.number());
            tries += 1;
            let started = Driver::start(&self.installation, env, port, self.config.health_interval, &mut on_exit).await;
            match started {
                Ok(driver) => break Arc::new(driver),
                Err(error) if tries < MAX_PORTS && is_port_taken(&error) => failure = Some(error),
                Err(error) => return Err(error),
            }
        };
        self.record(worker, &driver);
        Ok(driver)
    }

    /// Status of each driver, and of those that have ended until a successor takes their number.
    pub(crate) fn statuses(&self) -> Vec<DriverStatus> {
        let slots = self.lock();
        let statuses = slots.iter().enumerate().map(|(index, slot)| {
            let driver = slot.driver();
            let driver = driver.as_deref();
            DriverStatus {
                number: u16::try_from(index + 1).unwrap_or(u16::MAX),
                pid: driver.and_then(Driver::pid),
                port: driver.map(|driver| driver.port),
                is_healthy: driver.is_some_and(|driver| driver.health.is_healthy()),
                health_micros: driver.and_then(|driver| driver.health.response_micros()),
                restart_count: slot.start_count.saturating_sub(1),
                uptime_seconds: driver.map_or(0, |driver| driver.process.uptime().as_secs()),
                last_exit: slot.last_exit.clone(),
            }
        });
        statuses.collect()
    }

    fn why_no_port(&self) -> String {
        let Some(ports) = self.ports.ports() else { return "the driver found no free port".to_owned() };
        let held = self.ports.held_count();
        format!(
            "all ports {ports} (driver_ports) are in use, {held} of them by this run's own drivers; widen the range or free a \
             port"
        )
    }

    fn has_driver(&self, worker: WorkerId) -> bool {
        let wanted =
            |slot: &Slot| slot.worker == worker && slot.driver().is_some_and(|driver| !driver.process.is_killed());
        self.lock().iter().any(wanted)
    }

    /// Keeps the driver in a slot without a driver, or in a new one, and its exit status when it ends.
    fn record(self: &Arc<Self>, worker: WorkerId, driver: &Arc<Driver>) {
        let mut slots = self.lock();
        let index = slots.iter().position(|slot| slot.driver().is_none()).unwrap_or(slots.len());
        if index == slots.len() {
            slots.push(Slot { worker, driver: Weak::new(), start_count: 0, last_exit: None });
        }
        let slot = &mut slots[index];
        (slot.worker, slot.driver) = (worker, Arc::downgrade(driver));
        slot.start_count += 1;
        drop(slots);
        let (pool, exited) = (Arc::downgrade(self), driver.exited());
        tokio::spawn(async move {
            let exit = exited.await;
            if let Some(pool) = pool.upgrade()
                && let Some(slot) = pool.lock().get_mut(index)
            {
                slot.last_exit = Some(exit.status);
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a driver ended because another program was quicker to take its port.
fn is_port_taken(error: &SessionError) -> bool {
    let text = error.to_string().to_ascii_lowercase();
    ["port not available", "address already in use", "unable to start"].iter().any(|phrase| text.contains(phrase))
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    #[tokio::test]
    async fn a_driver_whose_own_choice_of_a_port_is_taken_chooses_again() {
        use super::*;
        use crate::browser::BrowserKind;
        use crate::browser::install::version::Version;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("driver");
        // the first three find the IPv4 port taken whose IPv6 one was free
        let script = "#!/bin/sh\necho >> \"$0.starts\"\nif [ $(wc -l < \"$0.starts\") -lt 4 ]; then echo IPv4 port not available. Exiting...; exit 1; fi\n\
                      echo ChromeDriver was started successfully on port 9515.; exec sleep 60\n";
        let write = "printf '%s' \"$2\" > \"$1\"; chmod 755 \"$1\"";
        assert!(
            std::process::Command::new("sh")
                .args(["-c", write, "sh"])
                .arg(&path)
                .arg(script)
                .status()
                .unwrap()
                .success()
        );
        let version = Version::find_in("1.2").unwrap();
        let installation = Installation {
            kind: BrowserKind::Chromium,
            browser: "/b".into(),
            browser_version: version.clone(),
            driver: path.clone(),
            driver_version: version,
        };
        let pool = Arc::new(DriverPool::new(
            installation,
            &DriverConfig { ports: None, health_interval: Duration::from_secs(10) },
        ));
        let driver = pool.start(WorkerId(1), DriverEnv::default(), drop).await.unwrap();
        assert_eq!(std::fs::read_to_string(path.with_extension("starts")).unwrap().lines().count(), 4);
        driver.kill();
        driver.exited().await;
        // stop waiting for one that never finds a port
        std::fs::write(&path, "#!/bin/sh\necho >> \"$0.starts\"\necho IPv4 port not available. Exiting...; exit 1\n")
            .unwrap();
        let error = pool.start(WorkerId(1), DriverEnv::default(), drop).await.unwrap_err();
        assert!(error.to_string().contains("IPv4 port not available"), "{error}");
        assert_eq!(std::fs::read_to_string(path.with_extension("starts")).unwrap().lines().count(), 4 + MAX_PORTS);
    }
}
