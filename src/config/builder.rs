//! Building a [`PoolConfig`] in a program. The method of each setting is declared in [`super::SETTINGS`].

use secrecy::SecretString;

use super::error::ConfigError;
use super::rules::resolve;
use super::sections::{Credentials, PoolConfig};
use super::settings::PoolConfigBuilder;

impl PoolConfig {
    /// A builder that starts from the defaults.
    pub fn builder() -> PoolConfigBuilder {
        PoolConfigBuilder::default()
    }
}

impl PoolConfigBuilder {
    /// The form login. Default: none.
    pub fn credentials(mut self, username: impl Into<String>, password: SecretString) -> Self {
        self.credentials = Some(Credentials { username: username.into(), password });
        self
    }

    /// Validates all settings together.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem, not only the first.
    pub fn build(self) -> Result<PoolConfig, ConfigError> {
        match resolve(self.settings, self.credentials) {
            Ok(config) if self.problems.is_empty() => Ok(config),
            Ok(_) => Err(self.problems.into()),
            Err(more) => Err(ConfigError::from(self.problems).and(more.problems().iter().cloned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytesize::ByteSize;

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
