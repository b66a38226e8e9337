//! When a process is healthy, when it is restarted, and how it ends.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};

use super::parse::duration;
use crate::process::os::group::StopSignal;

/// How to see that a process is healthy. In TOML a path (`"/health"`), `"tcp"`, `"none"`, or a table with one of them as
/// `probe`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealthCheck {
    /// What is asked.
    pub probe: HealthProbe,
    /// How often. Default 10 s.
    pub interval: Duration,
    /// How long one check may take. Default 2 s.
    pub deadline: Duration,
    /// After how many failed checks in a row a process is replaced; after the first one it gets no new leases. Default 3.
    pub failures: u32,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            probe: HealthProbe::Tcp,
            interval: Duration::from_secs(10),
            deadline: Duration::from_secs(2),
            failures: 3,
        }
    }
}

impl HealthCheck {
    /// Healthy is what responds to GET with success (2xx) at this path.
    #[must_use]
    pub fn http(path: impl Into<String>) -> Self {
        Self { probe: HealthProbe::Http(path.into()), ..Self::default() }
    }

    /// Healthy is what accepts a connection on its port.
    #[must_use]
    pub fn tcp() -> Self {
        Self::default()
    }

    /// Healthy is what runs: for processes without a port.
    #[must_use]
    pub fn none() -> Self {
        Self { probe: HealthProbe::None, ..Self::default() }
    }

    /// Checks every `interval`.
    #[must_use]
    pub fn every(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Allows one check this time.
    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Replaces a process after this many failed checks in a row.
    #[must_use]
    pub fn failures(mut self, count: u32) -> Self {
        self.failures = count;
        self
    }
}

/// What a health check asks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HealthProbe {
    /// GET of this path.
    Http(String),
    /// A connection to the port.
    Tcp,
    /// Nothing: a process that runs is healthy.
    None,
}

/// When a process that has failed is replaced: after `backoff_min`, twice that after the second failure in a row, and so
/// on up to `backoff_max`. After `limit` failures in a row the service counts as failed: leases are refused at once, and
/// one process is tried after each `cool_down`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RestartPolicy {
    /// Wait after the first failure. Default 500 ms.
    #[serde(deserialize_with = "duration")]
    pub backoff_min: Duration,
    /// The longest wait. Default 30 s.
    #[serde(deserialize_with = "duration")]
    pub backoff_max: Duration,
    /// How many failures in a row are followed by a restart. Default 5.
    pub limit: u32,
    /// A process that was healthy for so long starts the count anew when it fails. Default 60 s.
    #[serde(deserialize_with = "duration")]
    pub stable_after: Duration,
    /// Wait before the next try after too many failures. Default 60 s.
    #[serde(deserialize_with = "duration")]
    pub cool_down: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            backoff_min: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
            limit: 5,
            stable_after: Duration::from_secs(60),
            cool_down: Duration::from_secs(60),
        }
    }
}

/// How a process is asked to end. On Windows it is killed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StopPolicy {
    /// The signal, to all processes of its group. Default SIGTERM.
    pub signal: StopSignal,
    /// How long after it the group is killed. Default 5 s.
    #[serde(deserialize_with = "duration")]
    pub grace: Duration,
}

impl Default for StopPolicy {
    fn default() -> Self {
        Self { signal: StopSignal::Term, grace: Duration::from_secs(5) }
    }
}

impl<'de> Deserialize<'de> for HealthCheck {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HealthReader)
    }
}

struct HealthReader;

impl<'de> Visitor<'de> for HealthReader {
    type Value = HealthCheck;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a health check: a path (\"/health\"), \"tcp\", \"none\", or a table with one of them as `probe`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<HealthCheck, E> {
        Ok(HealthCheck {
            probe: probe(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))?,
            ..HealthCheck::default()
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<HealthCheck, A::Error> {
        let table = HealthTable::deserialize(MapAccessDeserializer::new(map))?;
        let probe =
            probe(&table.probe).ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(&table.probe), &self))?;
        Ok(HealthCheck { probe, interval: table.interval, deadline: table.deadline, failures: table.failures })
    }
}

fn probe(text: &str) -> Option<HealthProbe> {
    match text {
        "tcp" => Some(HealthProbe::Tcp),
        "none" => Some(HealthProbe::None),
        path => path.starts_with('/').then(|| HealthProbe::Http(path.to_owned())),
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HealthTable {
    probe: String,
    #[serde(deserialize_with = "duration")]
    interval: Duration,
    #[serde(deserialize_with = "duration")]
    deadline: Duration,
    failures: u32,
}

impl Default for HealthTable {
    fn default() -> Self {
        let HealthCheck { interval, deadline, failures, .. } = HealthCheck::default();
        Self { probe: "tcp".to_owned(), interval, deadline, failures }
    }
}
