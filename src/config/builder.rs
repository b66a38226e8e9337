//! The way to a [`PoolConfig`] from a program.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use secrecy::SecretString;

use super::{BrowserChoice, ConfigProblems, Credentials, PoolConfig, Problem, Settings, resolve};

/// Collects settings and validates them together in [`PoolConfigBuilder::build`]. What is not set has the default of
/// `docs/configuration.md`.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct PoolConfigBuilder {
    settings: Settings,
    credentials: Option<Credentials>,
    problems: Vec<Problem>,
}

/// Setters that only put a value in its place.
macro_rules! setters {
    ($($(#[doc = $doc:literal])+ $method:ident($type:ty) => $field:ident;)+) => {$(
        $(#[doc = $doc])+
        pub fn $method(mut self, value: $type) -> Self {
            self.settings.$field = Some(value.into());
            self
        }
    )+};
}

impl PoolConfigBuilder {
    /// Starts from settings that were read elsewhere.
    pub fn from_settings(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// The portal's address, such as `https://acme.coupahost.com`.
    pub fn base_url(mut self, address: impl AsRef<str>) -> Self {
        match address.as_ref().parse() {
            Ok(url) => self.settings.base_url = Some(url),
            Err(why) => {
                self.problems
                    .push(Problem::new("base_url", format!("{:?} is not an address: {why}", address.as_ref())));
            }
        }
        self
    }

    /// The form login.
    pub fn credentials(mut self, username: impl Into<String>, password: SecretString) -> Self {
        self.credentials = Some(Credentials { username: username.into(), password });
        self
    }

    /// How many workers, 1 to 64.
    pub fn worker_count(mut self, count: u32) -> Self {
        match count.to_string().parse() {
            Ok(count) => self.settings.workers = Some(count),
            Err(why) => self.problems.push(Problem::new("workers", why)),
        }
        self
    }

    /// Ports of this machine that drivers listen on, from 1024 on; one for each driver that the workers need at least, and
    /// one more if a browser is to be replaced without a gap.
    pub fn driver_ports(mut self, ports: RangeInclusive<u16>) -> Self {
        self.settings.driver_ports = Some(format!("{}-{}", ports.start(), ports.end()));
        self
    }

    setters! {
        /// The output folder.
        out(impl Into<PathBuf>) => out;
        /// So many workers remain, however short memory is.
        min_workers(u32) => min_workers;
        /// Never more workers than this; the pool finds the best number up to it.
        max_workers(u32) => max_workers;
        /// Whether browsers work without windows.
        headless(bool) => headless;
        /// Which browser.
        browser(BrowserChoice) => browser;
        /// The browser's program file.
        browser_path(impl Into<PathBuf>) => browser_path;
        /// The driver's program file.
        driver_path(impl Into<PathBuf>) => driver_path;
        /// How often each driver is asked how it is.
        driver_health_interval(Duration) => driver_health_interval;
        /// Where profile folders are made.
        base_profile_path(impl Into<PathBuf>) => profile_dir;
        /// What profile folders are cloned from.
        profile_template(impl Into<PathBuf>) => profile_template;
        /// Whether profile folders are wiped at the end.
        profile_cleanup_on_shutdown(bool) => profile_cleanup;
        /// Largest profile.
        max_profile_size(ByteSize) => profile_max_size;
        /// Largest total of what is kept of failed attempts; 0 keeps nothing.
        evidence_max_size(ByteSize) => evidence_max_size;
        /// Share of the memory in use from which workers are retired.
        memory_threshold(f64) => memory_threshold;
        /// How long running orders may go on once the pool drains.
        shutdown_timeout(Duration) => shutdown_timeout;
        /// How long a browser may take to start.
        worker_startup_timeout(Duration) => startup_timeout;
        /// How long one attempt at one order, or one lent session, may take.
        task_timeout(Duration) => task_timeout;
        /// Tries after the first one, 0 to 20.
        retry_limit(u32) => retry_limit;
        /// Shortest wait before another try.
        retry_delay(Duration) => retry_delay;
        /// After how many failed orders in a row the run stops; 0 never does.
        stop_after(u32) => stop_after;
        /// After how many attempts a session is replaced.
        recycle_after(u32) => recycle_after;
        /// At what age a session is replaced.
        recycle_age(Duration) => recycle_age;
        /// With how much memory a session is replaced.
        recycle_memory(ByteSize) => recycle_memory;
        /// When pages take so many times as long as a fresh session's it is replaced; 0 never.
        recycle_slowdown(f64) => recycle_slowdown;
        /// How often a worker may get another session because its own broke, within the window.
        restart_limit(u32) => restart_limit;
        /// The window of the restart limit.
        restart_window(Duration) => restart_window;
        /// The most memory that the program and its browsers may hold together.
        memory_max(ByteSize) => memory_max;
        /// How often memory is read.
        memory_interval(Duration) => memory_interval;
        /// Least time between two changes of the number of workers.
        memory_cool_down(Duration) => memory_cool_down;
        /// Share of the processors in use above which no further order starts beside those in work.
        max_cpu(f64) => max_cpu;
        /// Free memory below which no further order starts beside those in work.
        min_free_memory(ByteSize) => min_free_memory;
        /// Name of a shipped site recipe, or path of one.
        recipe(impl Into<String>) => recipe;
    }

    /// Validates everything together.
    ///
    /// # Errors
    /// [`ConfigProblems`] with every problem, not only the first.
    pub fn build(self) -> Result<PoolConfig, ConfigProblems> {
        let resolved = resolve(self.settings, self.credentials);
        match resolved {
            Ok(config) if self.problems.is_empty() => Ok(config),
            Ok(_) => Err(ConfigProblems::from(self.problems)),
            Err(more) => Err(ConfigProblems::from(self.problems.into_iter().chain(more).collect::<Vec<_>>())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::WorkerCount;

    #[test]
    fn defaults_are_the_promised_ones() {
        let config = PoolConfig::builder().build().unwrap();
        assert_eq!(config.worker_count, WorkerCount::Auto);
        assert!(config.browser.headless && config.profiles.cleanup);
        assert!((config.memory.threshold - 0.75).abs() < f64::EPSILON);
        assert_eq!(config.deadlines.drain, Duration::from_secs(120));
        assert_eq!(config.deadlines.open, Duration::from_secs(30));
        assert_eq!(config.profiles.max_size, ByteSize::mb(100));
    }

    #[test]
    fn drivers_are_set_from_a_program_as_from_a_file() {
        let builder = PoolConfig::builder().worker_count(2).driver_ports(9515..=9518);
        let config = builder.driver_health_interval(Duration::from_secs(3)).build().unwrap();
        assert_eq!(config.browser.drivers.ports, Some(9515..=9518));
        assert_eq!(config.browser.drivers.health_interval, Duration::from_secs(3));
        let refused = PoolConfig::builder().driver_ports(80..=90).build().unwrap_err().to_string();
        assert!(refused.contains("driver_ports"), "{refused}");
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let refused = PoolConfig::builder()
            .base_url("not an address")
            .worker_count(0)
            .memory_threshold(1.5)
            .retry_limit(99)
            .task_timeout(Duration::from_secs(1))
            .build()
            .unwrap_err();
        let shown = refused.to_string();
        for key in ["base_url", "workers", "memory_threshold", "retry_limit", "task_timeout"] {
            assert!(shown.contains(key), "{key} is missing in:\n{shown}");
        }
    }
}
