//! What a service of a process pool is: its command, ports, checks and limits. From a program or from TOML.

mod parse;
mod policies;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

pub use self::policies::{HealthCheck, HealthProbe, RestartPolicy, StopPolicy};
use crate::process::ports::Ports;

/// A named kind of process of which a [`ProcessPool`](super::ProcessPool) runs one or more.
///
/// `{port}` in an argument or a value of the environment stands for the port that the process is to listen on, on the
/// loopback interface. The process inherits the environment, without the variables of this program's own settings
/// (`COUPA_BATCH_*`, `COUPA_USERNAME`, `COUPA_PASSWORD`).
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceConfig {
    pub(crate) command: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, EnvValue>,
    pub(crate) dir: Option<PathBuf>,
    #[serde(deserialize_with = "parse::ports")]
    pub(crate) ports: Option<Ports>,
    pub(crate) min_processes: usize,
    pub(crate) max_processes: Option<usize>,
    pub(crate) health_check: HealthCheck,
    pub(crate) restart: RestartPolicy,
    pub(crate) stop: StopPolicy,
    pub(crate) leases_per_process: u32,
    pub(crate) max_leases: Option<u32>,
    #[serde(deserialize_with = "parse::duration")]
    pub(crate) start_timeout: Duration,
    #[serde(deserialize_with = "parse::duration")]
    pub(crate) lease_timeout: Duration,
    #[serde(deserialize_with = "parse::duration")]
    pub(crate) idle_timeout: Duration,
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self {
            command: String::new(),
            args: Vec::new(),
            env: BTreeMap::new(),
            dir: None,
            ports: None,
            min_processes: 1,
            max_processes: None,
            health_check: HealthCheck::default(),
            restart: RestartPolicy::default(),
            stop: StopPolicy::default(),
            leases_per_process: 1,
            max_leases: None,
            start_timeout: Duration::from_secs(30),
            lease_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
        }
    }
}

impl ServiceConfig {
    /// A service whose processes run `command`: a path, or a name that is looked up in `PATH`. Not a shell's command
    /// line: arguments belong into [`ServiceConfig::args`].
    #[must_use]
    pub fn new(command: impl Into<String>) -> Self {
        Self { command: command.into(), ..Self::default() }
    }

    /// Arguments; `{port}` in them becomes the process's port.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item: Into<String>>) -> Self {
        self.args = args.into_iter().map(Into::into).collect();
        self
    }

    /// Sets a variable of its environment; `{port}` in the value becomes the process's port. Values are not logged.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), EnvValue(SecretString::from(value.into())));
        self
    }

    /// The folder that it works in; by default that of this program.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// The ports of its processes, at least as many as there may be processes. By default the system picks free ones.
    #[must_use]
    pub fn ports(mut self, ports: impl Into<Ports>) -> Self {
        self.ports = Some(ports.into());
        self
    }

    /// How many processes always run, and how many at most while leases wait. Default: always one.
    #[must_use]
    pub fn processes(mut self, count: RangeInclusive<usize>) -> Self {
        (self.min_processes, self.max_processes) = (*count.start(), Some(*count.end()));
        self
    }

    /// How to see that a process is healthy. Default: a connection to its port, every ten seconds.
    #[must_use]
    pub fn health_check(mut self, check: HealthCheck) -> Self {
        self.health_check = check;
        self
    }

    /// When and how often a process that has failed is replaced.
    #[must_use]
    pub fn restart(mut self, policy: RestartPolicy) -> Self {
        self.restart = policy;
        self
    }

    /// How a process is asked to end. Default: SIGTERM, killed after five seconds.
    #[must_use]
    pub fn stop(mut self, policy: StopPolicy) -> Self {
        self.stop = policy;
        self
    }

    /// How many leases one process serves at a time. Default 1.
    #[must_use]
    pub fn leases_per_process(mut self, count: u32) -> Self {
        self.leases_per_process = count;
        self
    }

    /// After how many leases a process is replaced. Default: never.
    #[must_use]
    pub fn max_leases(mut self, count: u32) -> Self {
        self.max_leases = Some(count);
        self
    }

    /// How long a process may take until its first health check succeeds. Default 30 s.
    #[must_use]
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = timeout;
        self
    }

    /// How long a lease is waited for. Default 30 s.
    #[must_use]
    pub fn lease_timeout(mut self, timeout: Duration) -> Self {
        self.lease_timeout = timeout;
        self
    }

    /// How long a process beyond the minimum may be idle before it is stopped. Default 60 s.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// How many processes there are at most.
    pub(crate) fn max(&self) -> usize {
        self.max_processes.unwrap_or(self.min_processes.max(1))
    }

    /// What is wrong with it, each with what to do about it.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut unless = |is_right: bool, problem: &str| problems.extend((!is_right).then(|| problem.to_owned()));
        unless(!self.command.trim().is_empty(), "`command` is missing: name the program to run");
        unless(self.max() > 0, "`max_processes` is 0: allow at least one process");
        unless(self.min_processes <= self.max(), "`min_processes` is larger than `max_processes`");
        unless(self.leases_per_process > 0, "`leases_per_process` is 0: allow at least one");
        unless(self.max_leases != Some(0), "`max_leases` is 0: allow at least one, or leave it out");
        unless(self.health_check.failures > 0, "`health_check.failures` is 0: allow at least one");
        let mut above_zero = |span: Duration, name: &str| {
            problems.extend(span.is_zero().then(|| format!("`{name}` is 0: it must be longer")));
        };
        above_zero(self.health_check.interval, "health_check.interval");
        above_zero(self.health_check.deadline, "health_check.deadline");
        above_zero(self.restart.backoff_min, "restart.backoff_min");
        above_zero(self.restart.cool_down, "restart.cool_down");
        above_zero(self.start_timeout, "start_timeout");
        above_zero(self.lease_timeout, "lease_timeout");
        if let Some(ports) = &self.ports {
            if ports.count() < self.max() {
                let (count, max) = (ports.count(), self.max());
                problems.push(format!("`ports` has {count}, fewer than `max_processes` ({max}): add ports"));
            }
            if ports.has_zero() {
                problems.push("port 0 cannot be reached: leave `ports` out to have free ports chosen".to_owned());
            }
        }
        problems
    }
}

/// A value of the environment. May be a secret, so it is not shown.
#[derive(Clone, Debug)]
pub(crate) struct EnvValue(pub(crate) SecretString);

impl<'de> Deserialize<'de> for EnvValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(SecretString::from(String::deserialize(deserializer)?)))
    }
}
