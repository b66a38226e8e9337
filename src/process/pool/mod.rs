//! Named services, each with some processes that are kept healthy and leased in turn.

mod instance;
pub(crate) mod lease;
mod shared;
mod snapshot;
mod supervisor;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::runtime::Handle;
use tokio::time::timeout;

use self::lease::ProcessLease;
use self::shared::Shared;
use crate::process::error::{LeaseError, ServiceError, UnknownService};
use crate::process::service::ServiceConfig;
use crate::process::slots::{Circuit, Phase};
use crate::process::status::{ProcessPoolReport, ProcessPoolStatus};

/// Runs child processes as named services: starts them, checks their health, replaces those that fail, and gives leases of
/// the healthy ones in turn.
///
/// [`ProcessPool::close`] ends all processes and reports what was left. Dropping the pool kills them without waiting, and so
/// does the end of the runtime, or of this program, however it comes.
#[derive(Debug, Default)]
pub struct ProcessPool {
    services: Mutex<Services>,
}

#[derive(Debug, Default)]
struct Services {
    all: Vec<Arc<Shared>>,
    is_closed: bool,
}

/// A file of services.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceFile {
    services: BTreeMap<String, ServiceConfig>,
}

impl ProcessPool {
    /// A pool without services.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A pool of the services in a TOML text, each a table `[services.NAME]`, added in the order of their names. Nothing is
    /// started unless all of them are valid.
    ///
    /// # Errors
    /// As [`ProcessPool::add`], and [`ServiceError::Toml`].
    pub fn from_toml(text: &str) -> Result<Self, ServiceError> {
        let ServiceFile { services } = toml::from_str(text).map_err(|why| ServiceError::toml(text, &why))?;
        for (name, config) in &services {
            check(name, config)?;
        }
        let pool = Self::new();
        for (name, config) in services {
            pool.add(name, config)?;
        }
        Ok(pool)
    }

    /// As [`ProcessPool::from_toml`], from a file.
    ///
    /// # Errors
    /// As [`ProcessPool::from_toml`], and [`ServiceError::File`].
    pub fn from_toml_file(path: impl AsRef<Path>) -> Result<Self, ServiceError> {
        let path = path.as_ref();
        let file = |source| ServiceError::File { path: path.display().to_string(), source };
        Self::from_toml(&std::fs::read_to_string(path).map_err(file)?)
    }

    /// Adds a service and begins to start its processes. Does not wait for them: [`ProcessPool::ready`] does, and so does
    /// each lease. Must be called within a tokio runtime, which then runs the service.
    ///
    /// # Errors
    /// [`ServiceError`] when its settings are invalid, its command cannot be found, or its name is taken.
    pub fn add(&self, name: impl Into<String>, config: ServiceConfig) -> Result<(), ServiceError> {
        let name = name.into();
        check(&name, &config)?;
        let runtime = Handle::try_current().map_err(|_| ServiceError::NoRuntime)?;
        let mut services = self.lock();
        if services.is_closed {
            return Err(ServiceError::Closed);
        }
        if services.all.iter().any(|service| service.name == name) {
            return Err(ServiceError::Exists { service: name });
        }
        let (shared, starts) = Shared::new(name, config);
        runtime.spawn(supervisor::supervise(shared.clone(), starts));
        services.all.push(shared);
        Ok(())
    }

    /// Sets how many processes a service has without demand, from 0 to its maximum. Those that are too many end once their
    /// leases are back.
    ///
    /// # Errors
    /// [`ServiceError::Unknown`], [`ServiceError::TooMany`], [`ServiceError::Closed`].
    pub fn scale(&self, service: &str, count: usize) -> Result<(), ServiceError> {
        let shared = self.service(service)?;
        let max = shared.config.max();
        if count > max {
            return Err(ServiceError::TooMany { service: shared.name.clone(), asked: count, max });
        }
        if self.lock().is_closed {
            return Err(ServiceError::Closed);
        }
        shared.act(|state, _| state.slots.scale(count));
        Ok(())
    }

    /// Waits until a service has all the processes that it has without demand, for its `start_timeout` at most. Dropping
    /// the future changes nothing.
    ///
    /// # Errors
    /// [`LeaseError`], as for a lease.
    pub async fn ready(&self, service: &str) -> Result<(), LeaseError> {
        let shared = self.service(service)?;
        let mut changed = shared.changed.subscribe();
        let all_healthy = async {
            loop {
                changed.mark_unchanged();
                {
                    let (state, now) = (shared.lock(), shared.now());
                    if state.slots.is_closed() || matches!(state.slots.circuit(now), Circuit::Open(_)) {
                        return Err(shared.refusal(&state, now));
                    }
                    if state.slots.count(Phase::Healthy) >= state.slots.base() {
                        return Ok(());
                    }
                }
                if changed.changed().await.is_err() {
                    return Err(LeaseError::Closed);
                }
            }
        };
        let after = shared.config.start_timeout;
        timeout(after, all_healthy)
            .await
            .unwrap_or_else(|_| Err(LeaseError::Timeout { service: shared.name.clone(), wait: shared.wait(), after }))
    }

    /// Leases a process of a service, waiting in turn for its `lease_timeout` at most. Processes are leased round robin.
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`LeaseError`]: a timeout says what was waited for.
    pub async fn lease(&self, service: &str) -> Result<ProcessLease, LeaseError> {
        let shared = self.service(service)?;
        let after = shared.config.lease_timeout;
        Ok(ProcessLease::new(shared.permit(after).await?))
    }

    /// As [`ProcessPool::lease`], waiting for a time of one's own.
    ///
    /// # Errors
    /// As [`ProcessPool::lease`].
    pub async fn lease_within(&self, service: &str, timeout: Duration) -> Result<ProcessLease, LeaseError> {
        let shared = self.service(service)?;
        Ok(ProcessLease::new(shared.permit(timeout).await?))
    }

    /// All services and processes as they are now.
    #[must_use]
    pub fn status(&self) -> ProcessPoolStatus {
        let services = self.lock().all.clone();
        ProcessPoolStatus { services: services.iter().map(|service| snapshot::of(service)).collect() }
    }

    /// Ends all services, the one added last first: leases are refused, each process gets its signal and its time to end,
    /// and is killed after that. Can be called again; dropping the future leaves the services that it has come to ending,
    /// and the others as they are.
    pub async fn close(&self) -> ProcessPoolReport {
        let services = {
            let mut services = self.lock();
            services.is_closed = true;
            services.all.clone()
        };
        let mut report = ProcessPoolReport::default();
        for shared in services.iter().rev() {
            let before = shared.lock().report.clone();
            shared.act(|state, _| state.slots.close());
            let mut changed = shared.changed.subscribe();
            let all_ended = async {
                while !shared.lock().slots.is_empty() {
                    if changed.changed().await.is_err() {
                        return;
                    }
                }
            };
            let deadline = shared.config.stop.grace.saturating_add(instance::KILL_TIMEOUT * 2);
            if timeout(deadline, all_ended).await.is_err() {
                report.leftovers.push(format!("{}: its processes did not end in time; end them by hand", shared.name));
            }
            shared.kill();
            let after = shared.lock().report.clone();
            report.ended += after.ended - before.ended;
            report.killed += after.killed - before.killed;
            report.leftovers.extend(after.leftovers);
        }
        report
    }

    /// Waits for the signal that asks this program to end (Ctrl-C, on Unix also SIGTERM), then closes the pool. A second
    /// signal kills all processes at once.
    ///
    /// # Errors
    /// The system's reason, when signals cannot be received.
    pub async fn close_on_signal(&self) -> std::io::Result<ProcessPoolReport> {
        let mut signals = supervisor::Signals::new()?;
        signals.next().await;
        tracing::info!("asked to end: closing the process pool; a second signal kills its processes");
        let closing = self.close();
        tokio::pin!(closing);
        tokio::select! {
            report = &mut closing => return Ok(report),
            () = signals.next() => self.kill(),
        }
        Ok(closing.await)
    }

    fn kill(&self) {
        let mut services = self.lock();
        services.is_closed = true;
        for service in &services.all {
            service.kill();
        }
    }

    fn service(&self, name: &str) -> Result<Arc<Shared>, UnknownService> {
        let services = self.lock();
        services.all.iter().find(|service| service.name == name).cloned().ok_or_else(|| UnknownService {
            name: name.to_owned(),
            known: services.all.iter().map(|service| service.name.clone()).collect(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Services> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ProcessPool {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether a service can be added.
fn check(name: &str, config: &ServiceConfig) -> Result<(), ServiceError> {
    let mut problems = config.problems();
    if name.trim().is_empty() {
        problems.insert(0, "its name is empty".to_owned());
    }
    if !problems.is_empty() {
        return Err(ServiceError::Invalid { service: name.to_owned(), problems });
    }
    match instance::resolve(config) {
        Ok(_) => Ok(()),
        Err(failure) => Err(ServiceError::Command { service: name.to_owned(), failure: Arc::new(failure) }),
    }
}
